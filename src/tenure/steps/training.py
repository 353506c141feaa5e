"""Snapshots to a judged, registered version: what 03_train calls."""

from __future__ import annotations

import timeit
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tenure.audit.audit import Audit, audit_training
from tenure.core.errors import NotEnoughDataError, RegistryError
from tenure.core.time_windows import parse_date
from tenure.features.catalogue import describe
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import PropensityModel
from tenure.models.scorecard import Scorecard, walk
from tenure.models.training_result import TrainingResult, train_target
from tenure.models.verdict import Challenger, Verdict, against_champion, judge
from tenure.models.version import Version
from tenure.reporting.record import TrainingRecord, record_of
from tenure.scoring.ledger import last_scores
from tenure.scoring.review.drift import LIMIT, stability_index
from tenure.snapshots.rows import read_rows
from tenure.steps.opening import Session
from tenure.targets.catalogue import find_target
from tenure.targets.definition import answers

if TYPE_CHECKING:
    from tenure.reporting.figures import Figure, Picture

TIMED = 5


@dataclass(frozen=True)
class Training:
    """What came of training one target: its record, and where it was trained the study and its figures."""

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
        return pd.DataFrame(self.record.scorecard)

    @property
    def checks(self) -> pd.DataFrame:
        """Show what the audit checked. => check, cutoff, customers, features, left_out, differing"""
        return pd.DataFrame(self.record.audit.get("checks", []))

    @property
    def summary(self) -> pd.DataFrame:
        """Show the metrics at the test cutoff. => metric, value"""
        if not self.record.metrics:
            return pd.DataFrame({"status": [self.record.status], "reason": [self.record.reason]})
        return pd.DataFrame(sorted(self.record.metrics.items()), columns=["metric", "value"])


def train(
    session: Session, target: str, *, tune_trials: int = 0, test_cutoff: str = "", seed: int = 7, walk_cutoffs: int = 3
) -> Training:
    """Train one target, walk it over earlier cutoffs, audit and judge it, register the version; too little data is a refusal that is recorded, not a crash.

    Raises
    ------
    UnknownNameError : no such target. RegistryError : the MLflow store is unreachable, or would not take the version.
    """
    find_target(target, session.source)
    # Before anything is fitted: what the store would refuse in the end is no work for an hour.
    session.registry.check_loggable(session.model_name(target))
    settings = TrainingSettings(seed=seed, tune_trials=tune_trials)
    settings = settings.quick() if session.quick else settings
    given = parse_date(test_cutoff, "test cutoff") if test_cutoff else None
    with session.writing("train"):
        try:
            result = train_target(
                session.snapshots,
                session.target(target),
                settings,
                test_cutoff=given,
                with_monotone_cost=not session.quick,
            )
        except NotEnoughDataError as error:
            return _refused(session, target, error)
        champion = Champion.of(session, result)
        card = walk(
            session.snapshots, result.target, result.trained.settings, result, cutoffs=1 if session.quick else walk_cutoffs,
            champion=champion.comparable,
        )  # fmt: skip
        audit = audit_training(session.snapshots, result)
        verdict = _judge(session, result, card, audit, champion)
        figures = _figures(session, result)
        version = _register(session, result, verdict, figures)
        is_champion = champion.version is not None and version.version == champion.version.version
        record = _record(session, result, verdict, version, card=card, audit=audit, is_champion=is_champion)
        return Training(record, result, figures)


def _refused(session: Session, target: str, error: NotEnoughDataError) -> Training:
    known = session.snapshots.targets.get(target)
    record = TrainingRecord(
        target, "refused", str(error), code="too_little_data" if known else "unavailable", question=known.describe() if known else "",
        is_quick=session.quick,
    )  # fmt: skip
    record.save(session.training_folder(target))
    return Training(record, None, {})


@dataclass(frozen=True)
class Champion:
    """Who a study is compared with: the version in use, None where there is none, and its model, None where it cannot be read.

    ``is_same_question`` is None where nobody can tell which definition it answers.
    """

    version: Version | None = None
    model: PropensityModel | None = None
    unreadable: str = ""
    is_same_question: bool | None = None
    is_same_model: bool = False

    @classmethod
    def of(cls, session: Session, result: TrainingResult) -> Champion:
        """Find the champion of a study's target, and read it where it can be read."""
        version = session.registry.champion_version(session.model_name(result.target.name))
        if version is None:
            return cls()
        about = {"definition": version.definition} if version.definition else None
        model, unreadable = None, ""
        try:
            model = session.registry.load(version.name, version.version)
        except RegistryError as error:
            unreadable = str(error)
        else:
            about = model.about
        same = None if about is None else answers(about, result.target)
        return cls(version, model, unreadable, same, version.fingerprint == result.model.fingerprint)

    @property
    def comparable(self) -> PropensityModel | None:
        """The model to compare with: of the same definition, and another one, for a repeat has nothing to beat."""
        return self.model if self.is_same_question and not self.is_same_model else None


