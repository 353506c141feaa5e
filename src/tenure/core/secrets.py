"""Secrets of the environment: found in its variables, and blotted out of whatever is written or said."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from tenure.core.addresses import pieces

BLOT = "***"
# Ours, and any other variable that is called a secret: a cell, or a library's error, may print each.
OWN = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "TENURE_PSEUDONYM_KEY")
CALLED_SECRET = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_?KEY|CONNECTION_STRING", re.IGNORECASE)
# Webhooks carry their secret in any part of the address: all of it is one.
HOOK = "TENURE_NOTIFY"
# A shorter word is found in ordinary texts, and would be torn out of them.
SHORTEST, SHORTEST_OF_OTHERS = 4, 8
_BETWEEN = re.compile(r"[,\s]+(?=[\w.+-]+://)")
_NAMED = re.compile(
    r"\b(?:ssl)?(?:password|passwd|pwd|token|secret|key)\s*=\s*('(?:[^'\\]|\\.)*'|[^&;\s]+)", re.IGNORECASE
)


def without_secrets(text: str) -> str:
    """Blot out every password and key of the environment, as it is or as JSON writes it."""
    return _blotted(text, _longest_first())


def json_without_secrets(document: Any, *, indent: int | None = None) -> str:
    """Write a document as JSON, its texts without secrets: blotted out of what is JSON already, one may break it."""
    secrets = _longest_first()

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {_blotted(key, secrets): plain(held) for key, held in value.items()}
        if isinstance(value, list):
            return [plain(held) for held in value]
        return _blotted(value, secrets) if isinstance(value, str) else value

    return json.dumps(plain(json.loads(json.dumps(document, default=str))), indent=indent)


def _longest_first() -> list[str]:
    """A short secret may be part of a longer one."""
    return sorted(_secrets(), key=len, reverse=True)


def _blotted(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, BLOT)
    return text


def _secrets() -> set[str]:
    found: set[str] = set()
    for name, value in os.environ.items():
        if name in OWN:
            found |= _long_enough([value], SHORTEST)
        elif CALLED_SECRET.search(name):
            found |= _long_enough([value], SHORTEST_OF_OTHERS)
        found |= _long_enough(_of_address(value), SHORTEST)
        for piece in pieces(name, value):
            found |= _long_enough((piece, unquote(piece), piece.lower()), SHORTEST)
        if name == HOOK:
            found |= _long_enough([value, *_BETWEEN.split(value)], SHORTEST_OF_OTHERS)
    escaped = {json.dumps(secret, ensure_ascii=ascii)[1:-1] for secret in found for ascii in (True, False)}
    return found | escaped


def _long_enough(secrets: Iterable[str], shortest: int) -> set[str]:
    return {secret for secret in secrets if len(secret) >= shortest}


def _of_address(value: str) -> Iterator[str]:
    """Find the passwords of addresses and of ``key=value`` pairs as PostgreSQL reads them.

    An address is ``scheme://user:password@host?password=...``. Which characters a password may hold depends on its
    reader: whatever stands between the first colon and any ``@`` counts.
    """
    for address in _BETWEEN.split(value):
        user, colon, rest = address.partition("://")[2].partition(":")
        ends = [place for place, sign in enumerate(rest) if sign == "@"] if colon and "/" not in user else []
        for end in ends:
            yield from (rest[:end], unquote(rest[:end]))
    if "://" in value or re.search(r"\bpassword\s*=", value, re.IGNORECASE):
        for named in _NAMED.findall(value):
            yield from (named.strip("'"), unquote(named.strip("'")))
