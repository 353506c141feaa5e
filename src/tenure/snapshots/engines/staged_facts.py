"""The rows of one staged source that a cutoff, or an as-of, may see: as SQL, written once for each question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import duckdb
import pyarrow as pa

from tenure.core.sql import parquet, quoted
from tenure.features.definition import PRODUCT_COLUMNS
from tenure.features.derived import CUSTOMER_STATES, SUBSCRIPTIONS
from tenure.features.due_dates import DUCKDB
from tenure.features.expression import OBSERVED_COLUMNS, OUTCOME_COLUMNS, columns_of, parse_expression
from tenure.identity.events import identity_before
from tenure.snapshots.engines.duckdb_session import type_of
from tenure.snapshots.engines.state_tables import StateTables
from tenure.sources.contract import PERSON_IDS, STAGED_TABLES
from tenure.sources.staged_source import StagedSource
from tenure.targets.definition import Target
from tenure.targets.state_rules import state_rules


class StagedFacts:
    """Staged tables as relations of a DuckDB.

    Every query joins facts to the temporary table ``cutoffs`` in one of two ways: ``observed`` (known before the
    cutoff) and ``outcome`` (in the outcome window, known before the as-of).
    """

    def __init__(self, staged: StagedSource, connection: duckdb.DuckDBPyConnection) -> None:
        self._staged = staged
        self._connection = connection
        self._persons: dict[str, str] | None = None
        self._rules = state_rules(staged.source)
        self._states = StateTables(self._create, self.relation, DUCKDB)

    def rows(self, table: str) -> int:
        """Say how many rows were staged."""
        return self._staged.tables[table].staged

    def columns(self, table: str) -> tuple[str, ...]:
        """Name the columns of a staged table; none where the source lacks it or it is empty."""
        found = self._staged.tables.get(table)
        return found.columns if found and found.staged else ()

    def known(self, table: str, as_of: date) -> str:
        """Give the SQL of a table's rows that had occurred and were known before a day: its columns, and age_days."""
        self.unify_customers(as_of)
        return f"""
            SELECT *, date_diff('day', CAST(occurred_at AS DATE), DATE '{as_of}') AS age_days
            FROM {self.relation(table)}
            WHERE occurred_at < DATE '{as_of}' AND known_at < DATE '{as_of}'
        """

    def customers(self, table: str, cutoff: date) -> str:
        """Give the SQL of ``customer_id``: who has a row that had occurred and was known before a cutoff, each once."""
        return f"""
            SELECT DISTINCT customer_id
            FROM {self.relation(table)}
            WHERE occurred_at < DATE '{cutoff}' AND known_at < DATE '{cutoff}'
        """

    def set_cutoffs(self, cutoffs: Sequence[date]) -> None:
        """Ask for these cutoffs from here on, of the persons known before them: the same ones for all built at once."""
        self.unify_customers(cutoffs[0])
        self._ask_at(cutoffs)

    def subscriptions(self, days: Sequence[date]) -> str:
        """Give the SQL of each subscription as known before each of these days, of the persons known by now.

        => as ``features.known_subscriptions.subscriptions``; each day is a ``cutoff``
        """
        self._ask_at(days)
        return self._states.at_cutoffs(self._rules, 0)

    def renewals(self, day: date) -> str:
        """Give the SQL of whether renewals are delivered, as known before a day. => renewed, silent, are_delivered"""
        self.set_cutoffs([day])
        return f"SELECT renewed, silent, are_delivered FROM {self._states.known(self._rules).renewals}"

    def customer_states(self, as_of: date) -> str:
        """Make the customer states as known before a day, of the persons known by now; return their table's name."""
        return self._states.states(self._rules, as_of)

    def lives(self, as_of: date) -> str:
        """Give the SQL of each subscription's segments as known before a day; see ``StateTables.lives``."""
        return self._states.lives(self._rules, as_of)

    def _ask_at(self, cutoffs: Sequence[date]) -> None:
        days = ", ".join(f"DATE '{cutoff}'" for cutoff in cutoffs)
        self._create("cutoffs", f"SELECT unnest([{days}]) AS cutoff")
        self._states.forget(is_everything=False)

    def set_rules(self, targets: Sequence[Target]) -> None:
        """Tell the states of subscriptions by the numbers that these targets ask with."""
        self._rules = state_rules(self._staged.source, targets)

    def observed(self, table: str, window_days: int | None, used: Iterable[str], lead_days: int = 0) -> str:
        """Give the rows a feature may see: in ``[cutoff - n, cutoff)``, and known before the cutoff."""
        if table == SUBSCRIPTIONS:
            return self._states.at_cutoffs(self._rules, lead_days)
        since = f"AND f.occurred_at >= c.cutoff - INTERVAL {window_days} DAY" if window_days else ""
        return f"""
            SELECT
                f.customer_id,
                c.cutoff,
                date_diff('day', CAST(f.occurred_at AS DATE), c.cutoff) AS age_days,
                date_diff('microsecond', f.occurred_at, CAST(c.cutoff AS TIMESTAMP)) AS age_us,
                isodow(f.occurred_at) AS weekday,
                hour(f.occurred_at) AS hour
                {_used(used)}
            FROM {self.relation(table)} f
            JOIN cutoffs c ON f.occurred_at < c.cutoff AND f.known_at < c.cutoff {since}
        """

    def outcome(self, target: Target, as_of: date) -> str:
        """Give the rows a label may see: in the outcome window, and known before the as-of."""
        if target.outcome.table == CUSTOMER_STATES:
            return self._states.at_outcome(self._rules, as_of, target.lead_days, target.horizon_days)
        days = target.days_of(target.outcome) or target.horizon_days
        start = f"c.cutoff + INTERVAL {target.lead_days} DAY"
        used = columns_of(parse_expression(target.fill(target.outcome.expression), target.name))
        return f"""
            SELECT
                f.customer_id,
                c.cutoff,
                date_diff('day', CAST({start} AS DATE), CAST(f.occurred_at AS DATE)) AS days_ahead,
                -date_diff('microsecond', CAST({start} AS TIMESTAMP), f.occurred_at) AS age_us
                {_used(used)}
            FROM {self.relation(target.outcome.table)} f
            JOIN cutoffs c
                ON f.occurred_at >= {start}
                AND f.occurred_at < {start} + INTERVAL {days} DAY
                AND f.known_at < DATE '{as_of}'
        """

    def unify_customers(self, cutoff: date) -> None:
        """Read facts from here on as those of the persons known before a cutoff.

        All cutoffs built at once know the same persons.
        """
        mapping = identity_before(self._staged.identity_events, cutoff)
        if mapping == self._persons:
            return
        self._persons = mapping
        self._states.forget(is_everything=True)
        if mapping:
            table = pa.table({"customer_id": list(mapping), "unified_id": list(mapping.values())})
            self._connection.register("known_persons", table)
            self._connection.execute("CREATE OR REPLACE TEMP TABLE persons AS FROM known_persons")
            self._connection.unregister("known_persons")

    def _create(self, name: str, query: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    def relation(self, table: str) -> str:
        """Give a table's rows; order lines bring what is known of their product."""
        facts = parquet(self._staged.path(table))
        if self._persons and table != "products":
            for name in ("customer_id", *(n for n in PERSON_IDS if n in self._staged.tables[table].columns)):
                unified = f"* EXCLUDE (unified_id) REPLACE (coalesce(unified_id, {name}) AS {name})"
                persons = f"(SELECT customer_id AS {name}, unified_id FROM persons)"
                facts = f"(SELECT {unified} FROM {facts} LEFT JOIN {persons} USING ({name}))"
        if table != "order_lines":
            return facts
        category, brand = PRODUCT_COLUMNS
        if "products" not in self._staged.tables:
            return f"(SELECT *, CAST(NULL AS VARCHAR) AS {category}, CAST(NULL AS VARCHAR) AS {brand} FROM {facts})"
        return f"""(
            SELECT l.*, p.{category}, p.{brand}
            FROM {facts} l
            LEFT JOIN (
                SELECT product_id, min(category) AS {category}, min(brand) AS {brand}
                FROM {parquet(self._staged.path("products"))}
                GROUP BY product_id
            ) p USING (product_id)
        )"""

    def timed(self, table: str) -> str:
        """Give a table's rows with the day of the week and the hour of each."""
        return f"(SELECT *, isodow(occurred_at) AS weekday, hour(occurred_at) AS hour FROM {self.relation(table)})"

    def type_of(self, table: str, expression: str) -> str:
        """Give DuckDB's type of an expression over a table's rows."""
        return type_of(self._connection, self.timed(table), expression)


def _used(used: Iterable[str]) -> str:
    supplied = {*OBSERVED_COLUMNS, *OUTCOME_COLUMNS}
    return "".join(f", f.{quoted(name)}" for name in dict.fromkeys(used) if name not in supplied)


def tables_with_rows(staged: StagedSource, as_of: date | None = None) -> dict[str, tuple[str, ...]]:
    """Map each staged table of dated facts that has rows, known before the as-of where one is given, to its columns."""
    return {
        name: table.columns
        for name, table in staged.tables.items()
        if table.staged and STAGED_TABLES[name].is_dated and (as_of is None or table.filled_before(as_of))
    }


def empty_columns(staged: StagedSource, as_of: date) -> dict[str, set[str]]:
    """Map each staged table to its columns without a value in any row known before the as-of.

    An order line lacks a product's column where no product has it.
    """
    empty = {name: set(table.columns).difference(table.filled_before(as_of)) for name, table in staged.tables.items()}
    if "order_lines" in empty:
        products = staged.tables.get("products")
        told = products.filled_columns if products and "product_id" not in empty["order_lines"] else ()
        empty["order_lines"] |= {
            name for name, column in zip(PRODUCT_COLUMNS, ("category", "brand"), strict=True) if column not in told
        }
    return empty
