"""What the values of a text column are evidence of: which readings explain all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """One way to read a value: ``sql`` (DuckDB) holds ``{x}`` where its expression goes; null where it does not fit.

    ``fits``: SQL that is null where the value is read so by mistake, where ``sql`` alone would take it.
    """

    name: str
    sql: str
    fits: str = ""

    def of(self, expression: str) -> str:
        return self.sql.replace("{x}", expression)

    def fitting(self, expression: str) -> str:
        return (self.fits or self.sql).replace("{x}", expression)


@dataclass(frozen=True)
class Evidence:
    """How the values of a column can be read.

    ``filled``: values; ``plain``: those that need no reading. ``readings``: which explain most values, all of them
    equally many (``explained``), and differ in what they make of them. ``example``: the first value that needs one.
    ``exception``: the first value that is neither plain nor explained by all of them, empty if there is none;
    ``exceptions``: how many such values other readings explain. ``plain_explained``: how many plain values the readings
    explain, too; of others they make something else.
    """

    filled: int
    plain: int
    readings: tuple[Reading, ...] = ()
    explained: int = 0
    example: str = ""
    exception: str = ""
    exceptions: int = 0
    plain_explained: int = 0

    @property
    def is_plain(self) -> bool:
        return self.plain == self.filled
