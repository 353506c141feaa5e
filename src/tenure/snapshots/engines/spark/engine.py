"""Definitions and cutoffs to tables, on Spark, where one machine is not enough: DuckDB's definitions, DuckDB's numbers.

Spark reads the facts and comes to one row per customer and cutoff. What is then done to such rows (joined, filled,
rounded, formulas over features) DuckDB does for both engines, so that it cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from tenure.core.errors import DefinitionError, RunError
from tenure.core.sql import literal, quoted
from tenure.features.definition import FeatureColumn
from tenure.features.expression import columns_of, parse_expression
from tenure.snapshots.engines.build_cost import ASKED, DIRECT, WRITING, BuildCost, timing
from tenure.snapshots.engines.duckdb_session import connect, types_of
from tenure.snapshots.engines.eligibility import Asked, population
from tenure.snapshots.engines.snapshot_files import Built, write_labels, write_snapshots
from tenure.snapshots.engines.spark.expression import Way, to_spark, way_of, within
from tenure.snapshots.engines.spark.facts import SparkFacts
from tenure.sources.readers.spark_session import first_line, spark_path
from tenure.sources.staged_source import StagedSource
from tenure.targets.definition import Target

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkEngine:
    """Builds features, eligibility and labels of one staged source; reads its Parquet in place.

    ``scratch`` takes what Spark writes, as Parquet partitioned by cutoff. A cluster's executors must see it and the
    staged facts under the paths this process uses.
    """

    def __init__(self, staged: StagedSource, spark: SparkSession, scratch: Path) -> None:
        self.costs: list[BuildCost] = []
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
        self.costs.clear()
        self._facts.set_rules(targets)
        self._facts.set_cutoffs(cutoffs)
        with connect(self._scratch) as connection:
            with timing(self.costs, ASKED):
                self._keep("population", population(targets, self._answers, _named), connection)
            self._facts.view("population", self._facts.read(self._scratch / "population"))
            aggregates = self._build_aggregates(columns, connection)
            with timing(self.costs, WRITING, columns=len(columns)):
                write_snapshots(connection, targets, columns, aggregates, cutoffs, paths)

    def build_labels(self, target: Target, cutoff: date, as_of: date, snapshot: Path, path: Path) -> None:
        """Write the labels of one matured cutoff: customer_id, label; one row per eligible customer.

        Sees facts inside the outcome window that were known before the as-of.

        Raises
        ------
        DefinitionError : an outcome that Spark cannot compute as DuckDB does. RunError : Spark gave up.
        """
        self._facts.set_rules([target])
        self._facts.set_cutoffs([cutoff])
        parsed = parse_expression(target.fill(target.outcome.expression), target.name)
        rows = self._facts.outcome(target, as_of, columns_of(parsed))
        label = f"CAST({to_spark(parsed, f'Target {target.name}')} AS INT)"
        outcome = f"SELECT customer_id, {label} AS label FROM ({rows}) GROUP BY customer_id"
        with connect(self._scratch) as connection:
            self._keep("outcome", outcome, connection)
            write_labels(connection, target, "FROM outcome", snapshot, path)

    def _answers(self, asked: Asked) -> str:
        """Give the SQL of ``customer_id, cutoff, yes``: a condition's answers of the customers who have rows."""
        parsed = parse_expression(asked.expression, asked.place)
        rows = self._facts.observed(asked.table, asked.window_days, asked.used, asked.lead_days)
        return f"""
            SELECT customer_id, cutoff, {to_spark(parsed, asked.place)} AS yes
            FROM ({rows})
            GROUP BY customer_id, cutoff
        """

    def _build_aggregates(self, columns: Sequence[FeatureColumn], connection: duckdb.DuckDBPyConnection) -> Built:
        """Aggregate each table in one pass over all its windows for each way in which Spark aggregates."""
        groups: dict[tuple[str, Way], list[FeatureColumn]] = {}
        for column in columns:
            if not column.is_row_wise:
                parsed = parse_expression(column.expression, column.name)
                way = way_of(parsed, self._facts.text_columns(column.table))
                groups.setdefault((column.table, way), []).append(column)
        built: Built = {}
        for (table, way), group in groups.items():
            used = [name for c in group for name in columns_of(parse_expression(c.expression, c.name))]
            windows = [column.window_days for column in group if column.window_days]
            longest = max(windows) if len(windows) == len(group) else None
            query = f"""
                SELECT customer_id, cutoff, {", ".join(map(_aggregate, group))}
                FROM ({self._facts.observed(table, longest, used)})
                LEFT SEMI JOIN population USING (customer_id, cutoff)
                GROUP BY customer_id, cutoff
            """
            name = f"aggregate_{table}_{way}"
            with timing(self.costs, DIRECT, table, len(group)):
                self._keep(name, query, connection, by_cutoff=True)
            built[name] = types_of(connection, name)
        return built

    def _keep(self, name: str, query: str, connection: duckdb.DuckDBPyConnection, *, by_cutoff: bool = False) -> None:
        """Run a query on Spark and make what it wrote a relation of that name in DuckDB."""
        from pyspark.errors import AnalysisException, PySparkException

        folder = self._scratch / name
        try:
            rows = self._spark.sql(query)
            writer = rows.write.mode("overwrite")
            (writer.partitionBy("cutoff") if by_cutoff else writer).parquet(spark_path(folder))
            files = "**/*.parquet" if by_cutoff else "*.parquet"
            if next(folder.glob(files), None) is None:  # Spark writes no file for a partition without rows
                connection.register("no_rows", rows.limit(0).toArrow())
                connection.execute(f"CREATE TABLE {quoted(name)} AS FROM no_rows")
                return
        except AnalysisException as error:
            raise DefinitionError(
                f"Spark cannot compute {name}: {first_line(error)} Expected columns and types that every expression "
                "of it can take; mend the definition it names, or run with --engine duckdb."
            ) from error
        except PySparkException as error:
            raise RunError(f"Spark gave up on {name}: {first_line(error)}") from error
        partitions = (
            "hive_partitioning = true, hive_types = {cutoff: DATE}" if by_cutoff else "hive_partitioning = false"
        )
        written = f"read_parquet({literal(str(folder / files))}, {partitions})"
        connection.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS FROM {written}")


def _named(name: str) -> str:
    """Quote an identifier for Spark."""
    return "`" + name.replace("`", "``") + "`"


def _aggregate(column: FeatureColumn) -> str:
    """Aggregate the rows of the column's window.

    Without a row there it is unknown, as it is where each window is a query of its own.
    """
    parsed, days = parse_expression(column.expression, column.name), column.window_days
    sql = to_spark(parsed if days is None else within(parsed, days), f"Feature {column.name}")
    return f"{sql if days is None else f'CASE WHEN min(age_days) <= {days} THEN {sql} END'} AS {_named(column.name)}"
