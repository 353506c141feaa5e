"""Due dates of subscriptions in SQL: term after term from an anchor, by calendar months where a term is some."""

from __future__ import annotations

from dataclasses import dataclass

# So many days are so many calendar months.
MONTHS = ((28, 31, 1), (89, 92, 3), (181, 184, 6), (365, 366, 12))


def calendar_months(term: str) -> str:
    """Give the SQL of the calendar months that a term of so many days is; null where it is none."""
    return "CASE " + " ".join(f"WHEN {term} BETWEEN {a} AND {b} THEN {m}" for a, b, m in MONTHS) + " END"


@dataclass(frozen=True)
class Dialect:
    """How an engine spells what the engines spell differently."""

    days: str  # from an {earlier} date to a {later} one
    after: str  # the date so many {days} after a {day}
    months: str  # the date so many {months} after a {day}; the last day of that month where it is shorter
    last: str  # the last {value} that is not null, over a window
    number: str  # 64 bits of hash of some {columns}: sorting by it costs half of sorting by texts

    def due(self, row: str, day: str, *, is_first: bool) -> str:
        """Give the SQL of the first due date on or after a day, or the last on or before it; null without a term.

        Due dates follow the ``anchor`` of a row, a date no later than ``day``, term after term: of ``term_days``, or of
        ``term_months`` where they are some.
        """
        anchor, term, months = (f"{row}{name}" for name in ("anchor", "term_days", "term_months"))
        apart_months = f"(12 * (year({day}) - year({anchor})) + month({day}) - month({anchor}))"
        apart_days = self.days.format(earlier=anchor, later=day)
        rounded = "ceil" if is_first else "floor"
        terms_of_days = f"CAST({rounded}({apart_days} / {term}) AS INTEGER)"
        terms_of_months = f"CAST(floor({apart_months} / {months}) AS INTEGER)"

        def dated(terms: str) -> str:
            return self.months.format(day=anchor, months=f"({terms}) * {months}")

        if is_first:
            least = f"greatest(1, {terms_of_months})"
            by_months = f"CASE WHEN {dated(least)} >= {day} THEN {dated(least)} ELSE {dated(f'{least} + 1')} END"
            by_days = self.after.format(day=anchor, days=f"{term} * greatest(1, {terms_of_days})")
        else:
            fits = f"CASE WHEN {dated(terms_of_months)} <= {day} THEN {terms_of_months} ELSE {terms_of_months} - 1 END"
            by_months = f"CASE WHEN ({fits}) >= 1 THEN {dated(fits)} END"
            by_days = (
                f"CASE WHEN {terms_of_days} >= 1 THEN "
                f"{self.after.format(day=anchor, days=f'{term} * {terms_of_days}')} END"
            )
        return f"CASE WHEN {term} >= 1 THEN CASE WHEN {months} IS NULL THEN {by_days} ELSE {by_months} END END"


DUCKDB = Dialect(
    days="({later} - {earlier})",
    after="({day} + CAST({days} AS INTEGER))",
    months="CAST({day} + to_months(CAST({months} AS INTEGER)) AS DATE)",
    last="last_value({value} IGNORE NULLS)",
    number="hash({columns})",
)
