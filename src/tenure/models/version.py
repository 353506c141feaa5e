"""One version of a registered model, as the MLflow store describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FINGERPRINT_TAG, PROMOTED_TAG = "tenure.fingerprint", "tenure.promoted"
# What a training says of its run, and its version repeats: a version is judged without its run, which may be deleted.
FROM_RUN = ("quick", "as_of", "run_kind")


@dataclass(frozen=True)
class Version:
    """A version with its tags and aliases; ``created`` is in UTC milliseconds.

    One that Tenure did not register lacks our tags.
    """

    name: str
    version: str
    run_id: str
    tags: dict[str, str]
    aliases: tuple[str, ...]
    created: int

    @classmethod
    def of(cls, found: Any, aliases: dict[str, str] | None = None) -> Version:
        """Read an MLflow ``ModelVersion``.

        A list of them knows no aliases, so those of its model (alias => version) are given.
        """
        number = str(found.version)
        own = found.aliases if aliases is None else [alias for alias, at in aliases.items() if str(at) == number]
        return cls(found.name, number, found.run_id or "", dict(found.tags), tuple(own), found.creation_timestamp)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model that was judged; empty where Tenure did not register the version."""
        return self.tags.get(FINGERPRINT_TAG, "")

    @property
    def definition(self) -> str:
        """Fingerprint of the target's definition; empty in versions of before there was one."""
        return self.tags.get("tenure.definition", "")

    @property
    def is_quick(self) -> bool:
        return self.tags.get("tenure.quick") == "True"

    @property
    def is_promotable(self) -> bool:
        """Whether it passed every gate when it was judged."""
        return self.tags.get("tenure.verdict") == "promotable"

    @property
    def test_cutoff(self) -> str:
        return self.tags.get("tenure.test_cutoff", "")

    @property
    def as_of(self) -> str:
        """As-of of the run that trained it; empty in versions of before it was kept."""
        return self.tags.get("tenure.as_of", "")

    @property
    def was_promoted(self) -> bool:
        """Whether it was ever made champion, wholly."""
        return PROMOTED_TAG in self.tags

    def metric(self, name: str) -> float | None:
        """Return a figure of the test: ``auc``, ``auc_low``, ``auc_high``, ``auc_heuristic``.

        None where it is not recorded.
        """
        try:
            return float(self.tags[f"tenure.test_{name}"])
        except (KeyError, ValueError):
            return None
