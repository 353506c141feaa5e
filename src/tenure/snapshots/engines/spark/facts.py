"""The rows of one staged source that a cutoff, or an as-of, may see: ``staged_facts`` in Spark's SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tenure.core.errors import RunError
from tenure.features.definition import PRODUCT_COLUMNS
from tenure.features.derived import CUSTOMER_STATES, SUBSCRIPTIONS, staged_name
from tenure.features.due_dates import Dialect
from tenure.features.expression import OBSERVED_COLUMNS, OUTCOME_COLUMNS
from tenure.features.subscription_states import StateRules
from tenure.identity.events import identity_before
from tenure.snapshots.engines.state_tables import StateTables
from tenure.sources.contract import PERSON_IDS, STAGED_TABLES
from tenure.sources.readers.spark_session import first_line, spark_path
from tenure.sources.staged_source import StagedSource
from tenure.targets.definition import Target
from tenure.targets.state_rules import state_rules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


SPARK = Dialect(
    days="datediff({later}, {earlier})",
    after="date_add({day}, CAST({days} AS INT))",
    months="add_months({day}, CAST({months} AS INT))",
    last="last_value({value}) IGNORE NULLS",
    number="xxhash64({columns})",
)


class SparkFacts:
    """Staged tables as views of a Spark session, read in place; ``scratch`` holds what goes beside them."""

    def __init__(self, staged: StagedSource, spark: SparkSession, scratch: Path) -> None:
        self._staged = staged
        self._spark = spark
        self._scratch = scratch
        self._mapping: dict[str, str] | None = None
        self._persons: DataFrame | None = None
        self._rules = StateRules(0)  # until set_rules tells the source's
        self._states = StateTables(self._create, self._relation, SPARK)

    def set_cutoffs(self, cutoffs: Sequence[date]) -> None:
        """Ask for these cutoffs from here on, of the persons known before them: the same ones for all built at once."""
        self._unify_customers(cutoffs[0])
        self._states.forget(is_everything=False)
        values = ", ".join(f"(DATE '{cutoff}')" for cutoff in cutoffs)
        self.view("cutoffs", self._spark.sql(f"SELECT * FROM VALUES {values} AS t(cutoff)"))

    def set_rules(self, targets: Sequence[Target]) -> None:
        """Tell the states of subscriptions by the numbers that these targets ask with."""
        self._rules = state_rules(self._staged.source, targets)

    def observed(self, table: str, window_days: int | None, used: Iterable[str], lead_days: int = 0) -> str:
        """Give the rows a feature may see: in ``[cutoff - n, cutoff)``, and known before the cutoff."""
        if table == SUBSCRIPTIONS:
            return self._states.at_cutoffs(self._rules, lead_days)
        cutoff, first = _midnight("c.cutoff"), _midnight(f"date_sub(c.cutoff, {window_days})")
        since = f"AND f.occurred_at >= {first}" if window_days else ""
        return f"""
            SELECT
                f.customer_id,
                c.cutoff,
                CAST(datediff(c.cutoff, CAST(f.occurred_at AS DATE)) AS BIGINT) AS age_days,
                timestampdiff(MICROSECOND, f.occurred_at, {cutoff}) AS age_us,
                CAST(weekday(f.occurred_at) + 1 AS BIGINT) AS weekday,
                CAST(hour(f.occurred_at) AS BIGINT) AS hour
                {_used(used)}
            FROM {self._relation(table)} f
            JOIN cutoffs c ON f.occurred_at < {cutoff} AND f.known_at < {cutoff} {since}
        """

    def outcome(self, target: Target, as_of: date, used: Iterable[str]) -> str:
        """Give the rows a label may see: in the outcome window, and known before the as-of."""
        if target.outcome.table == CUSTOMER_STATES:
            return self._states.at_outcome(self._rules, as_of, target.lead_days, target.horizon_days)
        days = target.days_of(target.outcome) or target.horizon_days
        start = f"date_add(c.cutoff, {target.lead_days})"
        return f"""
            SELECT
                f.customer_id,
                CAST(datediff(CAST(f.occurred_at AS DATE), {start}) AS BIGINT) AS days_ahead,
                timestampdiff(MICROSECOND, f.occurred_at, {_midnight(start)}) AS age_us
                {_used(used)}
            FROM {self._relation(target.outcome.table)} f
            JOIN cutoffs c
                ON f.occurred_at >= {_midnight(start)}
                AND f.occurred_at < {_midnight(f"date_add({start}, {days})")}
                AND f.known_at < {_midnight(f"DATE '{as_of}'")}
        """

    def text_columns(self, table: str) -> frozenset[str]:
        """Name the columns of a table that hold text."""
        kinds = dict(self.read(self._staged.path(staged_name(table))).dtypes)
        product = PRODUCT_COLUMNS if table == "order_lines" else ()
        return frozenset({name for name, kind in kinds.items() if kind == "string"}.union(product))

    def view(self, name: str, table: DataFrame) -> str:
        """Make a table a view of that name; return the name."""
        table.createOrReplaceTempView(name)
        return name

    def read(self, path: Path) -> DataFrame:
        """Read a Parquet file, or a folder of them, from the disk that this process and the executors share.

        Raises
        ------
        RunError : the executors see no such file.
        """
        from pyspark.errors import PySparkException

        try:
            table = self._spark.read.parquet(spark_path(path))
            table.schema  # noqa: B018 -- through Spark Connect nothing is looked at before it is asked for
        except PySparkException as error:
            raise RunError(
                f"Spark cannot read {path}: {first_line(error)} "
                "Expected the workspace on a disk that every executor sees under the same path."
            ) from error
        return table

    def _create(self, name: str, query: str) -> None:
        """Write what a query gives, so that it is computed once, and make it a view."""
        folder = self._scratch / "states" / name
        self._spark.sql(query).write.mode("overwrite").parquet(spark_path(folder))
        self.view(name, self.read(folder))

    def _unify_customers(self, cutoff: date) -> None:
        mapping = identity_before(self._staged.identity_events, cutoff)
        if mapping == self._mapping:
            return
        self._mapping = mapping
        self._states.forget(is_everything=True)
        self._persons = None
        if mapping:
            path = self._scratch / f"persons-{cutoff}.parquet"
            pq.write_table(pa.table({"customer_id": list(mapping), "unified_id": list(mapping.values())}), path)
            self._persons = self.read(path)

    def _relation(self, table: str) -> str:
        """Give a table's rows as those of the persons known; order lines bring what is known of their product."""
        facts = self._staged_view(table)
        if table != "order_lines":
            return facts
        category, brand = PRODUCT_COLUMNS
        if "products" not in self._staged.tables:
            return f"(SELECT *, CAST(NULL AS STRING) AS {category}, CAST(NULL AS STRING) AS {brand} FROM {facts})"
        return f"""(
            SELECT l.*, p.{category}, p.{brand}
            FROM {facts} l
            LEFT JOIN (
                SELECT product_id, min(category) AS {category}, min(brand) AS {brand}
                FROM {self._staged_view("products")}
                GROUP BY product_id
            ) p ON l.product_id = p.product_id
        )"""

    def _staged_view(self, table: str) -> str:
        from pyspark.sql import functions as sql

        rows = self.read(self._staged.path(table))
        if STAGED_TABLES[table].is_dated:
            _check_times(table, rows)
            if self._persons is not None:
                for name in ("customer_id", *(n for n in PERSON_IDS if n in rows.columns)):
                    persons, person = (
                        self._persons.withColumnRenamed("customer_id", name),
                        sql.coalesce("unified_id", name),
                    )
                    rows = rows.join(persons, name, "left").withColumn(name, person).drop("unified_id")
        return self.view(f"staged_{table}", rows)


def _check_times(table: str, rows: DataFrame) -> None:
    """Refuse a Spark that reads the business's own times as instants of some zone: windows would be cut elsewhere."""
    kinds = dict(rows.dtypes)
    for column in ("occurred_at", "known_at"):
        if kinds[column] != "timestamp_ntz":
            raise RunError(
                f"Spark reads {table}.{column} as {kinds[column]}. Expected timestamp_ntz, a time without a zone: "
                "a Spark of version 4 whose setting spark.sql.parquet.inferTimestampNTZ.enabled may be true."
            )


def _midnight(day: str) -> str:
    return f"CAST({day} AS TIMESTAMP_NTZ)"


def _used(used: Iterable[str]) -> str:
    supplied = {*OBSERVED_COLUMNS, *OUTCOME_COLUMNS}
    return "".join(f", f.`{name}`" for name in dict.fromkeys(used) if name not in supplied)
