"""Ready schedules: daily scores and decisions, monthly runs, answers every few minutes; for one workspace and source."""

from __future__ import annotations

import shlex
import sys
from importlib.resources import files

from tenure.core.errors import UnknownNameError, UsageError
from tenure.core.workspace import Workspace
from tenure.runs.notebooks import notebook_folders

SCHEDULERS = {
    "cron": ("cron.txt",),
    "systemd": (
        "tenure-score@.service",
        "tenure-score@.timer",
        "tenure-run@.service",
        "tenure-run@.timer",
    ),
    "airflow": ("airflow_dag.py",),
    "github": ("github_workflow.yml",),
}
# For a source that declares actions.
DECIDING = {
    "cron": ("cron_decide.txt",),
    "systemd": (
        "tenure-decide@.service",
        "tenure-decide@.timer",
        "tenure-answer@.service",
        "tenure-answer@.timer",
    ),
    "airflow": ("airflow_decide_dag.py",),
    "github": ("github_decide.yml",),
}


def schedule_files(scheduler: str, source: str, workspace: Workspace, *, decides: bool = False) -> dict[str, str]:
    """Fill in a scheduler's files; ``decides``: those of decisions as well. => file name: text

    Raises
    ------
    UnknownNameError : no such scheduler. UsageError : a path that each scheduler would have to quote in its own way.
    """
    if scheduler not in SCHEDULERS:
        raise UnknownNameError("Scheduler", scheduler, SCHEDULERS)
    for path in (sys.executable, str(workspace.root)):
        if shlex.quote(path) != path or "%" in path:
            raise UsageError(
                f"{path}: schedulers read blanks and signs in their own ways. Expected a path without any; move it."
            )
    values = {
        "<tenure>": f"{sys.executable} -m tenure",
        "<python>": sys.executable,
        "<source>": source,
        "<workspace>": str(workspace.root),
        "<notebooks>": str(next(folder for folder in notebook_folders() if folder.is_dir())),
    }
    return {name: _filled(name, values) for name in SCHEDULERS[scheduler] + (DECIDING[scheduler] if decides else ())}


def _filled(name: str, values: dict[str, str]) -> str:
    text = (files("tenure.runs.schedules") / name).read_text(encoding="utf-8")
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text
