"""The draft of one staged table: branches of a query over the rows of raw files, and the points that are unsure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tenure.core.sql import literal, quoted
from tenure.intake.columns import PLACEHOLDERS, Column
from tenure.intake.look import Raw
from tenure.intake.names import rank, texts

MOST_CHECKS = 3


@dataclass
class Branch:
    """One SELECT: a staged column's SQL each; ``where`` joins its conditions by AND."""

    columns: dict[str, str]
    where: list[str] = field(default_factory=list)


@dataclass
class TableDraft:
    """What one staged table is drafted as.

    ``rows`` is SQL of the raw rows where they have to be prepared; ``checks`` are (column, text), the gravest first;
    ``reasons`` say of raw columns why they are not used.
    """

    table: str
    raw: Raw
    branches: list[Branch] = field(default_factory=list)
    rows: str = ""
    prepared: dict[str, str] = field(default_factory=dict)  # further columns of the rows: name => SQL
    qualify: str = ""
    checks: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    used: dict[str, Column] = field(default_factory=dict)
    known_at: str = ""
    who: Column | None = None
    when: Column | None = None
    reads: list[Raw] = field(default_factory=list)  # further raw files that ``rows`` names

    @property
    def rows_sql(self) -> str:
        """SQL of the rows as they have to be prepared; empty where they are taken as they are."""
        if not (self.rows or self.prepared or self.qualify):
            return ""
        added = "".join(f",\n           {sql} AS {name}" for name, sql in self.prepared.items())
        rows = self.rows or f"SELECT *{added}\n    FROM ({relation_of(self.raw)})"
        return rows + (f"\n    QUALIFY {self.qualify}" if self.qualify else "")

    def use(self, column: Column | None) -> None:
        if column:
            self.used[column.name] = column

    def add(self, columns: dict[str, str], where: list[str] | None = None, **more: str) -> None:
        """Add a branch: ``columns``, and ``more`` of them."""
        self.branches.append(Branch(columns | more, where or []))

    def one_of(self, column: Column, values: Iterable[str]) -> str:
        self.use(column)
        return f"{column.sql} IN ({', '.join(map(literal, values))})"

    def none_of(self, column: Column, values: Iterable[str]) -> str:
        self.use(column)
        condition = f"{column.sql} NOT IN ({', '.join(map(literal, values))})"
        return condition if column.share == 1 else f"coalesce({condition}, true)"

    def text(self, column: Column | None) -> str:
        self.use(column)
        return column.as_text() if column else "NULL"

    def check(self, staged: str, question: str, /, **about: object) -> None:
        """Ask a question of ``questions.toml`` about a staged column."""
        self.checks.append((staged, texts("questions")[question].format(**about)))

    def number(self, column: Column | None, *, factor: bool = False) -> str:
        """SQL of a column's number; a doubt about its thousands is a point to check."""
        self.use(column)
        if column is None:
            return "NULL"
        if len(column.numbers.readings) > 1:
            first, second = column.numbers.readings[:2]
            self.check("amount", "thousands", column=column, first=first, second=second)
        if len(column.signs) > 1:
            self.check("amount", "two_signs", column=column, signs=" and ".join(sorted(column.signs)))
        return column.as_number(factor=factor)

    def time(self, column: Column, name: str = "occurred_at") -> str:
        """SQL of a column's time, joined with the time of day that stands beside it; a doubt is a point to check."""
        self.use(column)
        self.when = self.when or column
        if len(readings := column.dates.readings) > 1 and not column.native.startswith(("DATE", "TIMESTAMP")):
            example = column.dates.example
            first, second = (f"{one.name} ({_day_of(column, one.of(literal(example)))})" for one in readings[:2])
            self.check(name, "day_or_month", column=column, example=example, first=first, second=second)
        sql = column.as_time()
        if clock := _clock_beside(self.raw, column):
            self.use(clock)
            return f"{sql} + TRY_CAST(CAST({clock.sql} AS VARCHAR) AS INTERVAL)"
        return sql

    def customer(self, share: float = 0.3) -> str:
        """SQL of who the customer is; which column was taken is a point to check where another could be meant."""
        found = customer_of(self.raw, share)
        if found is None:
            return ""
        chosen, other = found
        self.who = chosen
        self.use(chosen)
        if other is not None and (chosen.share < 0.995 or _has_placeholder(other)):
            guest = _has_placeholder(other)
            guests = f", and {guest!r} stands for all guests" if guest else ""
            self.check("customer_id", "which_customer", chosen=chosen, other=other, guests=guests)
        return chosen.as_text()


def customer_of(raw: Raw, share: float = 0.3) -> tuple[Column, Column | None] | None:
    """Find the column that says who the customer is, and one that could be meant instead."""
    fitting = [
        (fit, column)
        for column in raw.columns
        if (fit := rank(column.name, "customer")) is not None
        and column.share > share and column.kind not in ("date", "flag", "clock", "nested")
        and (column.distinct > 1 or column.filled < 3)
    ]  # fmt: skip
    ordered = [column for _, column in sorted(fitting, key=lambda one: one[0])]
    # Of several e-mails the one that guests have, too; an id before an e-mail.
    mails = sorted((c for c in ordered if c.kind == "email"), key=lambda c: -round(c.share, 1))
    ordered = [mails.pop(0) if column.kind == "email" else column for column in ordered]
    sound = [column for column in ordered if not _has_placeholder(column)]
    if not ordered:
        return None
    chosen = (sound or ordered)[0]
    others = [column for column in ordered if column is not chosen]
    skipped = [column for column in others if _has_placeholder(column)]
    return chosen, next(iter(skipped or others), None)


def _has_placeholder(column: Column) -> str:
    """Return the value that stands for "no customer": an id that is no id, beside many that are."""
    return next((v for v, n in column.top if v.lower() in PLACEHOLDERS and n > 1 and column.distinct > 3), "")


def _day_of(column: Column, sql: str) -> str:
    connection, _ = column.look
    return str(connection.execute(f"SELECT CAST({sql} AS DATE)").fetchall()[0][0])


def _clock_beside(raw: Raw, date: Column) -> Column | None:
    if any(":" in value for value in date.sample) or date.native.startswith("TIMESTAMP"):
        return None
    wanted = {"time", date.name.lower().replace("date", "time")}
    return next((c for c in raw.columns if c.kind == "clock" and c.name.lower() in wanted), None)


def cases(column: Column, mapped: dict[str, str], default: str = "") -> str:
    """SQL that maps a column's values, as the file writes them, to others."""
    lines = " ".join(f"WHEN {literal(value)} THEN {literal(to)}" for value, to in mapped.items())
    return f"CASE {column.sql} {lines}{f' ELSE {default}' if default else ''} END"


def relation_of(raw: Raw) -> str:
    """SQL of the rows of raw files; several are joined by the names of their columns."""
    if raw.rows_sql:
        return raw.rows_sql
    selects = [f"SELECT * FROM {quoted(reference)}" for reference in raw.references]
    return " UNION ALL BY NAME ".join(selects)


def listed(values: list[str], most: int = 6) -> str:
    return ", ".join(repr(value) for value in values[:most]) + (", ..." if len(values) > most else "")
