"""Snapshots to a judged, registered version: what 03_train calls."""

from __future__ import annotations

import timeit
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tenure.audit.audit import Audit, alarm_lines, audit_study
from tenure.core.errors import NotEnoughDataError, RegistryError
from tenure.core.time_windows import parse_date
from tenure.features.catalogue import describe
from tenure.models.model import PropensityModel
from tenure.models.scorecard import Scorecard, walk
from tenure.models.settings import TrainingSettings
from tenure.models.study import Study, study_target
from tenure.models.verdict import Challenger, Verdict, against_champion, judge
from tenure.models.version import Version
from tenure.reporting.record import TrainingRecord, record_of
from tenure.scoring.ledger import last_scores
from tenure.scoring.review.drift import LIMIT, stability_index
from tenure.snapshots.rows import read_rows
from tenure.steps.opening import Run
from tenure.targets.catalogue import find_target
from tenure.targets.definition import answers

if TYPE_CHECKING:
    from tenure.reporting.figures import Figure, Picture

TIMED = 5


@dataclass(frozen=True)
class Training:
    """What came of training one target: its record, and where it was trained the study and its figures."""

    record: TrainingRecord
    study: Study | None
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
    run: Run, target: str, *, tune_trials: int = 0, test_cutoff: str = "", seed: int = 7, walk_cutoffs: int = 3
) -> Training:
    """Train one target, walk it over earlier cutoffs, audit and judge it, register the version; too little data is a refusal that is recorded, not a crash.

    Raises
    ------
    UnknownNameError : no such target. RegistryError : the MLflow store is unreachable, or would not take the version.
    """
    find_target(target)
    # Before anything is fitted: what the store would refuse in the end is no work for an hour.
    run.registry.check_loggable(run.model_name(target))
    settings = TrainingSettings(seed=seed, tune_trials=tune_trials)
    settings = settings.quick() if run.quick else settings
    given = parse_date(test_cutoff, "test cutoff") if test_cutoff else None
    with run.writing("train"):
        try:
            study = study_target(
                run.snapshots, run.target(target), settings, test_cutoff=given, with_monotone_cost=not run.quick
            )
        except NotEnoughDataError as error:
            return _refused(run, target, error)
        champion = Champion.of(run, study)
        card = walk(
            run.snapshots, study.target, study.trained.settings, study, cutoffs=1 if run.quick else walk_cutoffs,
            champion=champion.comparable,
        )  # fmt: skip
        audit = audit_study(run.snapshots, study)
        verdict = _judge(run, study, card, audit, champion)
        figures = _figures(run, study)
        version = _register(run, study, verdict, figures)
        is_champion = champion.version is not None and version.version == champion.version.version
        record = _record(run, study, verdict, version, card=card, audit=audit, is_champion=is_champion)
        return Training(record, study, figures)


def _refused(run: Run, target: str, error: NotEnoughDataError) -> Training:
    known = run.snapshots.targets.get(target)
    record = TrainingRecord(
        target, "refused", str(error), code="too_little_data" if known else "unavailable", question=known.describe() if known else "",
        is_quick=run.quick,
    )  # fmt: skip
    record.save(run.training_folder(target))
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
    def of(cls, run: Run, study: Study) -> Champion:
        """Find the champion of a study's target, and read it where it can be read."""
        version = run.registry.champion_version(run.model_name(study.target.name))
        if version is None:
            return cls()
        about = {"definition": version.definition} if version.definition else None
        model, unreadable = None, ""
        try:
            model = run.registry.load(version.name, version.version)
        except RegistryError as error:
            unreadable = str(error)
        else:
            about = model.about
        same = None if about is None else answers(about, study.target)
        return cls(version, model, unreadable, same, version.fingerprint == study.model.fingerprint)

    @property
    def comparable(self) -> PropensityModel | None:
        """The model to compare with: of the same definition, and another one, for a repeat has nothing to beat."""
        return self.model if self.is_same_question and not self.is_same_model else None


