"""Definitions and cutoffs to tables, on Spark: the same definitions as on DuckDB, the same numbers, for who outgrew one machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from tenure.engines.build_cost import BuildCost
from tenure.engines.duckdb_session import connect
from tenure.engines.eligibility import Asked, population
from tenure.engines.joined_features import SIGNIFICANT_DIGITS, row_wise_levels
from tenure.engines.spark_expression import is_over_distinct, to_spark, within
from tenure.errors import DefinitionError, RunError
from tenure.engines.spark_facts import SparkFacts
from tenure.features.definition import FeatureColumn
from tenure.features.expression import columns_of, parse_expression
from tenure.sources.ingest import StagedSource
from tenure.sources.raw_files import literal, quoted
from tenure.spark_session import first_line, spark_path
from tenure.targets.definition import Target

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

INFINITY, NAN = "DOUBLE('Infinity')", "DOUBLE('NaN')"
# Powers of ten beyond this exceed a double: a number so small is left as it is.
LARGEST_EXPONENT = 308


class SparkEngine:
    """Builds features, eligibility and labels of one staged source; reads its Parquet in place.

    ``scratch`` holds what one query leaves for the next, so that no plan grows beyond one aggregate. A cluster's
    executors must see it and the staged facts under the paths this process uses.
    """

    def __init__(self, staged: StagedSource, spark: SparkSession, scratch: Path) -> None:
        self.costs: list[BuildCost] = []  # Spark tells its own
        self._facts = SparkFacts(staged, spark, scratch)
        self._spark = spark
        self._scratch = scratch

    def build_snapshot(
        self,
        targets: Iterable[Target],
        columns: Sequence[FeatureColumn],
        cutoffs: Sequence[date],
        paths: Mapping[date, Path],
    ) -> None:
        """Write one snapshot file per cutoff.

        customer_id, cutoff, eligible__<target> ..., feature columns; one row per customer eligible for any target.

        Raises
        ------
        DefinitionError : a feature or target that Spark cannot compute as DuckDB does. RunError : Spark gave up.
        """
        targets = list(targets)
        self._facts.set_cutoffs(cutoffs)
        self._keep("population", population(targets, self._answers, _named))
        aggregates = self._build_aggregates(columns)
        folder = self._keep("snapshot", self._assembled(targets, columns, aggregates))
        names = ", ".join(
            [
                "customer_id",
                "cutoff",
                *(quoted(f"eligible__{t.name}") for t in targets),
                *(quoted(c.name) for c in columns),
            ]
        )
        for cutoff in cutoffs:
            self._collect(f"SELECT {names} FROM {_parts(folder)} WHERE cutoff = DATE '{cutoff}'", paths[cutoff])

    def build_labels(self, target: Target, cutoff: date, as_of: date, snapshot: Path, path: Path) -> None:
        """Write the labels of one matured cutoff: customer_id, label; one row per eligible customer.

        Sees facts inside the outcome window that were known before the as-of.

        Raises
        ------
        DefinitionError : an outcome that Spark cannot compute as DuckDB does. RunError : Spark gave up.
        """
        self._facts.set_cutoffs([cutoff])
        parsed = parse_expression(target.fill(target.outcome.expression), target.name)
        rows = self._facts.outcome(target, as_of, columns_of(parsed))
        self._facts.view("asked", self._facts.read(snapshot))
        absent = int(target.outcome.when_no_rows)
        folder = self._keep(
            "labels",
            f"SELECT customer_id, CAST(coalesce(label, {absent}) AS TINYINT) AS label "
            f"FROM (SELECT customer_id FROM asked WHERE {_named(f'eligible__{target.name}')}) "
            f"LEFT JOIN (SELECT customer_id, CAST({to_spark(parsed, target.name)} AS INT) AS label FROM ({rows}) GROUP BY customer_id) "
            f"USING (customer_id)",
        )
        self._collect(f"SELECT customer_id, label FROM {_parts(folder)}", path)

    def _answers(self, asked: Asked) -> str:
        """Give the SQL of ``customer_id, cutoff, yes``: a condition's answers of the customers who have rows."""
        parsed = parse_expression(asked.expression, asked.place)
        groups = ", ".join(["customer_id", "cutoff", *map(_named, asked.groups)])
        rows = self._facts.observed(asked.table, asked.window_days, asked.used)
        return f"SELECT {groups}, {to_spark(parsed, asked.place)} AS yes FROM ({rows}) GROUP BY {groups}"

    def _build_aggregates(self, columns: Sequence[FeatureColumn]) -> dict[str, list[FeatureColumn]]:
        """Aggregate each table in one pass over all its windows, and in another what is over distinct values; one view each."""
        groups: dict[tuple[str, bool], list[FeatureColumn]] = {}
        for column in columns:
            if not column.is_row_wise:
                # Spark groups by every distinct value before it aggregates: the sets of other columns would be built for each.
                parsed = parse_expression(column.expression, column.name)
                groups.setdefault((column.table, is_over_distinct(parsed)), []).append(column)
        aggregates = {}
        for (table, over_distinct), group in groups.items():
            used = [name for c in group for name in columns_of(parse_expression(c.expression, c.name))]
            windows = [column.window_days for column in group if column.window_days]
            longest = max(windows) if len(windows) == len(group) else None
            rows = f"({self._facts.observed(table, longest, used)}) LEFT SEMI JOIN population USING (customer_id, cutoff)"
            selected = ", ".join(f"{_aggregate(column)} AS {_named(column.name)}" for column in group)
            name = f"aggregate_{table}{'_distinct' if over_distinct else ''}"
            self._keep(name, f"SELECT customer_id, cutoff, {selected} FROM {rows} GROUP BY customer_id, cutoff")
            aggregates[name] = group
        return aggregates

    def _assembled(
        self,
        targets: Sequence[Target],
        columns: Sequence[FeatureColumn],
        aggregates: Mapping[str, Sequence[FeatureColumn]],
    ) -> str:
        """Join the aggregates to the population, say what absence means, then add the row-wise features in their order."""
        kinds = {name: kind for view in aggregates for name, kind in self._spark.table(view).dtypes}
        joined = " ".join(f"LEFT JOIN {view} USING (customer_id, cutoff)" for view in aggregates)
        keys = ", ".join(["customer_id", "cutoff", *(_named(f"eligible__{target.name}") for target in targets)])
        base = [
            f"{_outgoing(column, kinds[column.name])} AS {_named(column.name)}"
            for column in columns
            if not column.is_row_wise
        ]
        query = f"SELECT {keys}, {', '.join(base)} FROM population {joined}"
        for level in row_wise_levels(columns):
            # Computed, then rounded: one query more, so that no expression is written out once for each mention.
            exact = ", ".join(
                f"CAST({to_spark(parse_expression(c.expression, c.name), f'Feature {c.name}')} AS DOUBLE) AS {_exact(c)}"
                for c in level
            )
            rounded = ", ".join(f"{_present(_rounded(_exact(c)), c)} AS {_named(c.name)}" for c in level)
            query = f"SELECT *, {rounded} FROM (SELECT *, {exact} FROM ({query}))"
        return f"SELECT {keys}, {', '.join(_named(column.name) for column in columns)} FROM ({query})"

    def _keep(self, name: str, query: str) -> Path:
        """Run a query, keep its rows in the scratch folder and make them a view of that name; return their folder."""
        from pyspark.errors import AnalysisException, PySparkException

        folder = self._scratch / name
        try:
            self._spark.sql(query).write.mode("overwrite").parquet(spark_path(folder))
        except AnalysisException as error:
            raise DefinitionError(
                f"Spark cannot compute {name}: {first_line(error)} Expected columns and types that every expression of it can "
                "take; mend the definition it names, or run with --engine duckdb."
            ) from error
        except PySparkException as error:
            raise RunError(f"Spark gave up on {name}: {first_line(error)}") from error
        self._facts.view(name, self._facts.read(folder))
        return folder

    def _collect(self, query: str, path: Path) -> None:
        """Write one file, in order: readers need not know which engine wrote it."""
        with connect(self._scratch) as connection:
            connection.execute(
                f"COPY ({query} ORDER BY customer_id) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
            )


