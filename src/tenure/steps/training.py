"""Snapshots to a judged, registered version: what 03_train calls."""

from __future__ import annotations

import timeit
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tenure.audit.audit import audit_training
from tenure.core.errors import NotEnoughDataError
from tenure.core.time_windows import parse_date
from tenure.customers.acting import at_stake
from tenure.decisions.assigned import acted_on
from tenure.features.catalogue import describe
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import PropensityModel
from tenure.models.scorecard import walk
from tenure.models.training_result import TrainingResult, train_target
from tenure.models.verdict import Challenger, Verdict, against_champion, judge, stands_on_proof
from tenure.models.version import Version
from tenure.reporting.record import TrainingRecord, refused
from tenure.steps.audited import Audited, Champion
from tenure.steps.decide import kind_lived
from tenure.steps.opening import Session
from tenure.steps.recording import record_training
from tenure.targets.catalogue import find_target

if TYPE_CHECKING:
    from tenure.reporting.figures import Figure, Picture

TIMED = 5


@dataclass(frozen=True)
class Training:
    """The record of training one target; where it was trained, its result and figures."""

    record: TrainingRecord
    result: TrainingResult | None
    figures: dict[str, Figure]

    def figure(self, name: str) -> Picture | str:
        """Show a figure, or say why there is none."""
        from tenure.reporting.figures import Picture

        return Picture(self.figures[name]) if name in self.figures else f"No figure: {self.record.reason}"

    @property
    def scorecard(self) -> pd.DataFrame:
        """Show the same recipe at earlier cutoffs; the last row is this version."""
        return pd.DataFrame(self.record.results.scorecard)

    @property
    def checks(self) -> pd.DataFrame:
        """Show what the audit checked. => check, cutoff, customers, features, left_out, differing"""
        return pd.DataFrame(self.record.judgement.audit_checks)

    @property
    def summary(self) -> pd.DataFrame:
        """Show the metrics at the test cutoff. => metric, value"""
        if not self.record.results.metrics:
            return pd.DataFrame({"status": [self.record.status], "reason": [self.record.reason]})
        return pd.DataFrame(sorted(self.record.results.metrics.items()), columns=["metric", "value"])


def train(
    session: Session,
    target: str,
    *,
    tune_trials: int = 0,
    test_cutoff: str = "",
    seed: int = 7,
    walk_cutoffs: int = 3,
) -> Training:
    """Train one target, audit and judge the model, register it as a version and record all of it.

    Customers to whom an action was sent leave the rows whose outcome it may have changed. Too little data is a refusal
    that is recorded, not an error.

    Raises
    ------
    UnknownNameError : no such target. RegistryError : the MLflow store is unreachable, or would not take the version.
    """
    find_target(target, session.source)
    # Before anything is fitted: what the store would refuse in the end is no work for an hour.
    session.registry.check_loggable(session.model_name(target))
    settings = TrainingSettings(seed=seed, tune_trials=tune_trials)
    settings = settings.quick() if session.quick else settings
    acted = acted_on(session.workspace, session.source.name, kind_lived(session), session.as_of)
    given = parse_date(test_cutoff, "test cutoff") if test_cutoff else None
    with session.writing("train"):
        try:
            result = train_target(
                session.snapshots,
                session.target(target),
                settings,
                test_cutoff=given,
                with_monotone_cost=not session.quick,
                acted=acted,
            )
        except NotEnoughDataError as error:
            return _refused(session, target, error)
        audited = _audit(session, result, walk_cutoffs, acted)
        verdict = _judge(session, audited)
        version, figures = _register(session, result, verdict)
        return Training(record_training(session, audited, verdict, version), result, figures)


def _refused(session: Session, target: str, error: NotEnoughDataError) -> Training:
    known = session.snapshots.targets.get(target)
    record = refused(
        target,
        str(error),
        "too_little_data" if known else "unavailable",
        question=known.describe() if known else "",
        is_quick=session.quick,
    )
    record.save(session.training_folder(target))
    return Training(record, None, {})


def _audit(session: Session, result: TrainingResult, walk_cutoffs: int, acted: pd.DataFrame | None) -> Audited:
    """Audit a result, and walk it over earlier cutoffs beside the champion."""
    champion = Champion.of(session, result)
    card = walk(
        session.snapshots,
        result.target,
        result.trained.settings,
        result,
        cutoffs=1 if session.quick else walk_cutoffs,
        champion=champion.comparable,
        acted=acted,
    )
    return Audited(result, champion, card, audit_training(session.snapshots, result))


def _judge(session: Session, audited: Audited) -> Verdict:
    result, champion, card = audited.result, audited.champion, audited.card
    challenger = Challenger(
        session.model_name(result.target.name),
        result.model.fingerprint,
        str(session.as_of),
        str(result.plan.test),
        result.evaluation.metrics["auc"],
        session.quick,
    )
    standing = against_champion(
        champion.version,
        challenger,
        is_same_question=champion.is_same_question,
        difference=card.difference_to("champion"),
        silent=champion.unreadable or card.silent,
    )
    return judge(
        result.evaluation,
        standing,
        taken=result.choice.taken,
        baseline=result.choice.baseline,
        words=result.choice.words,
        audit_errors=[str(problem) for problem in audited.audit.errors],
        proof=stands_on_proof(
            audited.audit.carried_unproven, audited.audit.compared, is_required=session.source.require_proof
        ),
        slices=result.slices,
        seconds_per_1000_rows=seconds_per_1000_rows(result.model, result.test),
        megabytes=result.model.megabytes,
        is_quick=session.quick,
    )


def _register(session: Session, result: TrainingResult, verdict: Verdict) -> tuple[Version, dict[str, Figure]]:
    """Register a result with its verdict and its figures. => version, figures by name"""
    from tenure.reporting.figures import save_svg
    from tenure.reporting.training_figures import draw_training

    folder = session.training_folder(result.target.name) / "figures"
    test = result.test.assign(margin_12_months=result.test["revenue"] * session.source.margin_rate)
    figures = draw_training(result, at_stake(result.target, test, session.staged, result.plan.test)["stake"])
    used = set(result.model.feature_names)
    version = session.registry.log_training(
        result,
        verdict,
        name=session.model_name(result.target.name),
        catalogue=[describe(column) for column in session.snapshots.columns if column.name in used],
        figures={key: save_svg(figure, folder / f"{key}.svg") for key, figure in figures.items()},
        tags={
            "source": session.source.name,
            "target": result.target.name,
            "tenure.run_id": session.run_id,
            "quick": str(session.quick),
            "run_kind": session.run_kind,
            "as_of": str(session.as_of),
        },
    )
    return version, figures


def seconds_per_1000_rows(model: PropensityModel, table: pd.DataFrame) -> float:
    """Time a model on 1,000 rows of a table; the quickest try counts, so that a busy machine blocks no version."""
    rows = table.iloc[np.arange(1000) % len(table)]
    return min(timeit.repeat(lambda: model.propensities(rows), number=1, repeat=TIMED))
