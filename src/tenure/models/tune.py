"""Searching hyperparameters with Optuna: inside the fitting block only, by the same folds, with pruning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tenure.models.estimators.protocol import Estimator, FittingRows, Folds
from tenure.models.estimators.settings import TrainingSettings


def tune(estimator: type[Estimator], rows: FittingRows, folds: Folds, settings: TrainingSettings) -> TrainingSettings:
    """Return the settings with the lowest out-of-fold log loss of ``tune_trials`` seeded trials.

    The first trial is the default.
    """
    import optuna
    from sklearn.metrics import log_loss

    def objective(trial: optuna.Trial) -> float:
        candidate = estimator.suggest(trial, settings)
        losses = []
        for step, fold in enumerate(folds):
            _, held_out = fold
            _, raw = estimator.cross_fit(rows, [fold], candidate)
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
    study.enqueue_trial({name: getattr(settings, name) for name in estimator.TUNED})
    study.optimize(objective, n_trials=settings.tune_trials)
    return replace(settings, **study.best_params)
