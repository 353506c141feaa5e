"""Searching hyperparameters with Optuna: inside the fitting block only, by the same folds, with pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tenure.models.cross_fit import FittingRows, cross_fit
from tenure.models.settings import TrainingSettings


def tune(
    rows: FittingRows, folds: Sequence[tuple[np.ndarray, np.ndarray]], settings: TrainingSettings
) -> TrainingSettings:
    """Return the settings with the lowest out-of-fold log loss of ``tune_trials`` seeded trials; the first trial is the default."""
    import optuna
    from sklearn.metrics import log_loss

    def objective(trial: optuna.Trial) -> float:
        candidate = _suggest(trial, settings)
        losses = []
        for step, fold in enumerate(folds):
            _, held_out = fold
            _, raw = cross_fit(rows, [fold], candidate)
            weights = None if rows.weights is None else rows.weights[held_out]
            losses.append(
                log_loss(rows.labels[held_out], 1 / (1 + np.exp(-raw[held_out])), sample_weight=weights, labels=[0, 1])
            )
            trial.report(float(np.mean(losses)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(losses))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=settings.seed), pruner=optuna.pruners.MedianPruner(n_warmup_steps=1)
    )
    study.enqueue_trial(
        {
            name: getattr(settings, name)
            for name in ("num_leaves", "min_data_in_leaf", "feature_fraction", "lambda_l2", "learning_rate")
        }
    )
    study.optimize(objective, n_trials=settings.tune_trials)
    return replace(settings, **study.best_params)


def _suggest(trial: object, settings: TrainingSettings) -> TrainingSettings:
    return replace(
        settings,
        num_leaves=trial.suggest_int("num_leaves", 4, 31),  # type: ignore[attr-defined]  # optuna is imported where used
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 10, 200, log=True),  # type: ignore[attr-defined]  # as above
        feature_fraction=trial.suggest_float("feature_fraction", 0.1, 1.0),  # type: ignore[attr-defined]  # as above
        lambda_l2=trial.suggest_float("lambda_l2", 0.1, 100.0, log=True),  # type: ignore[attr-defined]  # as above
        learning_rate=trial.suggest_float("learning_rate", 0.01, 0.1, log=True),  # type: ignore[attr-defined]  # as above
    )
