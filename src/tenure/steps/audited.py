"""A training result beside the champion it is compared with, its walk over earlier cutoffs, and its audit."""

from __future__ import annotations

from dataclasses import dataclass

from tenure.audit.audit import Audit
from tenure.core.errors import RegistryError
from tenure.models.model import PropensityModel
from tenure.models.scorecard import Scorecard
from tenure.models.training_result import TrainingResult
from tenure.models.version import Version
from tenure.steps.opening import Session
from tenure.targets.definition import answers


@dataclass(frozen=True)
class Champion:
    """The version in use, None where there is none, and its model, None where it cannot be read.

    ``is_same_question`` is None where the definition it answers is not known.
    """

    version: Version | None = None
    model: PropensityModel | None = None
    unreadable: str = ""
    is_same_question: bool | None = None
    is_same_model: bool = False

    @classmethod
    def of(cls, session: Session, result: TrainingResult) -> Champion:
        """Find the champion of a result's target, and read it where it can be read."""
        version = session.registry.champion_version(session.model_name(result.target.name))
        if version is None:
            return cls()
        about = {"definition": version.definition} if version.definition else None
        model, unreadable = None, ""
        try:
            model = session.registry.load(version.name, version.version)
        except RegistryError as error:
            unreadable = str(error)
        else:
            about = model.about
        same = None if about is None else answers(about, result.target)
        return cls(version, model, unreadable, same, version.fingerprint == result.model.fingerprint)

    @property
    def comparable(self) -> PropensityModel | None:
        """The model to compare with: of the same definition, and another one, for a repeat has nothing to beat."""
        return self.model if self.is_same_question and not self.is_same_model else None


@dataclass(frozen=True)
class Audited:
    """All that a verdict rests on."""

    result: TrainingResult
    champion: Champion
    card: Scorecard
    audit: Audit
