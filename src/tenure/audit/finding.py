"""What an audit says: one finding per check and subject, an alarm or a note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing a check found. An alarm keeps a model from becoming champion; a note is to be read."""

    check: str
    severity: Literal["alarm", "note"]
    subject: str
    found: str
    expected: str
    to_do: str

    @property
    def is_alarm(self) -> bool:
        return self.severity == "alarm"

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.found}. Expected {self.expected}. {self.to_do}"
