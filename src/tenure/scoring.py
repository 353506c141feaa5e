"""Champions to scored customers: one row per customer, reasons in words, and the ledger of all scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.customers.consent import PREFIX
from tenure.customers.dictionary import data_dictionary
from tenure.customers.view import customer_view
from tenure.engines.choice import SPARK
from tenure.engines.known_customers import known_customers
from tenure.errors import DataContractError, LeakageError
from tenure.models.evaluate import decile_of
from tenure.models.explain import REASONS, reasons
from tenure.models.model import PropensityModel
from tenure.snapshot_rows import read_in_chunks, read_rows
from tenure.snapshots import Snapshots
from tenure.spark_scoring import score_snapshot
from tenure.targets.definition import Target
from tenure.workspace import Workspace, replaced_file

# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# Rows explained at a time: contributions of all features of all customers need not fit into memory.
CHUNK_ROWS = 20_000


# What makes an entry of the ledger another one; the rest tells of the run that made it.
LEDGER_CONTENT = ("customer_id", "propensity", "decile", "rule_score", "model_version")
# Seven digits are more than any outcome can tell apart, in half the room: the ledger is kept for years.
LEDGER_TYPES = {"propensity": "float32", "rule_score": "float32"}
# Of zstd: the lowest that finds the 4 bits in each hexadecimal digit of a pseudonym; some 5 s for a million rows.
LEDGER_COMPRESSION = 16


@dataclass(frozen=True)
class ScoringModel:
    """A model and the version it is registered as."""

    model: PropensityModel
    version: str


@dataclass(frozen=True)
class Scores:
    """``customers``: one row per customer of the source. ``ranked``: per target the eligible, highest propensity first.

    ``details``: further tables by name, of their own grain; the data dictionary of ``customers`` is one.
    """

    customers: pd.DataFrame
    ranked: dict[str, pd.DataFrame]
    details: dict[str, pd.DataFrame] = field(default_factory=dict)


def score_customers(
    snapshots: Snapshots, models: Mapping[str, ScoringModel], *, allow_hindsight: bool = False
) -> Scores:
    """Score every customer that is eligible at the as-of.

    => customers: customer_id, as_of, and per target <target>_propensity, _decile, _reason_1..3, _model_version.
    ``with_facets`` adds the rest.

    Raises
    ------
    LeakageError : the as-of lies before the end of what a model was fitted on, and hindsight was not allowed.
    DataContractError : the source lost a table or column that a model needs.
    """
    wide = known_customers(snapshots.staged, snapshots.as_of)
    wide["as_of"] = str(snapshots.as_of)
    ranked = {}
    for name, chosen in models.items():
        check_hindsight(chosen, name, snapshots.as_of, allow_hindsight=allow_hindsight)
        scored = _score_target(snapshots, snapshots.targets[name], chosen)
        ranked[name] = scored
        columns = ["propensity", "decile", *(f"reason_{n}" for n in range(1, REASONS + 1)), "model_version"]
        renamed = scored[["customer_id", *columns]].rename(columns={column: f"{name}_{column}" for column in columns})
        wide = wide.merge(renamed, on="customer_id", how="left", validate="one_to_one")
        wide[f"{name}_decile"] = wide[f"{name}_decile"].astype("Int64")
    return Scores(wide, ranked)


def with_facets(snapshots: Snapshots, scores: Scores) -> Scores:
    """Add to each customer every facet the source can tell, to who is ranked the consent, and the data dictionary to the details."""
    view = customer_view(snapshots.staged, snapshots.as_of, scores.customers)
    scored = [target for name, target in snapshots.targets.items() if name in scores.ranked]
    dictionary = data_dictionary(scored, view.columns, snapshots.as_of)
    # A ranked list is what people act on: whom they may not contact stands in it.
    consent = view.customers[["customer_id", *(name for name in view.customers if name.startswith(PREFIX))]]
    ranked = {name: table.merge(consent, on="customer_id", how="left") for name, table in scores.ranked.items()}
    return Scores(view.customers, ranked, {**view.details, "data_dictionary": dictionary})


def check_hindsight(chosen: ScoringModel, name: str, as_of: date, *, allow_hindsight: bool) -> None:
    """Refuse a model that has seen outcomes of after the as-of, unless that was allowed.

    Raises
    ------
    LeakageError : says until when it was fitted.
    """
    fitted_through = date.fromisoformat(chosen.model.about["fitted_through"])
    if as_of < fitted_through and not allow_hindsight:
        raise LeakageError(
            f"{name}: version {chosen.version} was fitted on outcomes until {fitted_through}, after the as-of {as_of}. Expected a "
            "model that could have existed on that day; train one with 'tenure run', or mark the scores with --allow-hindsight."
        )


def _score_target(snapshots: Snapshots, target: Target, chosen: ScoringModel) -> pd.DataFrame:
    check_features(snapshots, target, chosen)
    rows = _rows_by_spark if snapshots.engine == SPARK else _rows
    scored = rows(snapshots, target, chosen.model)
    # Ties break by customer, so that a repeat gives the same ranking.
    scored = scored.sort_values(["propensity", "customer_id"], ascending=[False, True], ignore_index=True)
    scored.insert(2, "decile", decile_of(scored["propensity"].to_numpy()))
    margin = scored["revenue"] * snapshots.staged.source.margin_rate
    scored["margin_12_months"] = margin.round(2)
    scored["assumed_value_of_acting"] = (scored["propensity"] * target.save_rate * margin - target.contact_cost).round(
        2
    )
    scored["model_version"] = chosen.version
    return scored.drop(columns="revenue")


def missing_features(snapshots: Snapshots, model: PropensityModel) -> list[str]:
    """List the features a model needs that its source cannot give any more."""
    return sorted({*model.feature_names} - {column.name for column in snapshots.columns})


def check_features(snapshots: Snapshots, target: Target, chosen: ScoringModel) -> None:
    """Refuse a model whose features the source cannot give any more.

    Raises
    ------
    DataContractError : says which, and what to do.
    """
    if missing := missing_features(snapshots, chosen.model):
        raise DataContractError(
            f"{target.name}: version {chosen.version} needs {len(missing)} features that {snapshots.staged.source.name} cannot give any more "
            f"(first: {', '.join(missing[:3])}). Expected every table and column it was trained on; mend the mapping in source.toml, "
            "or train anew with 'tenure run'."
        )


def _rows(snapshots: Snapshots, target: Target, model: PropensityModel) -> pd.DataFrame:
    """Score the eligible, chunk by chunk. => customer_id, propensity, rule_score, revenue, reason_1..3"""
    used = set(model.feature_names)
    columns = [column for column in snapshots.columns if column.name in used]
    chunks = read_in_chunks(snapshots, target, snapshots.as_of, columns, CHUNK_ROWS)
    return pd.concat([_nobody(), *(_score_chunk(model, chunk) for chunk in chunks if len(chunk))], ignore_index=True)


def _rows_by_spark(snapshots: Snapshots, target: Target, model: PropensityModel) -> pd.DataFrame:
    """Score the eligible on Spark's executors. => the columns of ``_rows``"""
    asked = read_rows(snapshots, target, [snapshots.as_of], [], labels=False)
    scored = score_snapshot(snapshots.features_path(snapshots.as_of), target.name, model)
    keys = asked[["customer_id", "rule_score", "revenue"]]
    return keys.merge(scored, on="customer_id", validate="one_to_one")[list(_nobody().columns)]


