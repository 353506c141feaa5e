"""The same 60 features of order lines, built in each way that ``features.py`` compares; one process each.

Every way reads the same Parquet file of staged facts and writes ``customer_id, cutoff`` and the features: 15 over windows
of 7, 30, 90 and 365 days, at six monthly cutoffs, for who had a row in the year before.
Usage: python benchmarks/feature_ways.py WAY FACTS OUT (prints seconds, and the most memory held in GiB)
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb

CUTOFFS = tuple(date(2024, month, 1) for month in range(7, 13))
WINDOWS = (7, 30, 90, 365)
ORDERED, RETURNED = "filter (where quantity > 0)", "filter (where quantity < 0)"
FEATURES = {
    "lines": f"count(*) {ORDERED}",
    "amount": f"sum(amount) {ORDERED}",
    "mean_amount": f"avg(amount) {ORDERED}",
    "least_amount": f"min(amount) {ORDERED}",
    "most_amount": f"max(amount) {ORDERED}",
    "pieces": f"sum(quantity) {ORDERED}",
    "returns": f"count(*) {RETURNED}",
    "returned": f"sum(amount) {RETURNED}",
    "discounted": "count(*) filter (where quantity > 0 and discount > 0)",
    "weekend": "count(*) filter (where quantity > 0 and weekday >= 6)",
    "evening": "count(*) filter (where quantity > 0 and hour >= 17)",
    "products": f"count(distinct product_id) {ORDERED}",
    "channels": f"count(distinct channel) {ORDERED}",
    "days": f"count(distinct age_days) {ORDERED}",
    "days_since": f"min(age_days) {ORDERED}",
}
# What pandas, Featuretools and getML aggregate: one column each, empty where the feature's condition does not hold.
MASKED = {
    "lines": ("ordered", "sum"),
    "amount": ("amount", "sum"),
    "mean_amount": ("amount", "mean"),
    "least_amount": ("amount", "min"),
    "most_amount": ("amount", "max"),
    "pieces": ("quantity", "sum"),
    "returns": ("is_return", "sum"),
    "returned": ("returned", "sum"),
    "discounted": ("discounted", "sum"),
    "weekend": ("weekend", "sum"),
    "evening": ("evening", "sum"),
    "products": ("product", "nunique"),
    "channels": ("channel", "nunique"),
    "days": ("day", "nunique"),
    "days_since": ("day", "max"),
}


def tenure(facts: Path, out: Path, *, buckets: bool = True) -> None:
    from tenure.features.definition import Feature, FeatureView, columns_of_view
    from tenure.snapshots.engines import duckdb_engine
    from tenure.snapshots.engines.duckdb_session import connect
    from tenure.sources.source import Source
    from tenure.sources.staged_source import StagedSource, TableSummary
    from tenure.targets.definition import Condition, Heuristic, Target

    features = tuple(
        Feature(name, sql, windows_days=WINDOWS, unit="number", meaning="-") for name, sql in FEATURES.items()
    )
    columns = list(columns_of_view(FeatureView("order_lines", "orders", features)))
    asked = Condition("order_lines", "count(*) > 0", days="eligible_days")
    target = Target(
        "any", "Any?", "any", (asked,), asked, Heuristic("lines_7d", "lines"), "any", horizon_days=30, eligible_days=365
    )
    rows = duckdb.sql(f"SELECT count(*) FROM '{facts}'").fetchall()[0][0]
    staged = StagedSource(Source("bench", "", ""), facts.parent, "", {}, {"order_lines": TableSummary(rows, rows, 0)})
    if not buckets:
        duckdb_engine.BUCKETS_FROM = 1 << 62
    out.mkdir()
    with connect(out) as connection:
        paths = {cutoff: out / f"{cutoff}.parquet" for cutoff in CUTOFFS}
        duckdb_engine.DuckDBEngine(staged, connection).build_snapshot([target], columns, CUTOFFS, paths)


def tenure_direct(facts: Path, out: Path) -> None:
    tenure(facts, out, buckets=False)


def reading(facts: Path, out: Path) -> None:
    columns = ("customer_id", "occurred_at", "known_at", "product_id", "quantity", "amount", "discount", "channel")
    # A hash of each value: extremes alone would come from the file's own statistics.
    duckdb.sql(f"SELECT {', '.join(f'bit_xor(hash({c}))' for c in columns)} FROM '{facts}'").fetchall()


def masked(facts: Path):  # pandas is imported where it is used
    """Read the facts as a table of masked columns, as a careful analyst would once."""
    import pandas as pd

    table = pd.read_parquet(
        facts,
        columns=["customer_id", "occurred_at", "known_at", "product_id", "quantity", "amount", "discount", "channel"],
    )
    for name in ("quantity", "amount", "discount"):
        table[name] = table[name].astype(float)
    table["customer_id"] = table["customer_id"].astype("category")
    ordered, at = table["quantity"] > 0, table["occurred_at"]
    return pd.DataFrame(
        {
            "customer_id": table["customer_id"],
            "occurred_at": at,
            "known_at": table["known_at"],
            "ordered": ordered.astype("int8"),
            "amount": table["amount"].where(ordered),
            "quantity": table["quantity"].where(ordered),
            "is_return": (table["quantity"] < 0).astype("int8"),
            "returned": table["amount"].where(table["quantity"] < 0),
            "discounted": (ordered & (table["discount"] > 0)).astype("int8"),
            "weekend": (ordered & (at.dt.dayofweek >= 5)).astype("int8"),
            "evening": (ordered & (at.dt.hour >= 17)).astype("int8"),
            "product": table["product_id"].astype("category").cat.codes.astype("float32").where(ordered),
            "channel": table["channel"].astype("category").cat.codes.astype("float32").where(ordered),
            "day": (at.dt.floor("D") - pd.Timestamp(0)).dt.days.astype("float32").where(ordered),
        }
    )


def pandas(facts: Path, out: Path) -> None:
    import pandas as pd

    table = masked(facts)
    parts = []
    for cutoff in CUTOFFS:
        known = table[(table["occurred_at"] < str(cutoff)) & (table["known_at"] < str(cutoff))]
        windows = []
        for window in WINDOWS:
            rows = known[known["occurred_at"] >= str(cutoff - timedelta(window))]
            asked = {f"{name}_{window}d": how for name, how in MASKED.items()}
            group = rows.groupby("customer_id", observed=True).agg(**asked)
            group[f"days_since_{window}d"] = (cutoff - date(1970, 1, 1)).days - group[f"days_since_{window}d"]
            windows.append(group)
        parts.append(pd.concat(windows, axis=1).assign(cutoff=cutoff).reset_index())
    pd.concat(parts).to_parquet(out)


def polars(facts: Path, out: Path) -> None:
    import polars as pl

    def within(cutoff: date, window: int) -> list:
        inside = pl.col("occurred_at") >= cutoff - timedelta(window)
        ordered, returned = inside & (pl.col("quantity") > 0), inside & (pl.col("quantity") < 0)
        amount, at = pl.col("amount").filter(ordered), pl.col("occurred_at")
        age = pl.lit(cutoff) - at.dt.date().filter(ordered).max()
        built = {
            "lines": ordered.sum(),
            "amount": amount.sum(),
            "mean_amount": amount.cast(pl.Float64).mean(),
            "least_amount": amount.min(),
            "most_amount": amount.max(),
            "pieces": pl.col("quantity").filter(ordered).sum(),
            "returns": returned.sum(),
            "returned": pl.col("amount").filter(returned).sum(),
            "discounted": (ordered & (pl.col("discount") > 0)).sum(),
            "weekend": (ordered & (at.dt.weekday() >= 6)).sum(),
            "evening": (ordered & (at.dt.hour() >= 17)).sum(),
            "products": pl.col("product_id").filter(ordered).n_unique(),
            "channels": pl.col("channel").filter(ordered).n_unique(),
            "days": at.dt.date().filter(ordered).n_unique(),
            "days_since": age.dt.total_days(),
        }
        return [expression.alias(f"{name}_{window}d") for name, expression in built.items()]

    parts = []
    for cutoff in CUTOFFS:
        known = (pl.col("occurred_at") < cutoff) & (pl.col("known_at") < cutoff)
        rows = pl.scan_parquet(facts).filter(known & (pl.col("occurred_at") >= cutoff - timedelta(WINDOWS[-1])))
        query = rows.group_by("customer_id").agg(e for window in WINDOWS for e in within(cutoff, window))
        parts.append(query.with_columns(cutoff=pl.lit(cutoff)).collect(engine="streaming"))
    pl.concat(parts).write_parquet(out)


def featuretools(facts: Path, out: Path) -> None:
    import featuretools as ft
    import pandas as pd

    table = masked(facts).reset_index(names="row")
    table["customer_id"] = table["customer_id"].astype(str)
    for name in ("product", "channel"):
        table[name] = table[name].astype("Int64").astype("category")
    table["day_of"] = table["day"].astype("Int64").astype("category")
    entities = ft.EntitySet("facts")
    entities = entities.add_dataframe(table.drop(columns="known_at"), "e", index="row", time_index="occurred_at")
    entities = entities.normalize_dataframe("e", "c", "customer_id", make_time_index=False)
    aggregates = {"sum": "Sum", "mean": "Mean", "min": "Min", "max": "Max", "nunique": "NumUnique"}
    base = {
        name: ft.Feature(
            entities["e"].ww["day_of" if (column, how) == ("day", "nunique") else column],
            parent_dataframe_name="c",
            primitive=getattr(ft.primitives, aggregates[how]),
        )
        for name, (column, how) in MASKED.items()
    }
    parts = []
    for window in WINDOWS:
        asked = pd.DataFrame(
            [(c, pd.Timestamp(cutoff)) for cutoff in CUTOFFS for c in sorted(table["customer_id"].unique())],
            columns=["customer_id", "time"],
        )
        matrix = ft.calculate_feature_matrix(
            list(base.values()),
            entities,
            cutoff_time=asked,
            training_window=f"{window} days",
            include_cutoff_time=False,
            cutoff_time_in_index=True,
        )
        matrix.columns = [f"{name}_{window}d" for name in base]
        parts.append(matrix)
    whole = pd.concat(parts, axis=1).reset_index().rename(columns={"time": "cutoff"})
    for window in WINDOWS:
        last = whole[f"days_since_{window}d"].astype(float)
        whole[f"days_since_{window}d"] = (whole["cutoff"] - pd.Timestamp(0)).dt.days - last
    whole["cutoff"] = whole["cutoff"].dt.date
    whole.astype({c: float for c in whole.columns if c not in ("customer_id", "cutoff")}).to_parquet(out)


def getml(facts: Path, out: Path) -> None:
    """FastProp tries its aggregates on every column and window and keeps those asked for; it chooses which."""
    import getml as g
    import numpy as np
    import pandas as pd

    table = masked(facts).drop(columns="known_at")
    table["customer_id"] = table["customer_id"].astype(str)
    customers = sorted(table["customer_id"].unique())
    g.engine.launch(launch_browser=False, in_memory=True)
    try:
        g.set_project("bench")
        asked = pd.DataFrame(
            [(c, pd.Timestamp(cutoff)) for cutoff in CUTOFFS for c in customers], columns=["customer_id", "time"]
        )
        asked["label"] = np.random.default_rng(1).random(len(asked))
        join, moment, number, target = g.data.roles.join_key, g.data.roles.time_stamp, g.data.roles.numerical, g.data.roles.target  # fmt: skip
        population = g.data.DataFrame.from_pandas(
            asked, "population", roles={join: ["customer_id"], moment: ["time"], target: ["label"]}
        )
        numbers = [c for c in table.columns if c not in ("customer_id", "occurred_at")]
        events = g.data.DataFrame.from_pandas(
            table, "events", roles={join: ["customer_id"], moment: ["occurred_at"], number: numbers}
        )
        model = g.data.DataModel(population.to_placeholder())
        model.add(events.to_placeholder("events"))
        for window in WINDOWS:
            model.population.join(
                model.events,
                on="customer_id",
                time_stamps=("time", "occurred_at"),
                memory=g.data.time.days(window),
                horizon=g.data.time.microseconds(0),
            )
        found = g.feature_learning.aggregations
        kinds = [found.COUNT, found.SUM, found.AVG, found.MIN, found.MAX, found.COUNT_DISTINCT]
        learner = g.feature_learning.FastProp(aggregation=kinds, num_features=60, num_threads=2, n_most_frequent=0)
        pipeline = g.Pipeline(data_model=model, feature_learners=[learner])
        container = g.data.Container(train=population, peripheral={"events": events})
        pipeline.fit(container.train, check=False)
        pd.DataFrame(pipeline.transform(container.train)).rename(columns=str).to_parquet(out)
    finally:
        g.engine.shutdown()


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "tenure": tenure, "tenure_direct": tenure_direct, "reading": reading, "pandas": pandas, "polars": polars,
    "featuretools": featuretools, "getml": getml,
}  # fmt: skip


def main() -> None:
    way, facts, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if way in ("pandas", "polars", "featuretools", "getml"):
        __import__(way)  # imports are no part of the work; what is missing fails here
    if way.startswith("tenure"):
        __import__("tenure.snapshots.engines.duckdb_engine")
        __import__("pandas")  # pyarrow asks for it once
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    WAYS[way](facts, out)
    seconds = time.perf_counter() - started
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(process.ru_utime + process.ru_stime for process in used) - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": _peak()}))


def _peak() -> float:
    """Tell the most memory this process had, in GiB; getrusage would count what its parent had before."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024**2


if __name__ == "__main__":
    main()
