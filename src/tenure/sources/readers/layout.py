"""Where a table begins and ends among the rows of a file: its header, notes and titles above it, totals below it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from tenure.core.errors import DataContractError

_RUNS = re.compile(r"\d+|[^\W\d_]+")
# A column with more ways to write a value than these holds prose.
MOST_SHAPES = 30
MOST_COLUMNS = 500  # that are looked at
LONGEST_FOOTER = 20
TOTALS = (
    "total",
    "grand total",
    "sum",
    "subtotal",
    "gesamt",
    "insgesamt",
    "totaal",
    "somme",
    "suma",
    "итого",
    "average",
)


def shape(cell: str) -> str:
    """Return a cell with '9' for each run of digits and 'a' for each of letters.

    Examples
    --------
    >>> shape("2024-01-05 10:00"), shape("c17"), shape("-12.50")
    ('9-9-9 9:9', 'a9', '-9.9')
    """
    return _RUNS.sub(lambda run: "9" if run[0][0].isdecimal() else "a", cell.strip()[:60])


@dataclass(frozen=True)
class Figures:
    """The columns that hold dates, numbers or codes in nearly every row, with the shapes these have."""

    shapes: dict[int, frozenset[str]]
    usual: float = 0  # cells that a row fills

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]], least: float) -> Figures:
        """Find them: at least a share of the rows fills them, with digits."""
        found = {}
        for place in range(min(MOST_COLUMNS, max(map(len, rows), default=0))):
            counted = Counter(shape(row[place]) for row in rows if place < len(row))
            counted.pop("", None)
            digits = {kind: count for kind, count in counted.items() if "9" in kind}
            if rows and len(digits) <= MOST_SHAPES and sum(digits.values()) >= max(1, least * len(rows)):
                found[place] = frozenset(digits)
        return cls(found, median(sum(bool(cell.strip()) for cell in row) for row in rows) if rows else 0)

    @cached_property
    def last(self) -> int:
        return max(self.shapes, default=-1)

    def fit(self, cells: Sequence[str], least: float = 2 / 3) -> bool:
        """Say whether a row looks like the others: a share of these columns is as it is elsewhere."""
        met = sum(shape(cells[place]) in shapes for place, shapes in self.shapes.items() if place < len(cells))
        return bool(self.shapes) and met >= least * len(self.shapes)

    def lack(self, cells: Sequence[str]) -> bool:
        """Say whether a row leaves half of these columns and half of what others fill empty, or calls itself a total."""
        filled = sum(bool(cells[place].strip()) for place in self.shapes if place < len(cells))
        every = [cell.strip().lower() for cell in cells if cell.strip()]
        calls_itself_so = bool(every) and every[0].startswith(TOTALS)
        return calls_itself_so or (2 * filled <= len(self.shapes) and 2 * len(every) <= self.usual)


@dataclass(frozen=True)
class Row:
    """A row of a file, with the number of the line (or of the sheet's row) that it begins in."""

    line: int
    cells: list[str]
    until: int = 0  # the line it ends in

    @property
    def filled(self) -> int:
        return sum(bool(cell.strip()) for cell in self.cells)


def find_header(head: Sequence[Row], body: Sequence[Sequence[str]], place: str, where: str) -> Row:
    """Return the header among the first rows of a file: the fullest above the first row of values.

    ``body``: rows from all over the file. ``where``: the section of the ``source.toml`` that says otherwise.

    Raises
    ------
    DataContractError : there is none, or it is not the first row: says which key to write.
    """
    widest = Counter(map(len, body)).most_common(1)[0][0] if body else len(head[0].cells)
    figures = Figures.of(body, 0.5)
    first = next((number for number, row in enumerate(head) if figures.fit(row.cells, 0.5)), None)
    if first is None:
        above = [row for row in head if len(row.cells) >= widest][:1] or list(head[:1])
    else:
        above = list(head[:first])
    if not above:
        raise DataContractError(
            f"{place}: line {head[0].line} holds values ({_told(head[0])}) where names of columns are expected. Write "
            f"a header line into the file; if this line is one, write {where} skip = {head[0].line - 1}."
        )
    fullest = [row for row in above if row.filled == max(other.filled for other in above)]
    # Where there are more, they are rows of odd values below it.
    if len(fullest) == 2:
        which = "; ".join(f"skip = {row.line - 1} if they are {_told(row)}" for row in fullest)
        raise DataContractError(
            f"{place}: two lines look like a header. Expected one: say where the names of columns stand, with "
            f"{where} {which}."
        )
    header = fullest[0]
    if header is not head[0]:
        raise DataContractError(
            f"{place}: the header is in line {header.line} ({_told(header)}), below {_told(head[0])}. Expected it in line "
            f"1: write {where} skip = {header.line - 1}."
        )
    return header


def footer_rows(tail: Sequence[Row], figures: Figures) -> list[Row]:
    """Return the rows at the end of a file that are none of the table's: totals, notes."""
    found: list[Row] = []
    for row in reversed(tail):
        if figures.fit(row.cells) or not figures.lack(row.cells):
            return found[::-1]
        found.append(row)
    return []


def names_of(header: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of columns, each once, and those that stand in the header more than once.

    Examples
    --------
    >>> names_of(["client", " amt", "AMT", ""])
    (('client', 'amt', 'AMT_1', 'column3'), ('amt',))
    """
    names: list[str] = []
    repeated: dict[str, None] = {}
    taken: dict[str, str] = {}
    for place, cell in enumerate(header):
        blanks = cell.replace("\r\n", " ")
        seen = (" " if letter.isspace() else letter for letter in blanks if letter.isspace() or letter.isprintable())
        name = "".join(seen).strip() or f"column{place}"
        own, number = name, 0
        if own.lower() in taken:
            repeated[taken[own.lower()]] = None
        while own.lower() in taken:
            number += 1
            own = f"{name}_{number}"
        taken[own.lower()] = own
        names.append(own)
    return tuple(names), tuple(repeated)


def _told(row: Row) -> str:
    return repr(", ".join(cell.strip() for cell in row.cells if cell.strip())[:60])
