"""What the steps of a run left in its folder, read again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from tenure.core.errors import DamagedError, UnknownNameError
from tenure.core.problems import Problem, load_problems
from tenure.core.stored import read_stored
from tenure.reporting.record import TrainingRecord
from tenure.steps.opening import Session
from tenure.targets.catalogue import all_targets

SCORED = "scored_customers.parquet"
REVIEW_PROBLEMS = "review.problems.json"
DECISION_PROBLEMS = "decisions.problems.json"
FORMER_REVIEW_PROBLEMS = "review.alerts.json"
SCORING_JSON, SCORING_FORMAT = "scoring.json", 1
DECISIONS_JSON, DECISIONS_FORMAT = "decisions.json", 1
# Tables of the attributes that choose by what came of it: the columns of what is chosen for and of what was chosen.
LEARNT = {
    "recommendation_quality": (("kind", "mix"), "recommendations of kind"),
    "best_channel_quality": (("", "is_used"), "channel"),
}
IN_WORDS = {"True": "each customer's own", "False": "the most used one, for all"}
CAMPAIGNS_JSON, CAMPAIGNS_FORMAT = "campaigns.json", 1
EFFECTS_JSON, EFFECTS_FORMAT = "effects.json", 1


def saved_records(session: Session) -> list[TrainingRecord]:
    """Read the records of the targets trained into this run's output; a damaged one is none.

    They come in the order of the targets; those of targets that nobody defines any more come last.
    """
    found = []
    for name in dict.fromkeys([*all_targets(session.source), *trained_in(session.output)]):
        with suppress(FileNotFoundError, DamagedError):
            found.append(TrainingRecord.load(session.training_folder(name)))
    return found


def trained_in(folder: Path) -> list[str]:
    """Name the targets whose trainings lie in an output folder."""
    return sorted(path.parent.name for path in folder.glob("training/*/record.json"))


def records(session: Session) -> list[TrainingRecord]:
    """Read the records as ``saved_records`` does, expecting at least one.

    Raises
    ------
    UnknownNameError : nothing was trained into this output.
    """
    found = saved_records(session)
    if not found:
        raise UnknownNameError("Training", str(session.output), [], hint="Run 03_train for a target first.")
    return found


def review_problems(folder: Path) -> list[Problem]:
    """Read the problems that a review and a decision left in an output folder."""
    former, path = folder / FORMER_REVIEW_PROBLEMS, folder / REVIEW_PROBLEMS
    reviewed = load_problems(former if former.is_file() and not path.is_file() else path)
    return [*reviewed, *load_problems(folder / DECISION_PROBLEMS)]


def scoring_outcomes(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what became of each target when an output folder was scored; nothing where it was not.

    => target: outcome (scored, refused, error), code, reason, model_version, definition, is_quick
    """
    path = folder / SCORING_JSON
    return dict(read_stored(path, SCORING_FORMAT)["targets"]) if path.is_file() else {}


def decided_today(folder: Path) -> dict[str, Any]:
    """Read what a decision day came to, as an output folder has it; empty where nobody decided."""
    path = folder / DECISIONS_JSON
    return read_stored(path, DECISIONS_FORMAT) if path.is_file() else {}


def learnt_in(folder: Path) -> dict[str, str]:
    """Say what decisions, channels and recommendations went by, as an output folder has it: what outcomes may change."""
    found = {f"effect of {name}": words for name, words in decided_today(folder).get("effects", {}).items()}
    for name, (columns, subject) in LEARNT.items():
        path = folder / f"{name}.csv"
        if path.is_file():
            for row in pd.read_csv(path).to_dict("records"):
                about, words = (str(row.get(column, "")) for column in columns)
                found[f"{subject} {about}".strip()] = IN_WORDS.get(words, words)
    return found


def campaign_results(folder: Path) -> list[dict[str, str]]:
    """Read what campaigns changed, in words, as an output folder has it. => about, verdict, text"""
    path = folder / CAMPAIGNS_JSON
    return list(read_stored(path, CAMPAIGNS_FORMAT)["campaigns"]) if path.is_file() else []


def settled_effects(folder: Path) -> dict[str, tuple[str, bool]]:
    """Read which version each action got in an output folder, and whether it passed every gate. => action: (version, passed)"""
    path = folder / EFFECTS_JSON
    said = read_stored(path, EFFECTS_FORMAT)["effects"] if path.is_file() else []
    return {
        one["action"]: (one["version"], one["differs"] and all(gate["passed"] for gate in one["gates"]))
        for one in said
        if one["version"]
    }


def is_quick(session: Session) -> bool:
    """Say whether a run's pages show quick numbers: its own, or those of a quick champion that scored."""
    return session.quick or any(one["is_quick"] for one in scoring_outcomes(session.output).values())
