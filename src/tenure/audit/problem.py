"""What an audit reports: one problem per check and subject, a warning or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["warning", "error"]
# What a subject is: of a column the name, of a target the name, of a cutoff the date.
Kind = Literal["feature", "eligibility", "column", "table", "target", "cutoff"]


@dataclass(frozen=True)
class AuditProblem:
    """One thing that a check found wrong. An error keeps a model from becoming champion; a warning is to be read.

    ``code`` identifies what is wrong: differs, could_not_run, too_good_alone, missing_data, repeated_labels, first_day,
    shuffled_labels, split.
    """

    check: str
    code: str
    level: Level
    kind: Kind
    subject: str
    found: str
    expected: str
    to_do: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.found}. Expected {self.expected}. {self.to_do}"
