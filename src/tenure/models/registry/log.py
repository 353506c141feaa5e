"""A training in the MLflow store: its run, and the model with its signature. No row of anybody goes there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version as package_version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tenure.models.model import PropensityModel
from tenure.models.pyfunc import synthetic_example
from tenure.models.verdict import Gate, Verdict
from tenure.models.version import FROM_RUN

if TYPE_CHECKING:
    from tenure.models.training_result import TrainingResult


def log_training(
    result: TrainingResult,
    verdict: Verdict,
    *,
    experiment: str,
    name: str,
    figures: Mapping[str, Path],
    catalogue: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
) -> str:
    """Log a training as one run, with its model; return the model's address.

    ``figures`` are files; ``catalogue`` is the data dictionary of the features used.
    """
    import mlflow

    with mlflow.start_run(experiment_id=experiment, run_name=f"{name} {result.plan.test}", tags=dict(tags)):
        mlflow.log_params(_parameters(result))
        mlflow.log_metrics({f"test_{key}": value for key, value in result.evaluation.metrics.items()})
        counts: dict[str, float] = {
            "trees": result.trained.trees,
            "fitting_rows": result.fitting_rows,
            "fitting_positives": result.fitting_positives,
        }
        mlflow.log_metrics(counts)
        _log_dataset(result)
        mlflow.log_dict({"features": list(catalogue)}, "features.json")
        mlflow.log_dict({"gates": [asdict(gate) for gate in verdict.gates]}, "verdict.json")
        for path in figures.values():
            mlflow.log_artifact(str(path), "figures")
        return log_model(result.model)


def log_effect(
    model: PropensityModel,
    gates: Sequence[Gate],
    *,
    experiment: str,
    name: str,
    figures: Mapping[str, float],
    tags: Mapping[str, str],
) -> str:
    """Log a model of an action's effect as one run; return the model's address. ``figures``: by name, as metrics."""
    import mlflow

    with mlflow.start_run(experiment_id=experiment, run_name=f"{name} {model.about['as_of']}", tags=dict(tags)):
        mlflow.log_params({key: value for key, value in model.about.items() if isinstance(value, str | int | float)})
        mlflow.log_metrics(dict(figures))
        mlflow.log_dict({"gates": [asdict(gate) for gate in gates]}, "verdict.json")
        return log_model(model, loader="tenure.effects.pyfunc", outputs=("effect", "raw_effect"))


def log_model(
    model: PropensityModel, *, loader: str = "tenure.models.pyfunc", outputs: Sequence[str] = ("propensity",)
) -> str:
    """Log a model to the run that is open, with its signature and an invented example; return its address.

    ``loader``: the module that MLflow loads it by; ``outputs``: the numbers it gives of each row.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    inputs = Schema(
        [ColSpec("string" if c.is_text else "double", c.name, required=False) for c in model.encoding.columns]
    )
    # Reasons come only when asked for, so they are optional outputs.
    given = Schema(
        [
            *(ColSpec("double", each) for each in outputs),
            *(ColSpec("string", f"reason_{rank}", required=False) for rank in (1, 2, 3)),
        ]
    )
    signature = ModelSignature(inputs, given, ParamSchema([ParamSpec("explain", "boolean", False)]))
    with TemporaryDirectory() as scratch:
        data = Path(scratch) / "model"
        model.save(data)
        logged = mlflow.pyfunc.log_model(
            name="model",
            loader_module=loader,
            data_path=str(data),
            signature=signature,
            input_example=synthetic_example(model),
            pip_requirements=[f"tenure=={package_version('tenure')}"],
        )
    return str(logged.model_uri)


def _log_dataset(result: TrainingResult) -> None:
    import mlflow
    from mlflow.data.pandas_dataset import from_pandas

    about = result.model.about
    # No row goes to the store: the dataset is its name, its digest and its columns.
    columns = result.test[result.model.feature_names].head(0)
    name = f"{about['source']}-{about['target']}-{result.plan.test}"
    dataset = from_pandas(columns, name=name, digest=about["data"][:32])
    mlflow.log_input(dataset, context="training")


def _parameters(result: TrainingResult) -> dict[str, Any]:
    about = result.model.about
    kept = {
        key: about[key]
        for key in ("source", "target", "horizon_days", "lead_days", "label_lag_days", "test_cutoff", "fitted_through")
    }
    settings = result.trained.settings.as_parameters()
    return {
        **kept,
        **settings,
        "fitting_cutoffs": len(about["fitting_cutoffs"]),
        "features": len(result.model.feature_names),
        "taken": result.choice.taken,
        "baseline": result.choice.baseline,
    }


def version_tags(result: TrainingResult, verdict: Verdict, run_tags: Mapping[str, str]) -> dict[str, str]:
    """Give the tags by which a version is judged and shown without its run: metrics, cutoffs, verdict, gates."""
    found, shown = result.evaluation.metrics, ("auc", "auc_low", "auc_high", "auc_heuristic", "auc_baseline")
    metrics = {key: f"{found[key]:.4f}" for key in shown if key in found}
    return {
        **{f"tenure.test_{key}": value for key, value in metrics.items()},
        **{f"tenure.{key}": run_tags[key] for key in FROM_RUN if key in run_tags},
        "tenure.baseline": result.choice.words[result.choice.baseline],
        "tenure.definition": result.model.about["definition"],
        "tenure.test_cutoff": str(result.plan.test),
        "tenure.fitted_through": result.model.about["fitted_through"],
        "tenure.is_first_of_definition": str(verdict.is_first_of_definition),
        **verdict_tags(verdict.gates),
        "tenure.verdict_reason": verdict.reason[:4000],
    }


def verdict_tags(gates: Sequence[Gate]) -> dict[str, str]:
    """Give the tags by which a version's gates are known."""
    return {
        "tenure.verdict": "promotable" if all(gate.passed for gate in gates) else "blocked",
        # A tag holds 5,000 characters: what was found is shortened, so that the JSON stays whole.
        "tenure.gates": json.dumps([asdict(gate) | {"found": gate.found[:400]} for gate in gates]),
    }
