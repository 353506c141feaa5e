"""Addresses of servers stand in variables of the environment: each is parsed first, and none is repeated as it is."""

from __future__ import annotations

import os
import re

# Which further variables may hold one, separated by commas: a source may name no other's content as an address.
ALLOWED = "TENURE_URL_VARIABLES"
OWN_PREFIX = "TENURE_"
# Ours, and secret or none: the key, the addresses of notices, a path and numbers.
NO_ADDRESSES = ("TENURE_PSEUDONYM_KEY", "TENURE_NOTIFY", "TENURE_WORKSPACE", "TENURE_MEMORY", ALLOWED)
_HOST = r"(?:\[[\da-fA-F:.%]+\]|[\w.%~-]*)(?::\d+)?"
_VALUE = r"[\w.-]+=[^&@\s]*"
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*)://"
    r"(?:[^:/?#@\s]*(?::(?P<password>[^/@\s]+))?@)?"
    rf"{_HOST}(?:,{_HOST})*(?:/[^?#@\s]*)?(?:\?{_VALUE}(?:&{_VALUE})*)?"
)
# Those of libpq: it repeats a key that it does not know.
_KEY = (
    r"(?:host|hostaddr|port|dbname|user|password|passfile|service|options|replication|connect_timeout|tcp_user_timeout|"
    r"client_encoding|\w*application_name|keepalives\w*|ssl\w+|gss\w+|krbsrvname|require\w+|target_session_attrs|"
    r"channel_binding|load_balance_hosts)"
)
_PAIR = rf"{_KEY}\s*=\s*(?:'(?:[^'\\]|\\.)*'|[^\s'@=]*)"
_PAIRS = re.compile(rf"\s*{_PAIR}(?:\s+{_PAIR})*\s*")
# A file is no server: MLflow takes a path, too.
_FILE = re.compile(r"(?:sqlite|file):/.*|[/.~][^:@=]*|[\w./~+\[\],*-]*", re.DOTALL)
# Of an address that cannot be read no piece says that it is the password; these say that they are none.
_PLAIN = re.compile(
    r"(?:postgres(?:ql)?|mysql|https?|sqlite)(?:\+\w+)?|host|port|user|dbname|password|localhost|[\d.]{1,5}|127\.0\.0\.1",
    re.IGNORECASE,
)


def is_readable(address: str) -> bool:
    """Say whether an address is surely read as it is meant, so that its password is known.

    >>> [is_readable(f"postgresql:{rest}") for rest in ("//ana:secret@host/db", "/ana:secret@host", "//ana:se@cret@host")]
    [True, False, False]
    """
    if found := _ADDRESS.fullmatch(address):
        # What reads an address of the web ends its host there.
        return not (found["scheme"].lower().startswith("http") and re.search(r"[?#\\]", found["password"] or ""))
    return bool(_FILE.fullmatch(address))


def is_postgresql(address: str) -> bool:
    """Say whether PostgreSQL reads an address: ``postgresql://`` or ``key=value`` pairs."""
    is_address = is_readable(address) and address.startswith(("postgresql://", "postgres://"))
    return is_address or bool(_PAIRS.fullmatch(address))


def is_database_or_web(address: str) -> bool:
    """Say whether SQLAlchemy, by which MLflow reads the addresses of its stores, reads this one."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return bool(make_url(address).drivername)
    except (ArgumentError, ValueError):
        return False


def may_hold_address(variable: str) -> bool:
    """Say whether a source may name a variable as one that holds a server's address."""
    allowed = {name.strip() for name in os.environ.get(ALLOWED, "").split(",")}
    return variable in allowed or (variable.startswith(OWN_PREFIX) and variable not in NO_ADDRESSES)


def pieces(variable: str, address: str) -> list[str]:
    """List what of a variable may be a password, where it holds an address that cannot be read."""
    named = variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI") or may_hold_address(variable)
    if not named or is_readable(address) or is_postgresql(address):
        return []
    parts = re.split(r"[:/@?&=;,#'\"\\\s]+", address)
    return [address, *(part for part in parts if not _PLAIN.fullmatch(part))]


def without_password(address: str, variable: str) -> str:
    """Give an address as it may be told: without user and password, or else only where it stands."""
    scheme, separator, rest = address.partition("://")
    told = f"{scheme}{separator}{rest.rpartition('@')[2]}"
    return told if is_readable(told) else f"(the address in {variable})"