def _score_chunk(model: PropensityModel, chunk: pd.DataFrame) -> pd.DataFrame:
    propensities, contributions = model.explained(chunk)
    scored = chunk[["customer_id", "rule_score", "revenue"]].copy()
    scored.insert(1, "propensity", propensities)
    return scored.join(reasons(model, chunk, contributions))


def _nobody() -> pd.DataFrame:
    """Give the columns of a scored chunk without a row: nobody may be eligible."""
    kinds = {"customer_id": "str", "propensity": "float64", "rule_score": "float64", "revenue": "float64"}
    kinds |= {f"reason_{rank}": "str" for rank in range(1, REASONS + 1)}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def write_scores(scores: Scores, folder: Path) -> list[Path]:
    """Write ``scored_customers.parquet`` and ``.csv``, one ``<target>.csv`` each, and the details; return the paths."""
    paths = [folder / "scored_customers.parquet", folder / "scored_customers.csv"]
    with replaced_file(paths[0]) as fresh:
        scores.customers.to_parquet(fresh, index=False)
    _write_csv(scores.customers, paths[1])
    for name, table in {**scores.ranked, **scores.details}.items():
        paths.append(folder / f"{name}.csv")
        _write_csv(table, paths[-1])
    return paths


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    safe = table.copy()
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            safe[column] = safe[column].map(safe_cell, na_action="ignore")
    with replaced_file(path) as fresh:
        safe.to_csv(fresh, index=False, encoding="utf-8")


