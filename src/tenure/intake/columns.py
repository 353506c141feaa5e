"""One raw column: what its values look like, and the SQL that reads them as a text, a number or a date."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import duckdb

from tenure.intake.names import date_rank, is_any, plain, rank, vocabulary
from tenure.sources.readings.dates import date_readings
from tenure.sources.readings.evidence import Evidence
from tenure.sources.readings.numbers import number_readings

Kind = Literal["empty", "number", "date", "clock", "email", "flag", "nested", "text"]
NUMBER = re.compile(r"[-+(]?[-+$€£¥₹]?\s?[-+]?(\d+|\d{1,3}([.,' ]\d{3})+)([.,]\d+)?\s?[€$£%]?[)-]?")
DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/. ]\s?(\d{1,2}|[A-Za-z]{3,9})[-/. ]\s?\d{2,4}|[A-Za-z]{3,9},? \d{1,2},? \d{2,4})\.?"
    r"([ T,].*)?"
)
CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
PLACEHOLDERS = ("0", "-1", "guest", "none", "null", "n/a")
BLANK_BEFORE_OFFSET = re.compile(r"\s[+-]\d{4}$")


@dataclass
class Column:
    """A raw column: ``sql`` reads it in the raw file, ``text`` in the copy of texts that is looked at.

    ``top`` holds the most frequent values with their counts, ``sample`` some distinct ones; ``distinct`` is near.
    """

    name: str
    sql: str
    text: str
    rows: int
    filled: int
    distinct: int
    top: list[tuple[str, int]]
    sample: list[str]
    native: str
    look: tuple[duckdb.DuckDBPyConnection, str] = field(repr=False)  # where its texts are

    @cached_property
    def kind(self) -> Kind:
        if not self.filled:
            return "empty"
        if self.native.startswith(("DATE", "TIMESTAMP")):
            return "date"
        for kind, pattern in (("email", EMAIL), ("clock", CLOCK), ("number", NUMBER), ("date", DATE)):
            if all(pattern.fullmatch(value.strip()) for value in self.sample):
                return kind  # type: ignore[return-value]
        if {value.lower() for value in self.sample} <= {"true", "false", "yes", "no", "t", "f", "y", "n"}:
            return "flag"
        return "nested" if all(value.strip()[:1] in "{[" for value in self.sample) else "text"

    @property
    def share(self) -> float:
        return self.filled / self.rows if self.rows else 0.0

    @property
    def is_unique(self) -> bool:
        return self.filled > 0 and self.distinct >= 0.97 * self.filled

    @property
    def example(self) -> str:
        return self.sample[0] if self.sample else ""

    @property
    def values(self) -> list[str]:
        return [value for value, _ in self.top]

    @property
    def is_future(self) -> bool:
        return is_any(self.name, "later")

    @property
    def has_time(self) -> bool:
        """A time of day stands in the values, or they count seconds."""
        return any(":" in value for value in self.sample) or (self.is_whole and len(self.example) > 8)

    @cached_property
    def is_whole(self) -> bool:
        """Every value looked at is a whole number without a point."""
        return self.kind == "number" and all(re.fullmatch(r"-?\d+", value) for value in self.sample)

    @cached_property
    def signs(self) -> set[str]:
        return {sign for sign in vocabulary()["signs"] for value in self.sample if sign in value}

    @cached_property
    def dates(self) -> Evidence:
        return date_readings(*self._distinct_values(), self.text)

    @cached_property
    def is_date(self) -> bool:
        """Dates, or figures that count days or seconds under the name of a date."""
        if self.kind == "date":
            return True
        named = any(date_rank(self.name, role) is not None for role in vocabulary()["dates"])
        return named and self.is_whole and self.dates.explained == self.dates.filled > 0

    @cached_property
    def offsets(self) -> set[str]:
        found = (re.search(r"([+-]\d{2}):?(\d{2})$|(Z|UTC|GMT)$", value) for value in self.sample if ":" in value)
        return {"+0000" if one[3] else one[1] + one[2] for one in found if one}

    def as_text(self) -> str:
        """The id as text; an e-mail in small letters, a spreadsheet's leading apostrophe taken off."""
        if any(value.startswith("'") for value in self.sample):
            return f"ltrim({self.sql}, '''')"
        return f"lower({self.sql})" if self.kind == "email" else self.sql

    @cached_property
    def numbers(self) -> Evidence:
        return number_readings(*self._distinct_values(), self.text)

    def _distinct_values(self) -> tuple[duckdb.DuckDBPyConnection, str]:
        """Give all different values as a relation: a convention has to explain each, however often it stands there."""
        connection, relation = self.look
        table = f"values_{relation}_{abs(hash(self.text))}"
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} AS SELECT DISTINCT {self.text} FROM {relation}")
        return connection, table

    def as_number(self, *, factor: bool = False) -> str:
        """SQL of a number by the convention that all values have; ``factor``: short enough to be multiplied."""
        if self.native != "VARCHAR" or not self.numbers.readings:
            return f"TRY_CAST({self.sql} AS DECIMAL(18,4))"
        read = self.numbers.readings[0].of(f"CAST({self.sql} AS VARCHAR)")
        return f"CAST({read} AS DECIMAL(18,4))" if factor else read

    def as_time(self, sql: str = "") -> str:
        """SQL of a TIMESTAMP, with its zone where the values have one; ``sql`` gives texts instead of the file's."""
        if not sql and self.native.startswith(("DATE", "TIMESTAMP")):
            return self.sql
        sql, native = (sql, "VARCHAR") if sql else (self.sql, self.native)
        text = f"CAST({sql} AS VARCHAR)"
        if not self.dates.is_plain and self.dates.readings:
            reading = self.dates.readings[0]
            if native != "VARCHAR" and "strptime" not in reading.sql:
                return reading.sql.replace("TRY_CAST({x} AS DOUBLE)", sql).replace("{x}", sql)
            read = reading.of(text)
            return f"coalesce({read}, TRY_CAST({sql} AS TIMESTAMP))" if self.dates.plain else read
        if any(value.endswith(("UTC", "GMT")) for value in self.sample):
            return f"regexp_replace({text}, ' *(UTC|GMT)$', 'Z')"
        if any(BLANK_BEFORE_OFFSET.search(value) for value in self.sample):
            clock = "%H:%M:%S.%f" if any("." in value for value in self.sample) else "%H:%M:%S"
            return f"try_strptime({text}, '%Y-%m-%d {clock} %z')"
        return sql if self.offsets else f"TRY_CAST({sql} AS TIMESTAMP)"

    def fits(self, role: str) -> int | None:
        return rank(self.name, role)

    def __str__(self) -> str:
        return plain(self.name)
