"""What a check found: tables, targets and warnings, as an object of a notebook and as text for a terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from html import escape
from textwrap import wrap

import pandas as pd

from tenure.sources.staged_source import TableSummary
from tenure.targets.definition import Target

WIDTH, BESIDE, EXAMPLE = 80, 35, 160


@dataclass(frozen=True)
class CheckedTable:
    """One staged table: how its files were read, what came of them, the first rows beside the raw ones.

    ``rows``: row, raw_column, raw_value, staged_column, staged_value. ``rejected``: rule, rows, first. ``unused``: the
    raw columns that nothing is made of.
    """

    name: str
    raw_name: str
    summary: TableSummary
    rows: pd.DataFrame
    rejected: pd.DataFrame
    unused: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<CheckedTable {self.name}: {self.summary.staged:,} rows staged, {self.summary.rejected:,} rejected>"


@dataclass(frozen=True)
class CheckedTarget:
    """One target: why it cannot be asked (empty: it can), and its customers cutoff by cutoff.

    ``funnel``: cutoff, known, eligible, positives, base_rate, used (fitting, test or neither). ``remarks``: what is not
    as usual about the cutoffs.
    """

    target: Target
    reason: str = ""
    funnel: pd.DataFrame = field(default_factory=pd.DataFrame)
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.target.name

    def __repr__(self) -> str:
        return f"<CheckedTarget {self.name}: {self.reason or 'can be asked'}>"


@dataclass(frozen=True)
class Checked:
    """What a check found of a source. ``shared``: table, customers, other, in_both; ``one_in`` customers was staged."""

    source: str
    as_of: date
    one_in: int
    tables: dict[str, CheckedTable]
    shared: pd.DataFrame
    targets: list[CheckedTarget]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        able = ", ".join(target.name for target in self.targets if not target.reason) or "no target"
        return f"<Checked {self.source} as of {self.as_of}: {len(self.tables)} tables; {able} can be asked>"

    @property
    def can_be_run(self) -> bool:
        return any(not target.reason for target in self.targets)

    @property
    def sample(self) -> str:
        return "all rows" if self.one_in == 1 else f"a sample: about 1 in {self.one_in} customers, each with all rows"

    def summary(self) -> pd.DataFrame:
        """Show what staging came to. => table, read, unreadable, staged, rejected, customers, first_day, last_day"""
        columns = ("read", "unreadable", "staged", "rejected", "customers", "first_day", "last_day")
        return pd.DataFrame(
            [{"table": n, **{c: getattr(t.summary, c) for c in columns}} for n, t in self.tables.items()]
        )

    def lines(self) -> list[str]:
        """Say all of it in lines of at most 80 columns."""
        said = wrap(f"{self.source} as of {self.as_of}, {self.sample}", WIDTH)
        for table in self.tables.values():
            said += ["", *_of_table(table)]
        if len(self.shared):
            said += ["", "Customers that tables share"]
            for table, lines in self.shared.groupby("table", sort=False):
                others = ", ".join(f"{line.other} {line.in_both:,}" for line in lines.itertuples())
                said += _wrapped(f"{table} with {others}")
        for target in self.targets:
            said += ["", *_of_target(target)]
        if self.warnings:
            said += ["", "Warnings", *(line for warning in self.warnings for line in _wrapped(warning))]
        return said

    def _repr_html_(self) -> str:
        parts = [
            f"<h3>{escape(self.source)} as of {self.as_of}</h3><p>{escape(self.sample)}</p>",
            _html(self.summary()),
        ]
        for table in self.tables.values():
            parts.append(f"<h4>{escape(table.name)}</h4>")
            parts += [f"<p>{escape(line)}</p>" for line in (*table.summary.said, *table.summary.warned)]
            parts += [_html(table.rows), _html(table.rejected) if len(table.rejected) else ""]
        parts.append(f"<h4>Customers that tables share</h4>{_html(self.shared)}" if len(self.shared) else "")
        for target in self.targets:
            parts.append(f"<h4>{escape(target.name)}: {escape(target.target.describe())}</h4>")
            parts += [f"<p>{escape(line)}</p>" for line in (_asked(target), *target.remarks)]
            parts.append(_html(target.funnel) if len(target.funnel) else "")
        parts += [f"<p>Warning: {escape(warning)}</p>" for warning in self.warnings]
        return "\n".join(parts)


def _of_table(table: CheckedTable) -> list[str]:
    found = table.summary
    said = [f"{table.name}, from {table.raw_name}"[:WIDTH]]
    for line in (*found.said, *found.warned):
        said += _wrapped(line)
    unreadable = f", {found.unreadable:,} unreadable lines" if found.unreadable else ""
    said += _wrapped(f"{found.read:,} rows read{unreadable}, {found.staged:,} staged, {found.rejected:,} rejected")
    if found.customers:
        days = f", {found.first_day} to {found.last_day}" if found.first_day and not found.is_static else ", no dates"
        said += _wrapped(f"{found.customers:,} customers{days}")
    for line in table.rejected.itertuples():
        said += _wrapped(f"rejected {line.rows:,}: {line.rule}; the first: {_raw_row(line.first)}")
    if table.unused:
        said += _wrapped(f"not used: {', '.join(table.unused)}")
    return [*said, *_beside(table.rows)]


def _beside(rows: pd.DataFrame) -> list[str]:
    """Set raw values beside staged ones; what is too long for that stands above it."""
    said, last = [], (0, "")
    for line in rows.itertuples():
        raw = f"{line.raw_column} = {_shown(line.raw_value)}" if line.raw_column else "(no column)"
        staged = f"-> {line.staged_column} = {_shown(line.staged_value)}"
        number = f"row {line.row}" if line.row != last[0] else ""
        staged = "" if (line.row, line.staged_column) == last else staged  # made of several raw columns
        last = (line.row, line.staged_column)
        if max(len(raw), len(staged)) <= BESIDE:
            said.append(f"  {number:<6} {raw:<{BESIDE}} {staged}".rstrip())
        else:
            said.append(f"  {number:<6} {_cut(raw)}")
            said += [f"{'':<9}{_cut(staged)}"] if staged else []
    return said


def _of_target(checked: CheckedTarget) -> list[str]:
    said = wrap(f"{checked.name}: {checked.target.describe()}", WIDTH, subsequent_indent="  ")
    for remark in (_asked(checked), *checked.remarks):
        said += _wrapped(remark)
    if len(checked.funnel):
        said.append(f"  {'cutoff':<12}{'known':>10}{'asked':>10}{'positive':>10}{'share':>8}")
    for line in checked.funnel.itertuples():
        counts = f"{line.known:>10,}{line.eligible:>10,}{line.positives:>10,}{line.base_rate:>8.1%}"
        said.append(f"  {line.cutoff!s:<12}{counts}  {line.used}".rstrip())
    return said


def _asked(checked: CheckedTarget) -> str:
    if checked.reason:
        return f"cannot be asked: {checked.reason.removeprefix(f'{checked.name}: ')}"
    target = checked.target
    days = f"horizon {target.horizon_days} days"
    days += f", lead {target.lead_days} days" if target.lead_days else ""
    days += f", eligible days {target.eligible_days}" if target.eligible_days else ""
    return f"can be asked ({days}) of every customer who {target.describe_eligible()}"


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _shown(value: object) -> str:
    return "(empty)" if value is None or value == "" else " ".join(str(value).split())


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH - 9 else f"{text[: WIDTH - 12]}..."


def _raw_row(first: str) -> str:
    """Write a rejected row as its columns, those that are empty left out."""
    shown = ", ".join(f"{name} = {_shown(value)}" for name, value in json.loads(first).items() if value is not None)
    return shown if len(shown) <= EXAMPLE else f"{shown[:EXAMPLE]}..."


def _html(table: pd.DataFrame) -> str:
    return str(table.to_html(index=False, na_rep=""))
