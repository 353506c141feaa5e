"""Definitions and cutoffs to tables, on DuckDB. With the mapping of raw files, the only place where SQL is assembled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from tenure.engines.bucket_build import build_bucketed
from tenure.engines.bucket_plan import TablePlan, plan_table
from tenure.engines.build_cost import ASKED, BUCKETS, DIRECT, WRITING, BuildCost, timing
from tenure.errors import DefinitionError, RunError
from tenure.features.definition import PRODUCT_COLUMNS, FeatureColumn
from tenure.features.expression import OBSERVED_COLUMNS, columns_of, parse_expression, to_duckdb
from tenure.identity.events import identity_before
from tenure.memory import engine_memory
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.ingest import StagedSource
from tenure.sources.raw_files import literal, quoted
from tenure.targets.definition import Condition, Target

# Part of every snapshot's fingerprint: raise it when the same definition would come to other numbers.
ENGINE_VERSION = 1
# Customers times cutoffs whose features are joined at once: some 250 columns of 8 bytes each, several times over.
ROWS_AT_A_TIME = 100_000
# Facts times cutoffs from which on buckets pay; both ways come to the same bits.
BUCKETS_FROM = 200_000
# Float features are rounded where they leave the engine: the last bits depend on the number of threads.
SIGNIFICANT_DIGITS = 9


@contextmanager
def connect(spill_folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB that keeps to its memory and spills beyond it.

    Raises
    ------
    RunError : what cannot be spilled needs more than that.
    """
    with TemporaryDirectory(prefix="tenure-", dir=spill_folder) as spill:
        connection = duckdb.connect()
        try:
            connection.execute(f"SET temp_directory = {literal(spill)}")
            connection.execute(f"SET memory_limit = '{engine_memory()}B'")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = false")
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise RunError(
                f"The engine needs more than the {engine_memory() >> 20:,} MiB it may hold ({str(error).splitlines()[0]}). Expected a query that "
                "can spill: set TENURE_MEMORY higher (the engine takes half), or build fewer cutoffs at once."
            ) from error
        finally:
            connection.close()