def safe_cell(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def last_scores(workspace: Workspace, source: str, target: str, before: date) -> tuple[date, pd.DataFrame] | None:
    """Read the last scheduled scores of the ledger before a day: their as-of, and the table as appended; None where there are none."""
    folder = workspace.scores / f"source={source}" / f"target={target}"
    for partition in sorted(folder.glob("as_of=*"), reverse=True):
        as_of = date.fromisoformat(partition.name.removeprefix("as_of="))
        files = sorted(partition.glob("scheduled-*.parquet"), key=lambda path: path.stat().st_mtime)
        if as_of < before and files:
            return as_of, pd.read_parquet(files[-1])
    return None


def scored_versions(workspace: Workspace, source: str, as_of: date) -> dict[str, str]:
    """Say which version scored each target as of a day, by the last scheduled scores of the ledger. => target: version"""
    versions = {}
    for partition in sorted((workspace.scores / f"source={source}").glob(f"target=*/as_of={as_of}")):
        files = sorted(partition.glob("scheduled-*.parquet"), key=lambda path: path.stat().st_mtime)
        if files:
            last = pd.read_parquet(files[-1], columns=["model_version"])
            versions[partition.parent.name.removeprefix("target=")] = str(last["model_version"].iloc[0])
    return versions


def ledger_file(content: pd.DataFrame, run_kind: str) -> str:
    """Name a file of the ledger by its content, whatever the order of the rows: the same scores, the same name."""
    hashes = pd.util.hash_pandas_object(content[list(LEDGER_CONTENT)], index=False).to_numpy()
    return f"{run_kind}-{int(np.bitwise_xor.reduce(hashes)):016x}.parquet"


def append_to_ledger(
    workspace: Workspace,
    scores: Scores,
    *,
    source: str,
    as_of: date,
    run_id: str,
    run_kind: str,
    hindsight: bool = False,
) -> int:
    """Append scores to ``data/scores``; return the rows added. The same scores are added once, nothing is overwritten.

    customer_id, propensity, decile, rule_score, model_version, run_id, run_kind, scored_at (UTC), is_hindsight; the two
    scores with seven significant digits
    """
    added = 0
    for name, table in scores.ranked.items():
        folder = workspace.scores / f"source={source}" / f"target={name}" / f"as_of={as_of}"
        content = table[list(LEDGER_CONTENT)].astype(LEDGER_TYPES)
        path = folder / ledger_file(content, run_kind)
        if content.empty:
            continue
        if path.exists():
            # Scored again after others of the same day: these are the last ones now.
            path.touch()
            continue
        content["run_id"], content["run_kind"], content["is_hindsight"] = run_id, run_kind, hindsight
        content["scored_at"] = datetime.now(UTC).replace(tzinfo=None)
        with replaced_file(path) as fresh:
            # A year of daily scores is kept: zstd finds most in numbers whose bytes lie place by place.
            content.to_parquet(
                fresh, index=False, compression="zstd", compression_level=LEDGER_COMPRESSION,
                use_dictionary=["model_version", "run_id", "run_kind"],
                column_encoding=dict.fromkeys(("propensity", "rule_score"), "BYTE_STREAM_SPLIT"),
            )  # fmt: skip
        added += len(content)
    return added
