"""Champions to scored customers: one row per customer, with reasons in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import DataContractError, DefinitionError, DefinitionMismatchError, LeakageError
from tenure.core.safe_csv import write_safe_csv
from tenure.core.stored import FORMAT, parse_stored
from tenure.customers.acting import Effect, assumed_effect, at_stake, value_of_acting
from tenure.customers.consent import may_be_contacted
from tenure.customers.dictionary import data_dictionary
from tenure.customers.view import customer_view
from tenure.models.evaluate import decile_of
from tenure.models.explain import REASONS, reasons
from tenure.models.model import PropensityModel
from tenure.scoring.spark import score_snapshot
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engine_choice import SPARK
from tenure.snapshots.engines.known_customers import known_customers
from tenure.snapshots.rows import read_in_chunks, read_rows
from tenure.sources.contract import CONSENT
from tenure.targets.definition import WINDOW, Target, answers

# Rows explained at a time: contributions of all features of all customers need not fit into memory.
CHUNK_ROWS = 20_000
NO_EFFECTS: Mapping[str, Effect] = MappingProxyType({})

# Under this key a Parquet file says, as JSON, what it is.
STORED_AS = b"tenure"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class ScoringModel:
    """A model and its registered version; scores of a quick one (few trees, a sample) are marked as such."""

    model: PropensityModel
    version: str
    is_quick: bool = False


@dataclass(frozen=True)
class Scores:
    """``customers``: one row per customer of the source. ``ranked``: per target the eligible, highest propensity first.

    ``details``: further tables by name, of their own grain: ``tables`` of the customer attributes, and the data
    dictionary of ``customers``. ``targets`` and ``models``: what each ranking answers, and by which model.
    """

    customers: pd.DataFrame
    ranked: dict[str, pd.DataFrame]
    details: dict[str, pd.DataFrame] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    models: Mapping[str, ScoringModel] = field(default_factory=dict)
    tables: Sequence[str] = ()


def score_customers(
    snapshots: Snapshots, models: Mapping[str, ScoringModel], *, allow_hindsight: bool = False
) -> Scores:
    """Score every customer that is eligible at the as-of.

    => customers: customer_id, as_of, and per target <target>_propensity, _decile, _reason_1..3, _model_version.
    ``with_attributes`` adds the rest.

    Raises
    ------
    LeakageError : the as-of lies before the end of what a model was fitted on, and hindsight was not allowed.
    DefinitionMismatchError : a model answers another question than its target asks.
    DataContractError : the source lost a table or column that a model needs.
    """
    wide = known_customers(snapshots.staged, snapshots.as_of)
    wide["as_of"] = str(snapshots.as_of)
    ranked = {}
    for name, chosen in models.items():
        check_scorable(snapshots, name, chosen, allow_hindsight=allow_hindsight)
        scored = _score_target(snapshots, snapshots.targets[name], chosen)
        ranked[name] = scored
        columns = ["propensity", "decile", *(f"reason_{n}" for n in range(1, REASONS + 1)), "model_version"]
        renamed = scored[["customer_id", *columns]].rename(columns={column: f"{name}_{column}" for column in columns})
        wide = wide.merge(renamed, on="customer_id", how="left", validate="one_to_one")
        wide[f"{name}_decile"] = wide[f"{name}_decile"].astype("Int64")
    targets = {name: snapshots.targets[name] for name in models}
    return Scores(wide, ranked, targets=targets, models=dict(models))


def with_attributes(snapshots: Snapshots, scores: Scores, effects: Mapping[str, Effect] = NO_EFFECTS) -> Scores:
    """Add the attributes the source can have to each customer, money and consent to the ranked, the data dictionary.

    ``effects``: what acting changes, by target, where it was measured; of the others it is assumed.
    """
    view = customer_view(snapshots.staged, snapshots.as_of, scores.customers)
    dictionary = data_dictionary(scores.targets.values(), view.columns, snapshots.as_of)
    customers = view.customers
    consent = [name for name in customers if name.startswith(CONSENT)]
    # A ranked list is what people act on: whom they may not contact stands in it.
    beside = customers[["customer_id", *consent]].assign(may_be_contacted=may_be_contacted(customers))
    ranked = {name: table.merge(beside, on="customer_id", how="left") for name, table in scores.ranked.items()}
    for name, target in scores.targets.items():
        known = scores.ranked[name].merge(customers.filter(["customer_id", "value_12m"]), on="customer_id", how="left")
        money = _money(snapshots, target, known, effects.get(name))
        ranked[name] = pd.concat([ranked[name], money], axis=1)
        stakes = customers["customer_id"].map(money["stake"].set_axis(known["customer_id"]))
        customers.insert(customers.columns.get_loc(f"{name}_model_version") + 1, f"{name}_at_stake", stakes)
    tables = dict(view.tables)
    if view.unavailable:
        tables["not_available"] = pd.DataFrame(list(view.unavailable.items()), columns=["attribute", "why"])
    if taken := sorted({*tables} & {*ranked, "data_dictionary", "scored_customers"}):
        raise DefinitionError(
            f"A customer attribute's table is named {taken[0]!r}, as another file beside the scores. Rename the table."
        )
    details = {**tables, "data_dictionary": dictionary}
    return replace(scores, customers=customers, ranked=ranked, details=details, tables=list(tables))


def _money(snapshots: Snapshots, target: Target, known: pd.DataFrame, effect: Effect | None) -> pd.DataFrame:
    """Say what acting is worth, row by row of a ranked list."""
    stake = at_stake(target, known, snapshots.staged, snapshots.as_of)
    effect = effect or assumed_effect(target, known["propensity"])
    money = value_of_acting(effect, stake["stake"], cost=target.contact_cost)
    money.insert(4, "stake_is", stake["stake_is"])
    # The value under its former name, too, for one more version.
    return money.assign(assumed_value_of_acting=money["value_of_acting"])


def check_scorable(snapshots: Snapshots, name: str, chosen: ScoringModel, *, allow_hindsight: bool = False) -> None:
    """Refuse a model that may not score its target at the as-of.

    Raises
    ------
    DefinitionMismatchError : it answers another question: its propensities would be shown under the wrong one.
    DataContractError : the source lost a table or column that it needs.
    LeakageError : it has seen outcomes of after the as-of.
    """
    target, about, source = snapshots.targets[name], chosen.model.about, snapshots.staged.source
    if not answers(about, target):
        raise DefinitionMismatchError(
            f"{name}: version {chosen.version} answers '{about.get('question', 'a question it does not state')}' "
            f"(definition {about.get('definition', 'unknown')}), {source.where} now asks '{target.describe()}' "
            f"(definition {target.fingerprint}). Expected a model of the same definition; "
            f"run 'tenure run {source.name} --targets {name}', or take the change back."
        )
    if missing := sorted({*chosen.model.feature_names} - {column.name for column in snapshots.columns}):
        raise DataContractError(
            f"{name}: version {chosen.version} needs {len(missing)} features that {source.name} cannot give any more "
            f"(first: {', '.join(missing[:3])}). Expected every table and column it was trained on; "
            "mend the mapping in source.toml, train anew with 'tenure run', "
            "or let 'tenure promote' choose a version that does without."
        )
    fitted_through = date.fromisoformat(about["fitted_through"])
    if snapshots.as_of < fitted_through and not allow_hindsight:
        raise LeakageError(
            f"{name}: version {chosen.version} was fitted on outcomes until {fitted_through}, after the as-of "
            f"{snapshots.as_of}. Expected a model that could have existed on that day; train one with 'tenure run', "
            "or mark the scores with --allow-hindsight."
        )


def _score_target(snapshots: Snapshots, target: Target, chosen: ScoringModel) -> pd.DataFrame:
    rows = _rows_by_spark if snapshots.engine == SPARK else _rows
    scored = rows(snapshots, target, chosen.model)
    # Ties break by customer, so that a repeat gives the same ranking.
    scored = scored.sort_values(["propensity", "customer_id"], ascending=[False, True], ignore_index=True)
    scored.insert(2, "decile", decile_of(scored["propensity"].to_numpy()))
    scored["margin_12_months"] = (scored["revenue"] * snapshots.staged.source.margin_rate).round(2)
    scored["model_version"] = chosen.version
    return scored.drop(columns="revenue")


def _rows(snapshots: Snapshots, target: Target, model: PropensityModel) -> pd.DataFrame:
    """Score the eligible, chunk by chunk. => customer_id, propensity, heuristic_score, revenue, reason_1..3"""
    used = set(model.feature_names)
    columns = [column for column in snapshots.columns if column.name in used]
    chunks = read_in_chunks(snapshots, target, snapshots.as_of, columns, CHUNK_ROWS)
    return pd.concat([_nobody(), *(_score_chunk(model, chunk) for chunk in chunks if len(chunk))], ignore_index=True)


def _rows_by_spark(snapshots: Snapshots, target: Target, model: PropensityModel) -> pd.DataFrame:
    """Score the eligible on Spark's executors. => the columns of ``_rows``"""
    asked = read_rows(snapshots, target, [snapshots.as_of], [], labels=False)
    scored = score_snapshot(snapshots.features_path(snapshots.as_of), target.name, model)
    keys = asked[["customer_id", "heuristic_score", "revenue"]]
    return keys.merge(scored, on="customer_id", validate="one_to_one")[list(_nobody().columns)]


