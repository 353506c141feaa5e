"""Versions to scored customers: what 04_score calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from pyarrow.parquet import read_schema

from tenure.errors import RegistryError
from tenure.ledger import append_to_ledger
from tenure.parameters import names_in
from tenure.scoring import (
    Scores,
    ScoringModel,
    missing_features,
    score_customers,
    with_facets,
    write_scores,
)
from tenure.steps.opening import Run, writes
from tenure.steps.results import records

VERSION = "_model_version"


@writes
def score(
    run: Run,
    versions: dict[str, str] | None = None,
    *,
    targets: str = "",
    allow_hindsight: bool = False,
) -> Scores:
    """Score every customer with the given versions, else the champions; write the tables, append the ledger.

    ``targets`` adds to what the output's table already holds. A version whose features the source cannot give any more is
    left out, and the review tells; it is an error where no champion of those asked for is left.

    Raises
    ------
    RegistryError : no target asked for has a champion. LeakageError : a model has seen the as-of's future.
    DataContractError : all champions asked for need features that are gone.
    """
    chosen: dict[str, ScoringModel] = {}
    lacking: dict[str, ScoringModel] = {}
    wanted = names_in(targets)
    for name in with_those_scored(run.output, wanted) or run.snapshots.targets:
        run.target(name)
        registered = run.model_name(name)
        version = (versions or {}).get(name) if versions is not None else run.registry.champion(registered)
        if not version:
            continue
        model = run.registry.load(registered, version)
        # A column that vanished must not hold up the targets that never used it.
        found = lacking if missing_features(run.snapshots, model) else chosen
        found[name] = ScoringModel(model, version)
    asked = set(wanted or run.snapshots.targets)
    if versions is None and not asked & chosen.keys():
        if not asked & lacking.keys():
            raise RegistryError(
                f"{run.source.name}: {', '.join(wanted) or 'no target'} has {'no' if wanted else 'a'} champion in {run.registry.uri}. "
                f"Expected a trained model; run 'tenure run {run.source.name}' first."
            )
        chosen = {name: scoring for name, scoring in lacking.items() if name in asked}  # and so refused
    run.snapshots.build_features([run.as_of])
    scores = with_facets(run.snapshots, score_customers(run.snapshots, chosen, allow_hindsight=allow_hindsight))
    kind = "quick" if run.quick else run.run_kind
    write_scores(
        scores, run.output, source=run.source.name, as_of=run.as_of, run_kind=kind, is_hindsight=allow_hindsight
    )
    for name in lacking.keys() - chosen.keys():
        # Of a day that was scored before: beside a table that no longer knows them, former scores would mislead.
        (run.output / f"{name}.csv").unlink(missing_ok=True)
        rmtree(models_folder(run.output) / name, ignore_errors=True)
    for name, scoring in chosen.items():
        scoring.model.save(models_folder(run.output) / name)
    append_to_ledger(
        run.workspace, scores, source=run.source.name, as_of=run.as_of, run_id=run.run_id,
        run_kind=kind, hindsight=allow_hindsight,
    )  # fmt: skip
    return scores


def models_folder(output: Path) -> Path:
    """Name where the models that scored lie beside the scores: one customer's page reads them without starting MLflow."""
    return output / "models"


def with_those_scored(folder: Path, asked: Sequence[str]) -> list[str]:
    """Add the targets that a folder's table holds to those asked for: one table tells of one moment, so all are scored again."""
    path = folder / "scored_customers.parquet"
    if not asked or not path.is_file():
        return list(asked)
    scored = [name.removesuffix(VERSION) for name in read_schema(path).names if name.endswith(VERSION)]
    return [*scored, *(name for name in asked if name not in scored)]


def run_versions(run: Run) -> dict[str, str]:
    """Choose what to score with: the version just trained where it may be promoted, else the champion."""
    chosen: dict[str, Any] = {}
    for record in records(run):
        champion = run.registry.champion(run.model_name(record.target))
        version = record.version if record.status == "trained" else champion
        if version:
            chosen[record.target] = version
    return chosen
