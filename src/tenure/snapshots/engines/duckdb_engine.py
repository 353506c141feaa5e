"""Definitions and cutoffs to tables, on DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cache, partial
from pathlib import Path

import duckdb
from sqlglot import exp

from tenure.core.memory import NUMBER_BYTES, engine_memory
from tenure.core.sql import quoted
from tenure.features.definition import FeatureColumn
from tenure.features.derived import DERIVED, staged_name
from tenure.features.expression import columns_of, parse_expression, to_duckdb
from tenure.snapshots.engines.bucket_build import build_bucketed
from tenure.snapshots.engines.bucket_plan import Aggregate, TablePlan, plan_table
from tenure.snapshots.engines.build_cost import ASKED, BUCKETS, DIRECT, WRITING, BuildCost, timing
from tenure.snapshots.engines.distinct_days import Rewrite, is_over_days, over_days
from tenure.snapshots.engines.duckdb_session import type_of, types_of
from tenure.snapshots.engines.eligibility import Asked, asked_of, population
from tenure.snapshots.engines.exact_aggregates import exactly
from tenure.snapshots.engines.snapshot_files import Built, write_labels, write_snapshots
from tenure.snapshots.engines.staged_facts import StagedFacts
from tenure.sources.staged_source import StagedSource
from tenure.targets.definition import Target

# Part of every snapshot's fingerprint: raise it when the same definition would come to other numbers.
ENGINE_VERSION = 3
# Facts times cutoffs from which on buckets pay: few, as each spares a query and a join. Both ways come to the same bits.
BUCKETS_FROM = 1_000


class DuckDBEngine:
    """Builds features, eligibility and labels of one staged source."""

    def __init__(self, staged: StagedSource, connection: duckdb.DuckDBPyConnection) -> None:
        self._facts = StagedFacts(staged, connection)
        self._connection = connection
        self.costs: list[BuildCost] = []

    def build_snapshot(
        self,
        targets: Iterable[Target],
        columns: Sequence[FeatureColumn],
        cutoffs: Sequence[date],
        paths: Mapping[date, Path],
    ) -> None:
        """Write one snapshot file per cutoff.

        customer_id, cutoff, eligible__<target> ..., feature columns; one row per customer eligible for any target.
        """
        targets = list(targets)
        self.costs.clear()
        self._facts.set_rules(targets)
        for batch in self._batches(columns, cutoffs):
            self._facts.set_cutoffs(batch)
            aggregates = self._build_aggregates(targets, columns, batch)
            with timing(self.costs, WRITING, columns=len(columns)):
                write_snapshots(self._connection, targets, columns, aggregates, batch, paths)
                for name in aggregates:
                    self._connection.execute(f"DROP TABLE {name}")

    def _batches(self, columns: Sequence[FeatureColumn], cutoffs: Sequence[date]) -> list[Sequence[date]]:
        """Split the cutoffs so that the features of those built at once fit into memory.

        Reading facts anew costs less than spilling.
        """
        tables = sorted({staged_name(column.table) for column in columns if not column.is_row_wise})
        if len(cutoffs) == 1 or not tables:
            return [cutoffs]
        named = " UNION ".join(self._facts.customers(table, max(cutoffs)) for table in tables)
        customers = self._connection.execute(f"SELECT count(*) FROM ({named})").fetchall()[0][0]
        size = max(1, engine_memory() // max(customers * len(columns) * NUMBER_BYTES, 1))
        return [cutoffs[first : first + size] for first in range(0, len(cutoffs), size)]

    def build_labels(self, target: Target, cutoff: date, as_of: date, snapshot: Path, path: Path) -> None:
        """Write the labels of one matured cutoff: customer_id, label; one row per eligible customer.

        Sees facts inside the outcome window that were known before the as-of.
        """
        self._facts.set_rules([target])
        self._facts.set_cutoffs([cutoff])
        label = to_duckdb(parse_expression(target.fill(target.outcome.expression), target.name))
        outcome = f"""
            SELECT customer_id, CAST(({label}) AS INTEGER) AS label
            FROM ({self._facts.outcome(target, as_of)})
            GROUP BY customer_id
        """
        write_labels(self._connection, target, outcome, snapshot, path)

    def plans(self, targets: Iterable[Target], columns: Iterable[FeatureColumn]) -> list[TablePlan]:
        """Plan each staged table's aggregates: the feature columns, and the conditions of who is asked."""
        every: list[Aggregate] = [*(column for column in columns if not column.is_row_wise), *asked_of(targets)]
        aggregates = [aggregate for aggregate in every if aggregate.table not in DERIVED]
        tables: dict[str, list[Aggregate]] = {}
        for aggregate in aggregates:
            tables.setdefault(aggregate.table, []).append(aggregate)
        return [plan_table(table, group, cache(partial(self._facts.type_of, table))) for table, group in tables.items()]

    def _build_aggregates(
        self, targets: Sequence[Target], columns: Sequence[FeatureColumn], cutoffs: Sequence[date]
    ) -> Built:
        """Aggregate each table: from buckets what merges and is worth it, the rest directly.

        Buckets that tell who is asked come first, of all customers; the other ways look at those who are asked.
        """
        built: Built = {}
        plans = self.plans(targets, columns)
        asking = [plan for plan in plans if any(isinstance(entry.column, Asked) for entry in plan.bucketed)]
        for plan in asking:
            built |= self._build_buckets(plan, cutoffs, self._facts.customers(plan.table, max(cutoffs)))
        with timing(self.costs, ASKED):
            query = population(targets, partial(self._answers, built), quoted)
            self._connection.execute(f"CREATE OR REPLACE TABLE population AS {query}")
        for plan in plans:
            if plan not in asking:
                built |= self._build_buckets(plan, cutoffs, "SELECT DISTINCT customer_id FROM population")
        done = {name for kinds in built.values() for name in kinds}
        return built | self._build_direct([c for c in columns if not (c.is_row_wise or c.name in done)])

    def is_worth_buckets(self, table: str, cutoffs: Sequence[date]) -> bool:
        """Tell whether a table has enough facts for buckets to pay: by what is known before, so always the same."""
        return self._facts.rows(table) * len(cutoffs) >= BUCKETS_FROM

    def _build_buckets(self, plan: TablePlan, cutoffs: Sequence[date], customers: str) -> Built:
        """Build what a table's buckets give, if that pays."""
        if not (plan.bucketed and self.is_worth_buckets(plan.table, cutoffs)):
            return {}
        name = quoted(f"buckets_{plan.table}")
        facts, rows = self._facts.timed(plan.table), self._facts.rows(plan.table)
        try:
            with timing(self.costs, BUCKETS, plan.table, len(plan.bucketed)):
                return {name: build_bucketed(self._connection, plan, facts, rows, customers, cutoffs, name)}
        except OverflowError:
            self._connection.execute(f"DROP TABLE {name}")
            return {}

    def _answers(self, built: Built, asked: Asked) -> str:
        """Give the SQL of ``customer_id, cutoff, yes``: a condition's answers of the customers who have rows."""
        yes = quoted(asked.name)
        for table in (table for table, kinds in built.items() if asked.name in kinds):
            return f"""
                SELECT customer_id, cutoff, {yes} AS yes
                FROM {table}
                WHERE {yes} IS NOT NULL
            """
        parsed = parse_expression(asked.expression, asked.place)
        rows = self._facts.observed(asked.table, asked.window_days, asked.used, asked.lead_days)
        return f"""
            SELECT customer_id, cutoff, {to_duckdb(parsed)} AS yes
            FROM ({rows})
            GROUP BY customer_id, cutoff
        """

    def _build_direct(self, columns: Sequence[FeatureColumn]) -> Built:
        """Aggregate each table over each window."""
        groups: dict[tuple[str, int | None, bool], dict[str, exp.Expression]] = {}
        for column in columns:
            parsed = parse_expression(column.expression, column.name)
            groups.setdefault((column.table, column.window_days, is_over_days(parsed)), {})[column.name] = parsed
        type_in = self._types_of_expressions(groups)
        built: Built = {}
        for (table, window, over_distinct_days), group in groups.items():
            name = quoted(f"agg_{table}_{window or 'ever'}{'_days' if over_distinct_days else ''}")
            used = dict.fromkeys(name for expression in group.values() for name in columns_of(expression))
            rows = f"""
                SELECT *
                FROM ({self._facts.observed(table, window, used)})
                SEMI JOIN population USING (customer_id, cutoff)
            """
            exact = partial(exactly, type_of=type_in[table])
            query = (over_days if over_distinct_days else _over_rows)(group, rows, exact)
            with timing(self.costs, DIRECT, table, len(group)):
                self._connection.execute(f"CREATE OR REPLACE TABLE {name} AS {query}")
            built[name] = types_of(self._connection, name)
        return built

    def _types_of_expressions(
        self, groups: Mapping[tuple[str, int | None, bool], Mapping[str, exp.Expression]]
    ) -> dict[str, Callable[[str], str]]:
        """Give for each table what tells the type of an expression over its rows: the same in all its windows."""
        used: dict[str, dict[str, None]] = {}
        for (table, _, _), group in groups.items():
            names = (name for expression in group.values() for name in columns_of(expression))
            used.setdefault(table, {}).update(dict.fromkeys(names))
        return {
            table: cache(partial(type_of, self._connection, self._facts.observed(table, None, names)))
            for table, names in used.items()
        }


def _over_rows(columns: Mapping[str, exp.Expression], rows: str, exact: Rewrite) -> str:
    selected = ", ".join(f"{to_duckdb(exact(parsed))} AS {quoted(name)}" for name, parsed in columns.items())
    return f"""
        SELECT customer_id, cutoff, {selected}
        FROM ({rows})
        GROUP BY customer_id, cutoff
    """