def _named(name: str) -> str:
    """Quote an identifier for Spark."""
    return "`" + name.replace("`", "``") + "`"


def _exact(column: FeatureColumn) -> str:
    return _named(f"exact {column.name}")


def _parts(folder: Path) -> str:
    return f"read_parquet({literal(str(folder / '*.parquet'))})"


def _aggregate(column: FeatureColumn) -> str:
    """Aggregate the rows of the column's window; without a row there it is unknown, as it is where each window is a query of its own."""
    parsed = parse_expression(column.expression, column.name)
    place = f"Feature {column.name}"
    if column.window_days is None:
        return to_spark(parsed, place)
    return f"CASE WHEN min(age_days) <= {column.window_days} THEN {to_spark(within(parsed, column.window_days), place)} END"


def _outgoing(column: FeatureColumn, kind: str) -> str:
    """Cast a feature as it leaves the engine: text stays text, every number a rounded DOUBLE, absence as stated."""
    name = _named(column.name)
    if kind == "string":
        return name if column.when_no_rows is None else f"coalesce({name}, {_text(str(column.when_no_rows))})"
    return _present(_rounded(name) if kind in ("double", "float") else f"CAST({name} AS DOUBLE)", column)


def _present(value: str, column: FeatureColumn) -> str:
    return value if column.when_no_rows is None else f"coalesce({value}, {float(column.when_no_rows)!r}D)"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _rounded(value: str) -> str:
    """Round to nine significant digits by the arithmetic DuckDB's ``round`` uses, so that halves fall alike."""
    value = f"CAST({value} AS DOUBLE)"
    digits = f"CAST({SIGNIFICANT_DIGITS - 1} - floor(log10(abs({value}))) AS INT)"
    scale = f"CAST(concat('1e', abs({digits})) AS DOUBLE)"  # Spark's power() is not exact beyond 1e22
    return (
        f"CASE WHEN {value} = 0 OR isnan({value}) OR abs({value}) = {INFINITY} THEN nullif({value}, {NAN}) "
        f"WHEN {digits} > {LARGEST_EXPONENT} THEN {value} "
        f"WHEN {digits} < 0 THEN round({value} / {scale}) * {scale} ELSE round({value} * {scale}) / {scale} END"
    )
