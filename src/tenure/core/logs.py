"""What a command says: lines for people, or JSON lines for a log collector."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tenure.core.errors import UnknownNameError
from tenure.core.plain_text import for_log
from tenure.core.secrets import json_without_secrets, without_secrets

FORMS = ("text", "json")


@dataclass(frozen=True)
class Log:
    """Says everything in one form.

    A JSON line holds ``at`` (UTC), ``event``, and what else is known, never a text to be parsed.
    """

    form: str = "text"

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise UnknownNameError("Log", self.form, FORMS)

    def say(self, event: str, text: str, /, *, to_errors: bool = False, **fields: Any) -> None:
        """Say one thing: ``text`` to people, ``event`` with its ``fields`` to machines."""
        if self.form == "json":
            line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **fields}
            text = json_without_secrets(line)
        else:
            text = without_secrets(text)
        stream = sys.stderr if to_errors else sys.stdout
        stream.write(for_log(text) + "\n")
        stream.flush()
