"""Alerts: what a scheduled run tells whoever does not look at its reports, one line each, with a severity."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tenure.core.errors import UnknownNameError
from tenure.core.stored import made_of, parse_stored, write_stored

FORMAT_VERSION = 1

Severity = Literal["warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("warning", "error")


@dataclass(frozen=True)
class Alert:
    """``about`` is a table, a feature or a target; a *warning* is to be looked at, with an *error* nobody should act on the scores."""

    severity: Severity
    about: str
    text: str

    @property
    def sentence(self) -> str:
        """The text as a sentence begins; the name of a column stays as it is."""
        is_name = "_" in self.text.split(" ", maxsplit=1)[0]
        return self.text if is_name else self.text[:1].upper() + self.text[1:]

    def __str__(self) -> str:
        return f"{self.severity}: {self.about}: {self.text}"


def at_least(alerts: Iterable[Alert], severity: str) -> list[Alert]:
    """Keep the alerts of a severity or a worse one; none for the empty severity.

    Raises
    ------
    UnknownNameError : no such severity.
    """
    if not severity:
        return []
    if severity not in SEVERITIES:
        raise UnknownNameError("Severity", severity, SEVERITIES)
    counted = SEVERITIES[SEVERITIES.index(severity) :]  # type: ignore[arg-type]  # checked above
    return [alert for alert in alerts if alert.severity in counted]


def worst_first(alerts: Iterable[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: (-SEVERITIES.index(alert.severity), alert.about, alert.text))


def save_alerts(alerts: Sequence[Alert], path: Path) -> None:
    write_stored(path, {"alerts": [asdict(alert) for alert in alerts]}, FORMAT_VERSION)


def load_alerts(path: Path) -> list[Alert]:
    """Read alerts; none where nothing was reviewed.

    Raises
    ------
    StoredFormatError : a newer Tenure wrote them, or they are damaged.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else "[]"
    # At first they were a bare list.
    lines = json.loads(text) if text.startswith("[") else parse_stored(text, str(path), FORMAT_VERSION)["alerts"]
    return [made_of(Alert, line) for line in lines]
