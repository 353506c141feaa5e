"""Every error a user may meet: one message that says where, what was found, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from signal import Signals


class TenureError(Exception):
    """Anything Tenure refuses to do, in one message."""

    exit_code = 1


class UsageError(TenureError, ValueError):
    """A command, parameter or option that makes no sense as given."""

    exit_code = 2


class WorkspaceError(UsageError):
    """No workspace was named or found, or it cannot be written."""


class DefinitionError(UsageError):
    """A feature, target or source definition that breaks its own rules."""


class AsOfError(UsageError):
    """An as-of long after the last fact: mistyped, or of a schedule whose data no longer arrives."""


class DataContractError(TenureError, ValueError):
    """Raw data that does not hold what the source's mapping promises."""

    exit_code = 2


class DefinitionMismatchError(TenureError, ValueError):
    """A model that answers another question than the one its target asks now."""


class NotEnoughDataError(TenureError, ValueError):
    """Too little data for an honest answer; the message says what would suffice."""


class LeakageError(TenureError, ValueError):
    """Something would let the future into a feature, or the past into a test."""


class RegistryError(TenureError):
    """The MLflow store is unreachable, or a model in it cannot be used."""


class LockedError(TenureError):
    """Another process writes to the same source of the same workspace."""


class StorageError(TenureError):
    """The disk is full, or a limit on files is reached; nothing half-written is visible."""


class StoredFormatError(TenureError, ValueError):
    """A document or table that Tenure stored cannot be read: damaged, or of a newer format."""


class DamagedError(StoredFormatError):
    """A stored document was cut short, or is none."""


class RunError(TenureError):
    """A step of a run failed; the message names the step and keeps its cause."""


class Stopped(BaseException):
    """Somebody asked this process to end, by a signal: no error, and nothing that catches errors catches it."""

    def __init__(self, signum: int) -> None:
        super().__init__(
            f"stopped by {Signals(signum).name}. Finished steps are kept; the same command goes on from there."
        )
        self.exit_code = 128 + signum


class UnknownNameError(UsageError, KeyError):
    """A source, target, parameter or column that nobody defined."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        nearest = get_close_matches(name.lower(), [k.lower() for k in known], n=1)
        message = f"{kind} '{name}' is not defined. Defined: {', '.join(known) or 'none'}."
        if nearest:
            original = next(k for k in known if k.lower() == nearest[0])
            message += f" Did you mean '{original}'?"
        super().__init__(f"{message} {hint}".strip())

    def __str__(self) -> str:
        # KeyError shows the repr of its argument; a message is to be read.
        return str(self.args[0])


def describe_unforeseen(error: BaseException) -> str:
    """Name an error that is none of ours by its kind and its first line."""
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


def error_of(name: str, otherwise: type[TenureError]) -> type[TenureError]:
    """Find the kind of error of a name, as another process raised it; an unknown name is wrong usage."""
    found = globals().get(name)
    if not (isinstance(found, type) and issubclass(found, TenureError)):
        return otherwise
    return UsageError if found is UnknownNameError else found  # whose message needs more than a text
