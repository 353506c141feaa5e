"""Which version scores each target: one asked for, or scored before, ends in a score, a refusal or an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from tenure.core.errors import (
    DataContractError,
    DefinitionMismatchError,
    LeakageError,
    NotEnoughDataError,
    RegistryError,
    TenureError,
    UnknownNameError,
)
from tenure.scoring.score import ScoringModel, check_scorable
from tenure.steps.opening import Session
from tenure.steps.results import saved_records
from tenure.targets.catalogue import check_targets

NOT_SCORABLE: dict[type[TenureError], str] = {
    DefinitionMismatchError: "other_definition",
    DataContractError: "lost_features",
    LeakageError: "hindsight",
}


@dataclass(frozen=True)
class Chosen:
    """A target and the version that scores it."""

    target: str
    scoring: ScoringModel

    def document(self) -> dict[str, Any]:
        """Return the target's entry of ``scoring.json``."""
        about = self.scoring.model.about
        return _document(
            "scored",
            version=self.scoring.version,
            definition=about.get("definition", ""),
            is_quick=self.scoring.is_quick,
        )

    def leave(self, folder: Path) -> None:
        """Keep the model beside its scores."""
        self.scoring.model.save(models_folder(folder) / self.target)


@dataclass(frozen=True)
class NotScored:
    """A target that no version scores.

    ``error`` says why, and what to run; a refusal is one for lack of data, or by the gates. ``code``: no_champion,
    unusable, other_definition, lost_features, hindsight; of refusals unavailable, too_little_data, blocked.
    """

    target: str
    code: str
    error: TenureError
    version: str = ""
    is_refusal: bool = False

    def document(self) -> dict[str, Any]:
        """Return the target's entry of ``scoring.json``."""
        outcome = "refused" if self.is_refusal else "error"
        return _document(outcome, code=self.code, reason=str(self.error), version=self.version)

    def leave(self, folder: Path) -> None:
        """Remove what an earlier scoring of the day left: beside a table without the target it would mislead."""
        (folder / f"{self.target}.csv").unlink(missing_ok=True)
        rmtree(models_folder(folder) / self.target, ignore_errors=True)


def _document(
    outcome: str, *, code: str = "", reason: str = "", version: str = "", definition: str = "", is_quick: bool = False
) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "code": code or outcome,
        "reason": reason,
        "model_version": version,
        "definition": definition,
        "is_quick": is_quick,
    }


def models_folder(output: Path) -> Path:
    """Locate the models that scored, beside the scores: one customer's page reads them without starting MLflow."""
    return output / "models"


def choose_models(
    session: Session,
    versions: Mapping[str, str] | None,
    wanted: Sequence[str],
    before: Iterable[str],
    *,
    allow_hindsight: bool = False,
) -> list[Chosen | NotScored]:
    """Choose the version that scores each target.

    Targets are those ``wanted``, else all with a champion; and those scored ``before``.
    ``versions`` come before the champions; an empty one says that its target was trained, and no version may score it.

    Raises
    ------
    UnknownNameError : a target wanted that nobody defined.
    """
    check_targets(wanted, session.source)
    able = session.snapshots.targets
    due = {*wanted, *before}
    asked = due | ({*versions} if versions is not None else set() if wanted else {*able})
    found: list[Chosen | NotScored] = []
    for name in [*(name for name in able if name in asked), *sorted(asked - {*able})]:
        version = (versions or {}).get(name)
        if version is None and name in able:
            version = session.registry.champion(session.model_name(name))
        if version and name in able:
            found.append(_choose(session, name, version, allow_hindsight=allow_hindsight))
        elif missed := _nobody(session, name, is_due=name in due):
            found.append(missed)
    return found


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
    """Say why no version scores a target; None where no score of it is missed."""
    record = next((record for record in saved_records(session) if record.target == name), None)
    if name not in session.snapshots.targets:
        undefined = "nobody defines this target any more; bring its file or package back"
        why = session.snapshots.unavailable_targets.get(name, undefined)
        return NotScored(
            name, "unavailable", NotEnoughDataError(f"{name} on {session.source.name}: {why}."), is_refusal=True
        )
    if record and record.status == "refused":
        code = record.judgement.code or "too_little_data"
        return NotScored(name, code, NotEnoughDataError(record.reason), is_refusal=True)
    if is_due:
        return NotScored(name, "no_champion", no_champion(session, name))
    if record:
        version = record.model.version
        blocked = (
            f"{name}: version {version} {record.reason}. Expected a version that passes, for there is no champion."
        )
        return NotScored(name, "blocked", RegistryError(blocked), version, is_refusal=True)
    return None


def no_champion(session: Session, name: str) -> RegistryError:
    asked = f" --targets {name}" if name in session.snapshots.targets else ""
    return RegistryError(
        f"{session.source.name}: {name} has {'no' if asked else 'a'} champion in the MLflow store. "
        f"Expected a trained model; run 'tenure run {session.source.name}{asked}' first."
    )
