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
from tenure.features.definition import PRODUCT_COLUMNS, FeatureColumn
from tenure.features.expression import OBSERVED_COLUMNS, OUTCOME_COLUMNS, columns_of, parse_expression
from tenure.sources.ingest import StagedSource
from tenure.sources.raw_files import literal, quoted
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
        self._staged = staged
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
        self._set_cutoffs(cutoffs)
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
        self._set_cutoffs([cutoff])
        parsed = parse_expression(target.fill(target.outcome.expression), target.name)
        rows = self._outcome(target, as_of, columns_of(parsed))
        self._view("asked", self._spark.read.parquet(str(snapshot)))
        absent = int(target.outcome.when_no_rows)
        folder = self._keep(
            "labels",
            f"SELECT customer_id, CAST(coalesce(label, {absent}) AS TINYINT) AS label "
            f"FROM (SELECT customer_id FROM asked WHERE {_named(f'eligible__{target.name}')}) "
            f"LEFT JOIN (SELECT customer_id, CAST({to_spark(parsed, target.name)} AS INT) AS label FROM ({rows}) GROUP BY customer_id) "
            f"USING (customer_id)",
        )
        self._collect(f"SELECT customer_id, label FROM {_parts(folder)}", path)

    def _set_cutoffs(self, cutoffs: Sequence[date]) -> None:
        values = ", ".join(f"(DATE '{cutoff}')" for cutoff in cutoffs)
        self._view("cutoffs", self._spark.sql(f"SELECT * FROM VALUES {values} AS t(cutoff)"))

    def _answers(self, asked: Asked) -> str:
        """Give the SQL of ``customer_id, cutoff, yes``: a condition's answers of the customers who have rows."""
        parsed = parse_expression(asked.expression, asked.place)
        groups = ", ".join(["customer_id", "cutoff", *map(_named, asked.groups)])
        rows = self._observed(asked.table, asked.window_days, asked.used)
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
            rows = f"({self._observed(table, longest, used)}) LEFT SEMI JOIN population USING (customer_id, cutoff)"
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

    def _observed(self, table: str, window_days: int | None, used: Iterable[str]) -> str:
        """Give the rows a feature may see: in ``[cutoff - n, cutoff)``, and known before the cutoff."""
        since = f" AND f.occurred_at >= {_midnight(f'date_sub(c.cutoff, {window_days})')}" if window_days else ""
        return (
            f"SELECT f.customer_id, c.cutoff, CAST(datediff(c.cutoff, CAST(f.occurred_at AS DATE)) AS BIGINT) AS age_days, "
            f"timestampdiff(MICROSECOND, f.occurred_at, {_midnight('c.cutoff')}) AS age_us, "
            f"CAST(weekday(f.occurred_at) + 1 AS BIGINT) AS weekday, CAST(hour(f.occurred_at) AS BIGINT) AS hour{_used(used)} "
            f"FROM {self._facts(table)} f JOIN cutoffs c "
            f"ON f.occurred_at < {_midnight('c.cutoff')} AND f.known_at < {_midnight('c.cutoff')}{since}"
        )

    def _outcome(self, target: Target, as_of: date, used: Iterable[str]) -> str:
        """Give the rows a label may see: in the outcome window, and known before the as-of."""
        days = target.days_of(target.outcome) or target.horizon_days
        start = f"date_add(c.cutoff, {target.lead_days})"
        return (
            f"SELECT f.customer_id, CAST(datediff(CAST(f.occurred_at AS DATE), {start}) AS BIGINT) AS days_ahead, "
            f"timestampdiff(MICROSECOND, f.occurred_at, {_midnight(start)}) AS age_us{_used(used)} "
            f"FROM {self._facts(target.outcome.table)} f JOIN cutoffs c ON f.occurred_at >= {_midnight(start)} "
            f"AND f.occurred_at < {_midnight(f'date_add({start}, {days})')} AND f.known_at < {_midnight(f'''DATE '{as_of}' ''')}"
        )

    def _facts(self, table: str) -> str:
        facts = self._staged_view(table)
        if table != "order_lines":
            return facts
        category, brand = PRODUCT_COLUMNS
        if "products" not in self._staged.tables:
            return f"(SELECT *, CAST(NULL AS STRING) AS {category}, CAST(NULL AS STRING) AS {brand} FROM {facts})"
        products = (
            f"(SELECT product_id, min(category) AS {category}, min(brand) AS {brand} "
            f"FROM {self._staged_view('products')} GROUP BY product_id)"
        )
        return f"(SELECT l.*, p.{category}, p.{brand} FROM {facts} l LEFT JOIN {products} p ON l.product_id = p.product_id)"

    def _staged_view(self, table: str) -> str:
        return self._view(f"staged_{table}", self._spark.read.parquet(str(self._staged.path(table))))

    def _view(self, name: str, table: DataFrame) -> str:
        table.createOrReplaceTempView(name)
        return name

    def _keep(self, name: str, query: str) -> Path:
        """Run a query, keep its rows in the scratch folder and make them a view of that name; return their folder."""
        from pyspark.errors import AnalysisException, PySparkException

        folder = self._scratch / name
        try:
            self._spark.sql(query).write.mode("overwrite").parquet(str(folder))
        except AnalysisException as error:
            raise DefinitionError(
                f"Spark cannot compute {name}: {_first_line(error)} Expected columns and types that every expression of it can "
                "take; mend the definition it names, or run with --engine duckdb."
            ) from error
        except PySparkException as error:
            raise RunError(f"Spark gave up on {name}: {_first_line(error)}") from error
        self._view(name, self._spark.read.parquet(str(folder)))
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


def _midnight(day: str) -> str:
    return f"CAST({day} AS TIMESTAMP_NTZ)"


def _parts(folder: Path) -> str:
    return f"read_parquet({literal(str(folder / '*.parquet'))})"


def _used(used: Iterable[str]) -> str:
    supplied = {*OBSERVED_COLUMNS, *OUTCOME_COLUMNS}
    return "".join(f", f.{_named(name)}" for name in dict.fromkeys(used) if name not in supplied)


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
    return value if column.absent_number is None else f"coalesce({value}, {column.absent_number!r}D)"


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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