class DuckDBEngine:
    """Builds features, eligibility and labels of one staged source.

    Every query joins facts to cutoffs in one of two ways, written once each: ``_observed`` (known before the cutoff)
    and ``_outcome`` (in the outcome window, known before the as-of).
    """

    def __init__(self, staged: StagedSource, connection: duckdb.DuckDBPyConnection) -> None:
        self._staged = staged
        self._connection = connection
        self._has_persons = False
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
        self._set_cutoffs(cutoffs)
        targets = list(targets)
        self.costs.clear()
        with timing(self.costs, ASKED):
            self._build_population(targets)
        joins = self._build_aggregates(columns, cutoffs)
        with timing(self.costs, WRITING, columns=len(columns)):
            self._write(targets, columns, joins, cutoffs, paths)

    def _write(
        self,
        targets: Sequence[Target],
        columns: Sequence[FeatureColumn],
        joins: Mapping[str, Sequence[FeatureColumn]],
        cutoffs: Sequence[date],
        paths: Mapping[date, Path],
    ) -> None:
        for batch in self._batches(cutoffs):
            query = self._assembled(targets, columns, joins, batch)
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE snapshot AS {query}")
            for cutoff in batch:
                self._connection.execute(
                    f"COPY (SELECT * FROM snapshot WHERE cutoff = DATE '{cutoff}' ORDER BY customer_id) "
                    f"TO {literal(str(paths[cutoff]))} (FORMAT parquet, COMPRESSION zstd)"
                )
            self._connection.execute("DROP TABLE snapshot")
        for name in joins:
            self._connection.execute(f"DROP TABLE {name}")

    def build_labels(self, target: Target, cutoff: date, as_of: date, snapshot: Path, path: Path) -> None:
        """Write the labels of one matured cutoff: customer_id, label; one row per eligible customer.

        Sees facts inside the outcome window that were known before the as-of.
        """
        self._set_cutoffs([cutoff])
        condition = target.outcome
        expression = self._sql(target.fill(condition.expression))
        absent = "1" if condition.when_no_rows else "0"
        self._connection.execute(
            f"COPY (SELECT customer_id, CAST(coalesce(outcome.label, {absent}) AS TINYINT) AS label "
            f"FROM (SELECT customer_id FROM read_parquet({literal(str(snapshot))}) WHERE {quoted('eligible__' + target.name)}) "
            f"LEFT JOIN (SELECT customer_id, CAST(({expression}) AS INTEGER) AS label FROM ({self._outcome(target, as_of)}) "
            f"GROUP BY customer_id) outcome USING (customer_id) ORDER BY customer_id) "
            f"TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        )

    def eligible(self, target: Target, cutoffs: Sequence[date]) -> str:
        """Give the SQL of ``customer_id, cutoff``, one row per customer who may be asked.

        Who has no rows where a condition says yes to that is kept by taking away those whose rows say no.
        """
        kept, taken = [], []
        for condition in target.eligible:
            parsed = parse_expression(target.fill(condition.expression), target.name)
            rows = self._observed(condition.table, target.days_of(condition), [*columns_of(parsed), *_per(condition)])
            groups = ", ".join(["customer_id", "cutoff", *map(quoted, _per(condition))])
            grouped = f"SELECT {groups}, coalesce({to_duckdb(parsed)}, false) AS yes FROM ({rows}) GROUP BY {groups}"
            asked = f"SELECT customer_id, cutoff FROM ({grouped}) GROUP BY customer_id, cutoff HAVING"
            if condition.when_no_rows:
                taken.append(f"{asked} NOT bool_or(yes)")
            else:
                kept.append(f"{asked} bool_or(yes)")
        return " EXCEPT ".join([f"({' INTERSECT '.join(kept)})", *taken])

    def known(self, table: str, as_of: date) -> str:
        """Give the SQL of a table's rows that had occurred and were known before a day: its columns, and age_days."""
        self._unify_customers(as_of)
        day = f"DATE '{as_of}'"
        return (
            f"SELECT *, date_diff('day', CAST(occurred_at AS DATE), {day}) AS age_days FROM {self._facts(table)} "
            f"WHERE occurred_at < {day} AND known_at < {day}"
        )

    def _set_cutoffs(self, cutoffs: Sequence[date]) -> None:
        self._unify_customers(cutoffs[0])
        values = ", ".join(f"(DATE '{cutoff}')" for cutoff in cutoffs)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE cutoffs AS SELECT * FROM (VALUES {values}) AS t(cutoff)"
        )

    def _build_population(self, targets: Sequence[Target]) -> None:
        parts = [
            f"SELECT customer_id, cutoff, {literal(target.name)} AS target FROM ({self.eligible(target, ())})"
            for target in targets
        ]
        flags = ", ".join(f"bool_or(target = {literal(t.name)}) AS {quoted('eligible__' + t.name)}" for t in targets)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE population AS SELECT customer_id, cutoff, {flags} FROM ({' UNION ALL '.join(parts)}) GROUP BY 1, 2"
        )

    def plans(self, columns: Sequence[FeatureColumn]) -> list[TablePlan]:
        """Plan each staged table's columns, in the order of their first."""
        tables: dict[str, list[FeatureColumn]] = {}
        for column in columns:
            if not column.is_row_wise:
                tables.setdefault(column.table, []).append(column)
        return [plan_table(table, group, cache(partial(self._type_of, table))) for table, group in tables.items()]

    def _type_of(self, table: str, expression: str) -> str:
        rows = f"SELECT *, isodow(occurred_at) AS weekday, hour(occurred_at) AS hour FROM {self._facts(table)}"
        described = self._connection.execute(f"DESCRIBE SELECT {expression} FROM ({rows})").fetchall()
        return str(described[0][1])

    def _build_aggregates(
        self, columns: Sequence[FeatureColumn], cutoffs: Sequence[date]
    ) -> dict[str, list[FeatureColumn]]:
        """Aggregate each table: from buckets what merges and is worth it, the rest directly; a few temporary tables each."""
        joins: dict[str, list[FeatureColumn]] = {}
        direct: list[FeatureColumn] = []
        for plan in self.plans(columns):
            bucketed = [entry.column for entry in plan.bucketed]
            group = [column for column in columns if column.table == plan.table]
            if bucketed and self.is_worth_buckets(plan.table, cutoffs):
                name = quoted(f"buckets_{plan.table}")
                rows = self._staged.tables[plan.table].staged
                try:
                    with timing(self.costs, BUCKETS, plan.table, len(bucketed)):
                        build_bucketed(self._connection, plan, self._facts(plan.table), rows, cutoffs, name)
                except OverflowError:
                    self._connection.execute(f"DROP TABLE {name}")
                else:
                    joins[name] = bucketed
                    group = [column for column in group if column.name in plan.direct]
            direct += group
        return joins | self._build_direct(direct)

    def is_worth_buckets(self, table: str, cutoffs: Sequence[date]) -> bool:
        """Tell whether a table has enough facts for buckets to pay: by what is known before, so always the same."""
        return self._staged.tables[table].staged * len(cutoffs) >= BUCKETS_FROM

    def _build_direct(self, columns: Sequence[FeatureColumn]) -> dict[str, list[FeatureColumn]]:
        """Aggregate each table over each window; one temporary table each."""
        groups: dict[tuple[str, int | None], list[FeatureColumn]] = {}
        for column in columns:
            groups.setdefault((column.table, column.window_days), []).append(column)
        joins: dict[str, list[FeatureColumn]] = {}
        for (table, window), group in groups.items():
            parsed = {column.name: parse_expression(column.expression, column.name) for column in group}
            used = dict.fromkeys(name for expression in parsed.values() for name in columns_of(expression))
            selected = ", ".join(f"{to_duckdb(expression)} AS {quoted(name)}" for name, expression in parsed.items())
            name = quoted(f"agg_{table}_{window or 'ever'}")
            with timing(self.costs, DIRECT, table, len(group)):
                self._connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT customer_id, cutoff, {selected} "
                    f"FROM ({self._observed(table, window, used)}) SEMI JOIN population USING (customer_id, cutoff) GROUP BY customer_id, cutoff"
                )
            joins[name] = group
        return joins

    def _batches(self, cutoffs: Sequence[date]) -> Iterator[list[date]]:
        """Split the cutoffs so that joining all features of a batch fits into memory; the aggregates themselves can spill."""
        rows = dict(self._connection.execute("SELECT cutoff, count(*) FROM population GROUP BY cutoff").fetchall())
        batch: list[date] = []
        for cutoff in cutoffs:
            if batch and sum(rows.get(c, 0) for c in [*batch, cutoff]) > ROWS_AT_A_TIME:
                yield batch
                batch = []
            batch.append(cutoff)
        yield batch

    def _assembled(
        self,
        targets: Sequence[Target],
        columns: Sequence[FeatureColumn],
        joins: Mapping[str, Sequence[FeatureColumn]],
        cutoffs: Sequence[date],
    ) -> str:
        """Join the aggregates of some cutoffs to their population, say what absence means, then add the row-wise features in their order."""
        kinds: dict[str, str] = {}
        for name in joins:
            kinds |= {row[0]: str(row[1]) for row in self._connection.execute(f"DESCRIBE {name}").fetchall()}
        selected = {column.name: _outgoing(column, kinds[column.name]) for group in joins.values() for column in group}
        at = "WHERE cutoff IN (" + ", ".join(f"DATE '{cutoff}'" for cutoff in cutoffs) + ")"
        joined = " ".join(f"LEFT JOIN (SELECT * FROM {name} {at}) USING (customer_id, cutoff)" for name in joins)
        flags = ", ".join(quoted("eligible__" + target.name) for target in targets)
        base = [f"{selected[column.name]} AS {quoted(column.name)}" for column in columns if not column.is_row_wise]
        query = f"SELECT customer_id, cutoff, {', '.join([flags, *base])} FROM (SELECT * FROM population {at}) {joined}"
        for level in row_wise_levels(columns):
            query = f"SELECT *, {', '.join(map(_row_wise, level))} FROM ({query})"
        order = ", ".join(["customer_id", "cutoff", flags, *(quoted(column.name) for column in columns)])
        return f"SELECT {order} FROM ({query})"

    def _observed(self, table: str, window_days: int | None, used: Iterable[str]) -> str:
        """Give the rows a feature may see: in ``[cutoff - n, cutoff)``, and known before the cutoff."""
        since = f" AND f.occurred_at >= c.cutoff - INTERVAL {window_days} DAY" if window_days else ""
        return (
            f"SELECT f.customer_id, c.cutoff, date_diff('day', CAST(f.occurred_at AS DATE), c.cutoff) AS age_days, "
            f"date_diff('microsecond', f.occurred_at, CAST(c.cutoff AS TIMESTAMP)) AS age_us, "
            f"isodow(f.occurred_at) AS weekday, hour(f.occurred_at) AS hour{self._used(table, used)} FROM {self._facts(table)} f "
            f"JOIN cutoffs c ON f.occurred_at < c.cutoff AND f.known_at < c.cutoff{since}"
        )

    def _outcome(self, target: Target, as_of: date) -> str:
        """Give the rows a label may see: in the outcome window, and known before the as-of."""
        condition = target.outcome
        days = target.days_of(condition) or target.horizon_days
        start = f"c.cutoff + INTERVAL {target.lead_days} DAY"
        parsed = parse_expression(target.fill(condition.expression), target.name)
        return (
            f"SELECT f.customer_id, c.cutoff, date_diff('day', CAST({start} AS DATE), CAST(f.occurred_at AS DATE)) AS days_ahead, "
            f"-date_diff('microsecond', CAST({start} AS TIMESTAMP), f.occurred_at) AS age_us{self._used(condition.table, columns_of(parsed))} "
            f"FROM {self._facts(condition.table)} f JOIN cutoffs c ON f.occurred_at >= {start} "
            f"AND f.occurred_at < {start} + INTERVAL {days} DAY AND f.known_at < DATE '{as_of}'"
        )

    def _used(self, table: str, used: Iterable[str]) -> str:
        supplied = {*OBSERVED_COLUMNS, "days_ahead"}
        return "".join(f", f.{quoted(name)}" for name in dict.fromkeys(used) if name not in supplied)

    def _unify_customers(self, cutoff: date) -> None:
        """Read facts from here on as those of the persons known before a cutoff; all cutoffs built at once know the same ones."""
        mapping = identity_before(self._staged.identity_events, cutoff)
        self._has_persons = bool(mapping)
        if mapping:
            table = pa.table({"customer_id": list(mapping), "unified_id": list(mapping.values())})
            self._connection.register("known_persons", table)
            self._connection.execute("CREATE OR REPLACE TEMP TABLE persons AS FROM known_persons")
            self._connection.unregister("known_persons")

    def _facts(self, table: str) -> str:
        facts = f"read_parquet({literal(str(self._staged.path(table)))})"
        if self._has_persons and table != "products":
            unified = "* EXCLUDE (unified_id) REPLACE (coalesce(unified_id, customer_id) AS customer_id)"
            facts = f"(SELECT {unified} FROM {facts} LEFT JOIN persons USING (customer_id))"
        if table != "order_lines":
            return facts
        if "products" not in self._staged.tables:
            return f"(SELECT *, CAST(NULL AS VARCHAR) AS category, CAST(NULL AS VARCHAR) AS product_brand FROM {facts})"
        category, brand = PRODUCT_COLUMNS
        products = (
            f"(SELECT product_id, any_value(category ORDER BY category) AS {category}, any_value(brand ORDER BY brand) AS {brand} "
            f"FROM read_parquet({literal(str(self._staged.path('products')))}) GROUP BY product_id)"
        )
        return f"(SELECT l.*, p.{category}, p.{brand} FROM {facts} l LEFT JOIN {products} p USING (product_id))"

    @staticmethod
    def _sql(expression: str) -> str:
        return to_duckdb(parse_expression(expression, "outcome"))