def _judge(session: Session, result: TrainingResult, card: Scorecard, audit: Audit, champion: Champion) -> Verdict:
    model = result.model
    challenger = Challenger(
        session.model_name(result.target.name), model.fingerprint, str(session.as_of), str(result.plan.test), result.evaluation.metrics["auc"], session.quick
    )  # fmt: skip
    standing = against_champion(
        champion.version, challenger, is_same_question=champion.is_same_question, difference=card.difference_to("champion"),
        silent=champion.unreadable or card.silent,
    )  # fmt: skip
    return judge(
        result.evaluation, standing, alarms=[str(problem) for problem in audit.errors], slices=result.slices,
        seconds_per_1000_rows=seconds_per_1000_rows(model, result.test), megabytes=model.megabytes, is_quick=session.quick,
    )  # fmt: skip


def _register(session: Session, result: TrainingResult, verdict: Verdict, figures: Mapping[str, Figure]) -> Version:
    from tenure.reporting.figures import save_svg

    folder = session.training_folder(result.target.name) / "figures"
    used = [column for column in session.snapshots.columns if column.name in set(result.model.feature_names)]
    return session.registry.log_training(
        result, verdict, name=session.model_name(result.target.name), catalogue=[describe(column) for column in used],
        figures={key: save_svg(figure, folder / f"{key}.svg") for key, figure in figures.items()},
        tags={
            "source": session.source.name, "target": result.target.name, "tenure.run_id": session.run_id, "quick": str(session.quick),
            "run_kind": session.run_kind, "as_of": str(session.as_of),
        },
    )  # fmt: skip


def _record(
    session: Session,
    result: TrainingResult,
    verdict: Verdict,
    version: Version,
    *,
    card: Scorecard,
    audit: Audit,
    is_champion: bool,
) -> TrainingRecord:
    """Record a training for the pages and write the version's card; what comes to the champion again is not blocked."""
    from tenure.models.explain import importance
    from tenure.reporting.report import model_card, write_page

    facts = {
        "status": "trained" if verdict.is_promotable or is_champion else "blocked", "reason": verdict.reason, "code": verdict.code,
        "definition": result.target.fingerprint, "is_first_of_definition": verdict.is_first_of_definition, "model": version.name,
        "version": version.version, "run_id": version.run_id, "fingerprint": version.fingerprint, "is_quick": session.quick,
        "unproven_features": audit.unproven,
        "audit": {"checks": audit.checks, "findings": [str(problem) for problem in audit.problems],
                  "alarms": [str(problem) for problem in audit.errors], "univariate": audit.univariate},
        "scorecard": card.cutoffs.to_dict("records"), "differences": card.differences.to_dict("records"),
        "drivers": card.drivers.to_dict("records"), "driver_agreement": card.driver_agreement,
    }  # fmt: skip
    ranking = importance(result.model, result.contributions)
    record = record_of(
        result, verdict, importance=ranking.to_dict("records"), warnings=_score_shift(session, result), facts=facts
    )
    folder = session.training_folder(result.target.name)
    record.save(folder)
    card_path = write_page(folder / "model_card.md", model_card(record, session.staged, session.as_of))
    session.registry.attach(version.run_id, card_path, "card")
    return record


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
        f"The scores shifted since {scored_on}: population stability index {index:.2f} (above {LIMIT} it is another population), "
        f"mean propensity {scores['propensity'].mean():.1%} then and {propensities.mean():.1%} now."
    ]


def seconds_per_1000_rows(model: PropensityModel, table: pd.DataFrame) -> float:
    """Time a model on 1,000 rows of a table: the quickest of some tries, so that nobody is blocked by what else the machine did."""
    rows = table.iloc[np.arange(1000) % len(table)]
    return min(timeit.repeat(lambda: model.propensities(rows), number=1, repeat=TIMED))


def _figures(session: Session, result: TrainingResult) -> dict[str, Figure]:
    from tenure.models.explain import driver_contributions
    from tenure.reporting import figures, shap_figures

    by_driver = driver_contributions(result.model, result.contributions)
    explained = shap_figures.Explained(result.model, result.sample, result.contributions)
    order = result.sample["propensity"].to_numpy().argsort()
    drawn = {
        "base_rate": figures.base_rate_over_time(result), "gain": figures.gain(result), "lift": figures.lift(result),
        "reliability": figures.reliability(result), "value": figures.value_by_contacts(result, session.source.margin_rate),
        "drivers": figures.drivers(by_driver), "beeswarm": shap_figures.beeswarm(explained), "bar": shap_figures.bar(explained),
        "waterfall_high": shap_figures.waterfall(explained, int(order[-1])),
        "waterfall_middle": shap_figures.waterfall(explained, int(order[len(order) // 2])),
    }  # fmt: skip
    for rank in range(min(2, len(result.model.feature_names))):
        drawn[f"dependence_{rank + 1}"] = shap_figures.dependence(explained, rank)
    return drawn
