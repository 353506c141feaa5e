"""The record of a training for the pages, and the card of its version."""

from __future__ import annotations

import pandas as pd

from tenure.audit.audit import Audit
from tenure.models.result_warnings import warnings_of
from tenure.models.training_result import TrainingResult
from tenure.models.verdict import Verdict
from tenure.models.version import Version
from tenure.reporting.record import (
    Data,
    Definition,
    Judgement,
    RegisteredModel,
    Results,
    Rows,
    TrainingRecord,
)
from tenure.scoring.ledger import last_scores
from tenure.scoring.review.drift import LIMIT, stability_index
from tenure.snapshots.rows import read_rows
from tenure.snapshots.states_told import renewals_told
from tenure.steps.audited import Audited
from tenure.steps.opening import Session
from tenure.targets.definition import Target

NO_HEURISTIC = "none: this source has no column that the target's heuristics need, or all its customers share one value"


def record_training(session: Session, audited: Audited, verdict: Verdict, version: Version) -> TrainingRecord:
    """Save the record of a training and write the version's card; the champion come again is not blocked."""
    from tenure.reporting.pages import write_page
    from tenure.reporting.report import model_card

    result, former = audited.result, audited.champion.version
    is_champion = former is not None and version.version == former.version
    record = TrainingRecord(
        target=result.target.name,
        status="trained" if verdict.is_promotable or is_champion else "blocked",
        reason=verdict.reason,
        is_quick=session.quick,
        definition=_definition(result.target),
        data=_data(result, audited.audit.unproven, renewals_told(session.snapshots, result.target, result.plan.test)),
        model=_model(result, version),
        results=_results(audited, [*warnings_of(result), *audited.card.remarks, *_score_shift(session, result)]),
        judgement=_judgement(verdict, audited.audit),
    )
    folder = session.training_folder(result.target.name)
    record.save(folder)
    card = write_page(folder / "model_card.md", model_card(record, session.staged, session.as_of))
    session.registry.attach(version.run_id, card, "card")
    return record


def _definition(target: Target) -> Definition:
    return Definition(
        fingerprint=target.fingerprint,
        question=target.describe(),
        eligible=target.describe_eligible(),
        positive=target.positive,
        horizon_days=target.horizon_days,
        lead_days=target.lead_days,
        label_lag_days=target.label_lag_days,
        heuristic=next((each.meaning for each in target.heuristics), NO_HEURISTIC),
        save_rate=target.save_rate,
        contact_cost=target.contact_cost,
        contact_capacity=target.contact_capacity,
    )


def _data(result: TrainingResult, unproven: list[str], renewals: str) -> Data:
    return Data(
        test_cutoff=str(result.plan.test),
        fitting_cutoffs=[str(cutoff) for cutoff in result.plan.fitting],
        cutoff_grid=result.plan.grid,
        counts={
            "eligible": result.evaluation.rows,
            "positives": result.evaluation.positives,
            "fitting_rows": result.fitting_rows,
            "fitting_customers": result.fitting_customers,
            "fitting_positives": result.fitting_positives,
        }
        | ({} if result.fitting_acted is None else {"fitting_acted": result.fitting_acted})
        | ({} if result.test_acted is None else {"test_acted": result.test_acted}),
        funnel=_rows(result.funnel),
        was_sampled=result.was_sampled,
        dropped_features=result.dropped_features,
        unproven_features=unproven,
        renewals=renewals,
    )


def _model(result: TrainingResult, version: Version) -> RegisteredModel:
    from tenure.models.explain import importance

    return RegisteredModel(
        name=version.name,
        version=version.version,
        run_id=version.run_id,
        fingerprint=version.fingerprint,
        form=result.choice.words[result.choice.taken],
        taken=result.choice.taken,
        trees=result.trained.trees,
        importance=_rows(importance(result.model, result.contributions)),
    )


def _results(audited: Audited, warnings: list[str]) -> Results:
    result, card = audited.result, audited.card
    return Results(
        metrics=result.evaluation.metrics,
        baseline=result.choice.baseline,
        rival=result.rival,
        baselines=result.choice.words,
        deciles=_rows(result.evaluation.deciles),
        segments=_rows(result.slices),
        scorecard=_rows(card.cutoffs),
        differences=_rows(card.differences),
        drivers=_rows(card.drivers),
        driver_agreement=card.driver_agreement,
        warnings=warnings,
    )


def _judgement(verdict: Verdict, audit: Audit) -> Judgement:
    return Judgement(
        code=verdict.code,
        gates=verdict.gates,
        is_promotable=verdict.is_promotable,
        is_first_of_definition=verdict.is_first_of_definition,
        audit_checks=audit.checks,
        deliveries=audit.compared,
        audit_findings=[str(problem) for problem in audit.problems],
        audit_errors=[str(problem) for problem in audit.errors],
        univariate=audit.univariate,
    )


def _rows(table: pd.DataFrame) -> Rows:
    return [{str(column): value for column, value in row.items()} for row in table.to_dict("records")]


def _score_shift(session: Session, result: TrainingResult) -> list[str]:
    """Warn where this version's scores at the as-of are distributed unlike the last ones of the ledger."""
    former = last_scores(session.workspace, session.source.name, result.target.name, session.as_of)
    if former is None:
        return []
    scored_on, scores = former
    table = read_rows(session.snapshots, result.target, [session.as_of], session.snapshots.columns, labels=False)
    if table.empty or scores.empty:
        return []
    propensities = pd.Series(result.model.propensities(table))
    index, chance = stability_index(scores["propensity"], propensities)
    if index <= max(LIMIT, chance):
        return []
    return [
        f"The scores shifted since {scored_on}: population stability index {index:.2f} "
        f"(above {LIMIT} it is another population), "
        f"mean propensity {scores['propensity'].mean():.1%} then and {propensities.mean():.1%} now."
    ]
