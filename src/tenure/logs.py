"""What a command says: lines for people, or JSON lines for a log collector."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from tenure.errors import UnknownNameError

FORMS = ("text", "json")
# Addresses that may carry a password, and secrets as they are.
ADDRESSES = ("MLFLOW_TRACKING_URI", "TENURE_POSTGRESQL_URL", "TENURE_NOTIFY")
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "TENURE_PSEUDONYM_KEY")


@dataclass(frozen=True)
class Log:
    """Says everything in one form. A JSON line holds ``at`` (UTC), ``event``, and what else is known, never a text to be parsed."""

    form: str = "text"

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise UnknownNameError("Log", self.form, FORMS)

    def say(self, event: str, text: str, /, *, to_errors: bool = False, **fields: Any) -> None:
        """Say one thing: ``text`` to people, ``event`` with its ``fields`` to machines."""
        if self.form == "json":
            line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, **fields}
            text = json.dumps(line, default=str)
        (sys.stderr if to_errors else sys.stdout).write(without_secrets(text) + "\n")
        (sys.stderr if to_errors else sys.stdout).flush()


def without_secrets(text: str) -> str:
    """Blot out every password and key of the environment, whatever put it into the text."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return text


def _secrets() -> set[str]:
    found = {os.environ.get(name, "") for name in SECRETS}
    for name in ADDRESSES:
        try:
            password = urlsplit(os.environ.get(name, "")).password or ""
        except ValueError:
            continue
        found |= {password, unquote(password)}
    return {secret for secret in found if len(secret) > 3}
