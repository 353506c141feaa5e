"""Snapshots to a judged, registered version: what 03_train calls."""

from __future__ import annotations

import timeit
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tenure.audit.audit import alarm_lines, audit_study
from tenure.errors import NotEnoughDataError, RegistryError
from tenure.features.catalogue import describe
from tenure.ledger import last_scores
from tenure.models.model import PropensityModel
from tenure.models.scorecard import Scorecard, walk
from tenure.models.settings import TrainingSettings
from tenure.models.study import Study, study_target
from tenure.models.verdict import judge
from tenure.reporting.record import TrainingRecord, record_of
from tenure.review.drift import LIMIT, stability_index
from tenure.scoring import ScoringModel
from tenure.snapshot_rows import read_rows
from tenure.steps.opening import Run, writes
from tenure.targets.catalogue import find_target
from tenure.time_windows import parse_date

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


@writes
def train(
    run: Run, target: str, *, tune_trials: int = 0, test_cutoff: str = "", seed: int = 7, walk_cutoffs: int = 3
) -> Training:
    """Train one target, walk it over earlier cutoffs, audit and judge it, register the version; too little data is a refusal that is recorded, not a crash.

    Raises
    ------
    UnknownNameError : no such target. RegistryError : the MLflow store is unreachable.
    """
    find_target(target)
    folder = run.training_folder(target)
    run.registry.check()
    settings = TrainingSettings(seed=seed, tune_trials=tune_trials)
    settings = settings.quick() if run.quick else settings
    given = parse_date(test_cutoff, "test cutoff") if test_cutoff else None
    try:
        study = study_target(
            run.snapshots, run.target(target), settings, test_cutoff=given, with_monotone_cost=not run.quick
        )
    except NotEnoughDataError as error:
        known = run.snapshots.targets.get(target)
        record = TrainingRecord(
            target, "refused", str(error), question=known.describe() if known else "", is_quick=run.quick
        )
        record.save(folder)
        return Training(record, None, {})
    champion = _champion(run, target)
    card = walk(
        run.snapshots, study.target, study.trained.settings, study, cutoffs=1 if run.quick else walk_cutoffs,
        # A repeat that comes to the champion's own content has nothing to beat.
        champion=champion.model if champion and champion.model.fingerprint != study.model.fingerprint else None,
    )  # fmt: skip
    return _register(run, study, card, champion, folder)


def _champion(run: Run, target: str) -> ScoringModel | None:
    name = run.model_name(target)
    version = run.registry.champion(name)
    if version is None:
        return None
    try:
        return ScoringModel(run.registry.load(name, version), version)
    except RegistryError:
        # A champion whose files are gone can neither score nor be compared with: the rule alone decides.
        return None


def _register(run: Run, study: Study, card: Scorecard, champion: ScoringModel | None, folder: Path) -> Training:
    from tenure.models.explain import importance
    from tenure.reporting.figures import save_svg
    from tenure.reporting.report import model_card, write_page

    model = study.model
    name = run.model_name(study.target.name)
    audit = audit_study(run.snapshots, study)
    verdict = judge(
        study.evaluation, card.difference_to("champion"), alarms=alarm_lines(audit.findings),
        segments=study.segments, seconds_per_1000_rows=seconds_per_1000_rows(study.model, study.test),
        megabytes=model.megabytes, is_quick=run.quick,
    )  # fmt: skip
    ranking = importance(model, study.contributions)
    figures = _figures(run, study)
    paths = {key: save_svg(figure, folder / "figures" / f"{key}.svg") for key, figure in figures.items()}
    used = [column for column in run.snapshots.columns if column.name in set(model.feature_names)]
    version = run.registry.log_study(
        study, verdict, name=name, figures=paths, catalogue=[describe(column) for column in used],
        tags={"source": run.source.name, "target": study.target.name, "tenure.run_id": run.run_id, "quick": str(run.quick), "run_kind": run.run_kind},
    )  # fmt: skip
    promotable = verdict.is_promotable or (champion is not None and version.version == champion.version)
    facts = {
        "status": "trained" if promotable else "blocked", "reason": verdict.reason, "model": name, "version": version.version,
        "run_id": version.run_id, "fingerprint": version.fingerprint, "is_quick": run.quick, "unproven_features": audit.unproven,
        "audit": {"checks": audit.checks, "findings": [str(f) for f in audit.findings],
                  "alarms": alarm_lines(audit.findings), "solo": audit.solo},
        "scorecard": card.cutoffs.to_dict("records"), "differences": card.differences.to_dict("records"),
        "drivers": card.drivers.to_dict("records"), "driver_agreement": card.driver_agreement,
    }  # fmt: skip
    record = record_of(
        study, verdict, importance=ranking.to_dict("records"), warnings=_score_shift(run, study), facts=facts
    )
    record.save(folder)
    card_path = write_page(folder / "model_card.md", model_card(record, run.staged, run.as_of))
    run.registry.attach(version.run_id, card_path, "card")
    return Training(record, study, figures)


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
