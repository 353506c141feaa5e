"""The secret by which a source's customers are hashed; it lives in the environment, nowhere else."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import UsageError

KEY = "TENURE_PSEUDONYM_KEY"
SHORTEST_KEY = 16


@dataclass(frozen=True)
class IdentityKey:
    """The key of one source. ``folder`` keeps a value that tells another key from the right one."""

    source: str
    folder: Path

    @property
    def _check_path(self) -> Path:
        return self.folder / "key_check.txt"

    @property
    def check(self) -> str:
        """The kept value, by which the key is recognised; empty before the key is first used."""
        return read_text(self._check_path)

    @cached_property
    def secret(self) -> bytes:
        """The key. Its first use is remembered.

        Raises
        ------
        UsageError : it is not set, too short, or another than before.
        """
        key = os.environ.get(KEY, "").encode()
        if len(key) < SHORTEST_KEY:
            raise UsageError(
                f"{self.source}: the environment variable {KEY} {'is not set' if not key else 'is too short'}. With it "
                "customers are pseudonymised, and the forgotten are told from others: expected a secret of "
                f"{SHORTEST_KEY} characters or more, the same at every staging. Set it (a new one: python -c 'import "
                "secrets; print(secrets.token_hex(32))') and run again."
            )
        check, known = _hash(key, "which key", ""), self.check
        if known and not hmac.compare_digest(known, check):
            raise UsageError(
                f"{self.source}: {KEY} is another key than the one this source's customers were hashed with. Expected "
                "the same: under another one every pseudonym changes and the forgotten come back. Set the former key, "
                f"or begin anew by removing {self.folder}."
            )
        if not known:
            write_private(self._check_path, check)
        return key

    def hash(self, text: str, purpose: str = "") -> str:
        """Hash a text, hexadecimal; a purpose keeps hashes made for different ends apart.

        Raises
        ------
        UsageError : as ``secret``.
        """
        return _hash(self.secret, purpose, text)


def _hash(key: bytes, purpose: str, text: str) -> str:
    """HMAC-SHA-256 (RFC 2104)."""
    return hmac.digest(key, (f"{purpose}\x1f{text}" if purpose else text).encode(), "sha256").hex()


def read_text(path: Path) -> str:
    """Read a file; one that is not there is empty."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@contextmanager
def private_file(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of ``path``; from its first byte on only the owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replaced_file(path) as fresh:
        os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600))
        yield fresh


def write_private(path: Path, text: str) -> None:
    with private_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")