def row_wise_levels(columns: Sequence[FeatureColumn]) -> Iterator[list[FeatureColumn]]:
    """Group the row-wise columns so that each needs only earlier groups."""
    waiting = [column for column in columns if column.is_row_wise]
    while waiting:
        names = {column.name for column in waiting}
        level = [column for column in waiting if names.isdisjoint(column.inputs)]
        if not level:
            raise DefinitionError(
                f"Features {', '.join(sorted(names))} need each other. Expected formulas without a circle."
            )
        yield level
        waiting = [column for column in waiting if column not in level]


def _row_wise(column: FeatureColumn) -> str:
    value = _rounded(f"CAST(({to_duckdb(parse_expression(column.expression, column.name))}) AS DOUBLE)")
    absent = "NULL" if column.when_no_rows is None else repr(float(column.when_no_rows))
    return f"coalesce({value}, {absent}) AS {quoted(column.name)}"


def _per(condition: Condition) -> tuple[str, ...]:
    return (condition.per,) if condition.per else ()


def _outgoing(column: FeatureColumn, kind: str) -> str:
    """Cast a feature as it leaves the engine: text stays text, every number a rounded DOUBLE, absence as stated."""
    name = quoted(column.name)
    if kind == "VARCHAR":
        return name if column.when_no_rows is None else f"coalesce({name}, {literal(str(column.when_no_rows))})"
    value = _rounded(f"CAST({name} AS DOUBLE)") if kind in ("DOUBLE", "FLOAT") else f"CAST({name} AS DOUBLE)"
    return value if column.when_no_rows is None else f"coalesce({value}, {float(column.when_no_rows)!r})"


def _rounded(value: str) -> str:
    digits = f"CAST({SIGNIFICANT_DIGITS - 1} - floor(log10(abs({value}))) AS INTEGER)"
    return f"CASE WHEN {value} = 0 OR NOT isfinite({value}) THEN nullif({value}, CAST('nan' AS DOUBLE)) ELSE round({value}, {digits}) END"


def tables_with_rows(staged: StagedSource) -> dict[str, tuple[str, ...]]:
    """Map each staged table that has rows to its columns."""
    return {
        name: table.columns for name, table in staged.tables.items() if table.staged and STAGED_TABLES[name].is_dated
    }
