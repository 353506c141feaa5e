"""Versions to scored customers: what 04_score calls. Every target asked for, or scored before, ends in a score, a refusal or an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

from pyarrow.parquet import read_schema

from tenure.core.errors import (
    DataContractError,
    DefinitionMismatchError,
    LeakageError,
    NotEnoughDataError,
    RegistryError,
    TenureError,
    UnknownNameError,
)
from tenure.core.stored import write_stored
from tenure.scoring.ledger import BACKFILL, QUICK, SCHEDULED, append_to_ledger, last_days
from tenure.scoring.score import (
    Scores,
    ScoringModel,
    check_scorable,
    score_customers,
    with_attributes,
    write_scores,
)
from tenure.steps.opening import Session, writes
from tenure.steps.parameters import names_in
from tenure.steps.results import SCORING_FORMAT, SCORING_JSON, records, saved_records
from tenure.targets.catalogue import check_targets

VERSION = "_model_version"
# A target that was not scored for longer, while others were, was given up.
REMEMBERED = timedelta(days=31)
NOT_SCORABLE: dict[type[TenureError], str] = {
    DefinitionMismatchError: "other_definition", DataContractError: "lost_features", LeakageError: "hindsight"
}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """A target and the version that scores it."""

    target: str
    scoring: ScoringModel

    def document(self) -> dict[str, Any]:
        return {
            "outcome": "scored", "code": "scored", "reason": "", "model_version": self.scoring.version,
            "definition": self.scoring.model.about.get("definition", ""), "is_quick": self.scoring.is_quick,
        }  # fmt: skip


@dataclass(frozen=True)
class NotScored:
    """A target that nobody scores. ``error`` says why, and what to run; a refusal is one for lack of data, or by the gates.

    ``code``: no_champion, unusable, other_definition, lost_features, hindsight; of refusals unavailable, too_little_data, blocked.
    """

    target: str
    code: str
    error: TenureError
    version: str = ""
    is_refusal: bool = False

    def document(self) -> dict[str, Any]:
        return {
            "outcome": "refused" if self.is_refusal else "error", "code": self.code, "reason": str(self.error), "model_version": self.version,
            "definition": "", "is_quick": False,
        }  # fmt: skip


@writes
def score(
    session: Session,
    versions: dict[str, str] | None = None,
    *,
    targets: str = "",
    allow_hindsight: bool = False,
) -> Scores:
    """Score every customer with the given versions, else the champions; write the tables and what became of each target, append the ledger.

    ``targets`` adds to what was scored before. A target that cannot be scored holds up no other.

    Raises
    ------
    TenureError : of all that were to be scored by a champion, none can be: why the first cannot.
    """
    before = scored_before(session)
    found = choose_models(session, versions, names_in(targets), before, allow_hindsight=allow_hindsight)
    chosen = {one.target: one for one in found if isinstance(one, Chosen)}
    others = sorted((one for one in found if isinstance(one, NotScored)), key=lambda one: one.is_refusal)
    if not chosen and versions is None:
        raise others[0].error if others else _no_champion(session, "no target")
    session.snapshots.build_features([session.as_of])
    models = {name: one.scoring for name, one in chosen.items()}
    scores = with_attributes(
        session.snapshots, score_customers(session.snapshots, models, allow_hindsight=allow_hindsight)
    )
    kind = QUICK if session.quick else session.run_kind
    write_scores(
        scores,
        session.output,
        source=session.source.name,
        as_of=session.as_of,
        run_kind=kind,
        is_hindsight=allow_hindsight,
    )
    for one in others:
        # Of a day that was scored before: beside a table that no longer knows them, former scores would mislead.
        (session.output / f"{one.target}.csv").unlink(missing_ok=True)
        rmtree(models_folder(session.output) / one.target, ignore_errors=True)
    for name, scoring in models.items():
        scoring.model.save(models_folder(session.output) / name)
    append_to_ledger(
        session.workspace, scores, source=session.source.name, as_of=session.as_of, run_id=session.run_id, run_kind=kind, hindsight=allow_hindsight,
        scored_at=session.started_at.replace(tzinfo=None),
    )  # fmt: skip
    write_stored(
        session.output / SCORING_JSON, {"targets": {one.target: one.document() for one in found}}, SCORING_FORMAT
    )
    return scores


def choose_models(
    session: Session,
    versions: Mapping[str, str] | None,
    wanted: Sequence[str],
    before: Iterable[str],
    *,
    allow_hindsight: bool = False,
) -> list[Chosen | NotScored]:
    """Choose who scores each target: those ``wanted``, else every one with a champion; and those that were scored ``before``.

    ``versions`` come before the champions; one that is empty says that its target was trained, and nobody may score it.

    Raises
    ------
    UnknownNameError : a target wanted that nobody defined.
    """
    check_targets(wanted, session.source)
    able = session.snapshots.targets
    due = {*wanted, *before}
    asked = due | ({*versions} if versions is not None else set() if wanted else {*able})
    found: list[Chosen | NotScored | None] = []
    for name in [*(name for name in able if name in asked), *sorted(asked - {*able})]:
        version = (versions or {}).get(name)
        if version is None and name in able:
            version = session.registry.champion(session.model_name(name))
        if version and name in able:
            found.append(_choose(session, name, version, allow_hindsight=allow_hindsight))
        else:
            found.append(_nobody(session, name, is_due=name in due))
    return [one for one in found if one]


def _choose(session: Session, name: str, version: str, *, allow_hindsight: bool) -> Chosen | NotScored:
    registered = session.model_name(name)
    try:
        found, model = session.registry.find(registered, version), session.registry.load(registered, version)
    except (RegistryError, UnknownNameError) as error:
        return NotScored(name, "unusable", error, version)
    scoring = ScoringModel(model, version, is_quick=session.quick or found.is_quick)
    try:
        check_scorable(session.snapshots, name, scoring, allow_hindsight=allow_hindsight)
    except tuple(NOT_SCORABLE) as error:
        return NotScored(name, NOT_SCORABLE[type(error)], error, version)
    return Chosen(name, scoring)


def _nobody(session: Session, name: str, *, is_due: bool) -> NotScored | None:
    """Say why a target has no version to score with; None where nobody misses it."""
    record = next((record for record in saved_records(session) if record.target == name), None)
    if name not in session.snapshots.targets:
        why = session.snapshots.unavailable_targets.get(
            name, "nobody defines this target any more; bring its file or package back"
        )
        return NotScored(
            name, "unavailable", NotEnoughDataError(f"{name} on {session.source.name}: {why}."), is_refusal=True
        )
    if record and record.status == "refused":
        return NotScored(name, record.code or "too_little_data", NotEnoughDataError(record.reason), is_refusal=True)
    if is_due:
        return NotScored(name, "no_champion", _no_champion(session, name))
    if record:
        blocked = f"{name}: version {record.version} {record.reason}. Expected a version that passes, for there is no champion."
        return NotScored(name, "blocked", RegistryError(blocked), record.version, is_refusal=True)
    return None


def _no_champion(session: Session, name: str) -> RegistryError:
    asked = f" --targets {name}" if name in session.snapshots.targets else ""
    return RegistryError(
        f"{session.source.name}: {name} has {'no' if asked else 'a'} champion in the MLflow store. "
        f"Expected a trained model; run 'tenure run {session.source.name}{asked}' first."
    )


def scored_before(session: Session) -> dict[str, date]:
    """Say as of which day each target was scored last, this day included: by this day's table or by the ledger."""
    found = dict.fromkeys(scored_in(session.output), session.as_of)
    if session.run_kind != BACKFILL:
        found = last_days(session.workspace, session.source.name, (SCHEDULED, QUICK), session.as_of) | found
    since = min(max(found.values(), default=session.as_of), session.as_of - REMEMBERED)
    return {name: day for name, day in found.items() if day >= since}


def models_folder(output: Path) -> Path:
    """Name where the models that scored lie beside the scores: one customer's page reads them without starting MLflow."""
    return output / "models"


def with_those_scored(folder: Path, asked: Sequence[str]) -> list[str]:
    """Add the targets that a folder's table holds to those asked for: one table tells of one moment, so all are scored again."""
    return list(dict.fromkeys([*scored_in(folder), *asked])) if asked else []


def scored_in(folder: Path) -> list[str]:
    """Name the targets that a folder's table holds."""
    path = folder / "scored_customers.parquet"
    columns = read_schema(path).names if path.is_file() else []
    return [name.removesuffix(VERSION) for name in columns if name.endswith(VERSION)]


def run_versions(session: Session) -> dict[str, str]:
    """Choose what to score with: the version just trained where it may be promoted, else the champion; empty where there is neither."""
    return {
        record.target: (record.version if record.status == "trained" else session.registry.champion(session.model_name(record.target)) or "")
        for record in records(session)
    }  # fmt: skip
