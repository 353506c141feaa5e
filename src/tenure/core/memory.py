"""How much memory one process may take: ``TENURE_MEMORY``.

The default is fixed, so that results never depend on what else runs.
"""

from __future__ import annotations

import os

from tenure.core.errors import UsageError

DEFAULT = "4GiB"
NUMBER_BYTES = 8
# Of the rows a training is given, at its peak: the table, its matrix, and the binned parts of all folds, a byte for
# each number of each.
COPIES = 3
_POWERS = {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def memory_budget() -> int:
    """Return the budget in bytes.

    Raises
    ------
    UsageError : ``TENURE_MEMORY`` is no amount of memory.
    """
    text = os.environ.get("TENURE_MEMORY", DEFAULT)
    for unit, size in _POWERS.items():
        number = text.upper().removesuffix(unit).strip()
        if text.upper().endswith(unit) and number.replace(".", "", 1).isdigit() and float(number) > 0:
            return int(float(number) * size)
    raise UsageError(f"TENURE_MEMORY {text!r} is no amount of memory. Expected one as in 500MB or 4GiB.")


def engine_memory() -> int:
    """Return what an engine may hold before it spills, in bytes: half, the rest is for tables and models."""
    return memory_budget() // 2


def rows_that_fit(columns: int, budget: int | None = None) -> int:
    """Return how many rows of so many numbers a training may hold, beside the engine, within a budget of bytes."""
    given = memory_budget() if budget is None else budget
    return max(1, (given - given // 2) // (max(columns, 1) * NUMBER_BYTES * COPIES))
