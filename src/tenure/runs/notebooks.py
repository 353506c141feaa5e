"""The only file that imports Papermill: finds notebooks, runs one, says in one message why it failed."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from tenure.core.errors import RunError, UnknownNameError, error_of
from tenure.core.memory import DEFAULT
from tenure.core.secrets import without_secrets
from tenure.steps.parameters import complete

KERNEL_TIMEOUT_SECONDS = 3600
# In Jupyter's message on a kernel that never came up, as when another took its port in the same instant.
NEVER_STARTED = "before replying"
# Characters of all that one cell says; figures are no text and stay whole.
LONGEST_TEXT = 200_000
# What the kernel colours a trace with.
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


def notebook_folders() -> tuple[Path, ...]:
    """List where notebooks may lie: as the wheel carries them, then in the checkout."""
    package = Path(str(files("tenure")))
    return package / "notebooks", package.parents[1] / "notebooks"


def notebook_path(name: str) -> Path:
    """Find a notebook.

    Raises
    ------
    UnknownNameError : no such notebook.
    """
    known = {path.stem: path for folder in reversed(notebook_folders()) for path in folder.glob("*.ipynb")}
    if name not in known:
        raise UnknownNameError("Notebook", name, known)
    return known[name]


def execute(name: str, parameters: Mapping[str, Any], output: Path, workspace: Path) -> None:
    """Run one notebook and keep it, executed, at ``output``; it shows every parameter it ran with.

    Raises
    ------
    UsageError : a parameter the notebook does not have, or a wrong value; no kernel starts.
    TenureError : a cell raised it, and its own message is repeated. RunError : a cell failed otherwise, or the
        kernel was killed.
    """
    papermill = _papermill()  # before nbclient: what it keeps from being imported, that would bring, too
    from nbclient.exceptions import DeadKernelError

    from tenure.runs.warm_kernels import ForkingKernelManager

    values = complete(name, parameters)
    output.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a warning of the kernel's debugger, in every output
    given = {
        "parameters": values, "kernel_name": "python3", "progress_bar": False, "log_output": False,
        # What a cell raises comes as a message; a kernel's own log notes that it is interrupted at the end.
        "execution_timeout": KERNEL_TIMEOUT_SECONDS, "extra_arguments": ["--log-level=CRITICAL"],
        "kernel_manager_class": ForkingKernelManager,
        # The kernel's folder. Papermill's own ``cwd`` would move this whole process.
        "resources": {"metadata": {"path": str(workspace)}},
    }  # fmt: skip
    try:
        try:
            papermill.execute_notebook(str(notebook_path(name)), str(output), **given)
        except RuntimeError as error:
            if NEVER_STARTED not in str(error):
                raise
            papermill.execute_notebook(str(notebook_path(name)), str(output), **given)
    except papermill.PapermillExecutionError as error:
        message = error.evalue if error.ename.endswith("Error") else f"{error.ename}: {error.evalue}"
        raised = error_of(error.ename, RunError)(f"{name}: {message}")
        raised.add_note(f"In cell {error.exec_count} of {name}:\n{_COLOURS.sub('', chr(10).join(error.traceback))}")
        raise raised from None
    except DeadKernelError:
        raise RunError(
            f"{name}: its kernel was killed, most likely because memory ran out. Finished steps are kept: free memory, or lower "
            f"TENURE_MEMORY (now {os.environ.get('TENURE_MEMORY', DEFAULT)}), and run again; only what is missing will run."
        ) from None
    finally:
        _blot_out_secrets(output)
        shorten_outputs(output)


def _papermill() -> Any:
    """Import Papermill, which takes a second."""
    # On its way there jsonschema would build a grammar of Internet addresses: most of what the import costs, and no
    # notebook's schema asks for it. To jsonschema the package is one that is not installed.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # what blocks an import
    import papermill

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # a kernel that died is said once, by us
    return papermill


def shorten_outputs(notebook: Path) -> None:
    """Cut texts that a cell printed or showed beyond what anyone reads: executed notebooks are kept by the hundred."""
    if not notebook.is_file() or notebook.stat().st_size <= LONGEST_TEXT:
        return
    document = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in document["cells"]:
        if "outputs" in cell:
            cell["outputs"] = _shortened(cell["outputs"])
    notebook.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _shortened(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cut the texts of a cell's outputs where there is no more room; of what follows keep figures and errors."""
    room, left_out = LONGEST_TEXT, 0
    kept = []
    for output in outputs:
        shown = output.get("data", {})
        texts = [(output, "text"), *((shown, kind) for kind in shown if kind.startswith("text/"))]
        if not room and output["output_type"] != "error" and all(kind.startswith("text/") for kind in shown):
            left_out += 1
            continue
        for place, kind in texts:
            text = "".join(place.get(kind, ""))
            if len(text) > room:
                place[kind] = f"{text[:room]}\n... cut here: {len(text):,} characters in all"
            room -= min(room, len(text))
        kept.append(output)
    if left_out:
        kept.append({"output_type": "stream", "name": "stdout", "text": f"... {left_out:,} further outputs left out"})
    return kept


def _blot_out_secrets(notebook: Path) -> None:
    """Keep passwords out of what a cell, or a library's error, printed."""
    if notebook.is_file():
        text = notebook.read_text(encoding="utf-8")
        if (safe := without_secrets(text)) != text:
            notebook.write_text(safe, encoding="utf-8")