def _judge(run: Run, study: Study, card: Scorecard, audit: Audit, champion: Champion) -> Verdict:
    model = study.model
    challenger = Challenger(
        run.model_name(study.target.name), model.fingerprint, str(run.as_of), str(study.plan.test), study.evaluation.metrics["auc"], run.quick
    )  # fmt: skip
    standing = against_champion(
        champion.version, challenger, is_same_question=champion.is_same_question, difference=card.difference_to("champion"),
        silent=champion.unreadable or card.silent,
    )  # fmt: skip
    return judge(
        study.evaluation, standing, alarms=alarm_lines(audit.findings), segments=study.segments,
        seconds_per_1000_rows=seconds_per_1000_rows(model, study.test), megabytes=model.megabytes, is_quick=run.quick,
    )  # fmt: skip


def _register(run: Run, study: Study, verdict: Verdict, figures: Mapping[str, Figure]) -> Version:
    from tenure.reporting.figures import save_svg

    folder = run.training_folder(study.target.name) / "figures"
    used = [column for column in run.snapshots.columns if column.name in set(study.model.feature_names)]
    return run.registry.log_study(
        study, verdict, name=run.model_name(study.target.name), catalogue=[describe(column) for column in used],
        figures={key: save_svg(figure, folder / f"{key}.svg") for key, figure in figures.items()},
        tags={
            "source": run.source.name, "target": study.target.name, "tenure.run_id": run.run_id, "quick": str(run.quick),
            "run_kind": run.run_kind, "as_of": str(run.as_of),
        },
    )  # fmt: skip


def _record(
    run: Run,
    study: Study,
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
        "definition": study.target.fingerprint, "is_first_of_definition": verdict.is_first_of_definition, "model": version.name,
        "version": version.version, "run_id": version.run_id, "fingerprint": version.fingerprint, "is_quick": run.quick,
        "unproven_features": audit.unproven,
        "audit": {"checks": audit.checks, "findings": [str(f) for f in audit.findings],
                  "alarms": alarm_lines(audit.findings), "solo": audit.solo},
        "scorecard": card.cutoffs.to_dict("records"), "differences": card.differences.to_dict("records"),
        "drivers": card.drivers.to_dict("records"), "driver_agreement": card.driver_agreement,
    }  # fmt: skip
    ranking = importance(study.model, study.contributions)
    record = record_of(
        study, verdict, importance=ranking.to_dict("records"), warnings=_score_shift(run, study), facts=facts
    )
    folder = run.training_folder(study.target.name)
    record.save(folder)
    card_path = write_page(folder / "model_card.md", model_card(record, run.staged, run.as_of))
    run.registry.attach(version.run_id, card_path, "card")
    return record


def _score_shift(run: Run, study: Study) -> list[str]:
    """Warn where this version's scores at the as-of are distributed unlike the last ones of the ledger."""
    former = last_scores(run.workspace, run.source.name, study.target.name, run.as_of)
    if former is None:
        return []
    scored_on, scores = former
    table = read_rows(run.snapshots, study.target, [run.as_of], run.snapshots.columns, labels=False)
    if table.empty or scores.empty:
        return []
    propensities = pd.Series(study.model.propensities(table))
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


def _figures(run: Run, study: Study) -> dict[str, Figure]:
    from tenure.models.explain import driver_contributions
    from tenure.reporting import figures, shap_figures

    by_driver = driver_contributions(study.model, study.contributions)
    explained = shap_figures.Explained(study.model, study.sample, study.contributions)
    order = study.sample["propensity"].to_numpy().argsort()
    drawn = {
        "base_rate": figures.base_rate_over_time(study), "gain": figures.gain(study), "lift": figures.lift(study),
        "reliability": figures.reliability(study), "value": figures.value_by_contacts(study, run.source.margin_rate),
        "drivers": figures.drivers(by_driver), "beeswarm": shap_figures.beeswarm(explained), "bar": shap_figures.bar(explained),
        "waterfall_high": shap_figures.waterfall(explained, int(order[-1])),
        "waterfall_middle": shap_figures.waterfall(explained, int(order[len(order) // 2])),
    }  # fmt: skip
    for rank in range(min(2, len(study.model.feature_names))):
        drawn[f"dependence_{rank + 1}"] = shap_figures.dependence(explained, rank)
    return drawn
