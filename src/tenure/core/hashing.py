"""Hashes of files and of values: one algorithm, one length."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path


def fingerprint_file(path: Path) -> str:
    """Hash a file's bytes (BLAKE2b, 128 bit, hexadecimal)."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def digest(*parts: object) -> str:
    """Hash what JSON can write (BLAKE2b, 128 bit, hexadecimal)."""
    return blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