def _score_chunk(model: PropensityModel, chunk: pd.DataFrame) -> pd.DataFrame:
    propensities, contributions = model.explained(chunk)
    scored = chunk[["customer_id", "heuristic_score", "revenue"]].copy()
    scored.insert(1, "propensity", propensities)
    return scored.join(reasons(model, chunk, contributions))


def _nobody() -> pd.DataFrame:
    """Give the columns of a scored chunk without a row: nobody may be eligible."""
    kinds = {"customer_id": "str", "propensity": "float64", "heuristic_score": "float64", "revenue": "float64"}
    kinds |= {f"reason_{rank}": "str" for rank in range(1, REASONS + 1)}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def write_scores(scores: Scores, folder: Path, **made: object) -> list[Path]:
    """Write ``scored_customers.parquet`` and ``.csv``, one ``<target>.csv`` each, and the details; return the paths.

    ``made`` says how: source, as_of, run_kind, is_hindsight. The Parquet's metadata hold it, with what each target
    asked and its model.
    """
    paths = [folder / "scored_customers.parquet", folder / "scored_customers.csv"]
    metadata = {
        FORMAT: FORMAT_VERSION,
        **made,
        "targets": {name: _made_by(scores, name) for name in scores.targets},
        "tables": list(scores.tables),
    }
    with replaced_file(paths[0]) as fresh:
        table = pa.Table.from_pandas(scores.customers, preserve_index=False)
        own = {STORED_AS: json.dumps(metadata, default=str)}
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **own}), fresh)
    _write_csv(scores.customers, paths[1])
    # The heuristic's score under its former name, too, for one more version.
    ranked = {name: table.assign(rule_score=table["heuristic_score"]) for name, table in scores.ranked.items()}
    for name, table in {**ranked, **scores.details}.items():
        paths.append(folder / f"{name}.csv")
        _write_csv(table, paths[-1])
    return paths


def _made_by(scores: Scores, name: str) -> dict[str, Any]:
    target, chosen = scores.targets[name], scores.models[name]
    return {
        "model_version": chosen.version,
        "model": chosen.model.fingerprint,
        "is_quick": chosen.is_quick,
        "definition": target.fingerprint,
        "question": target.describe(),
        **{days: getattr(target, days) for days in WINDOW},
    }


def read_scores_metadata(path: Path) -> dict[str, Any]:
    """Read what ``scored_customers.parquet`` says of itself, with ``targets`` by name and the ``tables`` beside it.

    Empty where it is older than that.

    Raises
    ------
    StoredFormatError : a newer Tenure wrote it.
    """
    text = (pq.read_schema(path).metadata or {}).get(STORED_AS)
    return parse_stored(text.decode(), str(path), FORMAT_VERSION) if text else {}


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table for people and other systems, with four digits of each propensity: the Parquet has all."""
    named = [name for name in table if str(name).endswith("propensity")]
    shown = {name: table[name].map(lambda given: float(f"{given:.4g}"), na_action="ignore") for name in named}
    with replaced_file(path) as fresh:
        write_safe_csv(table.assign(**shown), fresh)
