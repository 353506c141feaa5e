"""On a demo world: a deliberately worse and a miscalibrated version are refused against a good champion, with the reason in words.

What leaks is refused in tests/audit.
"""

from dataclasses import replace

import pandas as pd
import pytest

from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.models.calibrate import Calibrator
from tenure.models.encoding import Encoding
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.evaluate import evaluate
from tenure.models.registry.registry import Registry
from tenure.models.result_warnings import warnings_of
from tenure.models.scorecard import walk
from tenure.models.training_result import train_target
from tenure.models.verdict import Challenger, against_champion, judge, stands_on_proof
from tenure.models.version import FINGERPRINT_TAG, Version
from tenure.snapshots.build import Snapshots
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

GOOD = TrainingSettings(learning_rate=0.08, folds=3, early_stopping_trees=20)


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("world"))
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=1500, seed=11)
    staged = stage_source(workspace, read_source(workspace, "demo"))
    return Snapshots(workspace, staged, staged.default_as_of)


@pytest.fixture(scope="module")
def good(snapshots):
    return train_target(snapshots, snapshots.targets["lapse"], GOOD)


def judged(evaluation, choice, card=None):
    """Judge what is sound in all but its figures, against a champion where it was walked beside one."""
    champion = Version("demo-lapse", "1", "", {FINGERPRINT_TAG: "another"}, ("champion",), 0) if card else None
    standing = against_champion(
        champion, Challenger("demo-lapse", "own", "2026-01-01", "2025-10-01", 0.5, is_quick=False), is_same_question=True,
        difference=card.difference_to("champion") if card else None, silent=card.silent if card else "",
    )  # fmt: skip
    return judge(
        evaluation, standing, taken=choice.taken, baseline=choice.baseline, words=choice.words, audit_errors=(), proof=stands_on_proof(0.0, is_required=True), slices=pd.DataFrame(columns=["positives"]), seconds_per_1000_rows=0.1, megabytes=1.0
    )  # fmt: skip


def failed(verdict):
    return [gate.name for gate in verdict.gates if not gate.passed]


def test_a_tenth_of_the_features_loses_against_the_champion(snapshots, good):
    class ATenthOfTheFeatures(Snapshots):
        def usable_columns(self, target, plan):
            kept, dropped = super().usable_columns(target, plan)
            return kept[::10], dropped

    fewer = ATenthOfTheFeatures(snapshots.workspace, snapshots.staged, snapshots.as_of)
    worse = train_target(fewer, good.target, GOOD)
    card = walk(snapshots, good.target, GOOD, worse, cutoffs=1, champion=good.model)
    verdict = judged(worse.evaluation, worse.choice, card)
    assert failed(verdict) == ["better than the champion"]
    assert "paired difference of AUC -0.0" in verdict.reason


def test_what_does_not_fit_into_memory_is_sampled_and_that_is_said(snapshots, good, monkeypatch):
    for module in ("fit_target", "training_result"):
        monkeypatch.setattr(f"tenure.models.{module}.rows_that_fit", lambda columns, budget: 600_000 // columns)
    fewer = train_target(snapshots, good.target, GOOD)
    assert not good.was_sampled and fewer.was_sampled
    assert fewer.fitting_eligible == good.fitting_rows and fewer.fitting_rows < 3500
    told = f"Fitted on a seeded sample, {fewer.fitting_rows:,} of {good.fitting_rows:,} rows"
    assert any(line.startswith(told) for line in warnings_of(fewer))
    assert not any("sample" in line for line in warnings_of(good))
    assert abs(fewer.evaluation.metrics["auc"] - good.evaluation.metrics["auc"]) < 0.05


def test_a_champion_is_asked_only_where_it_does_not_know_the_answers(snapshots, good):
    card = walk(snapshots, good.target, GOOD, good, cutoffs=2, champion=good.model)
    earlier, last = card.cutoffs["auc_champion"]
    assert earlier != earlier and last == pytest.approx(good.evaluation.metrics["auc"])
    later = replace(good.model, about={**good.model.about, "fitted_through": "2999-01-01"})
    silent = walk(snapshots, good.target, GOOD, good, cutoffs=1, champion=later)
    assert silent.difference_to("champion") is None and silent.silent == "it was fitted on outcomes until 2999-01-01"
    first, *others = good.model.encoding.columns
    gone = replace(good.model, encoding=Encoding((replace(first, name="a_column_that_was_lost"), *others)))
    silent = walk(snapshots, good.target, GOOD, good, cutoffs=1, champion=gone)
    assert silent.difference_to("champion") is None
    assert silent.silent == "the source cannot give 1 of its features any more, first a_column_that_was_lost"


def test_promises_four_times_too_extreme_are_refused(good):
    c = good.model.calibrator
    boasting = replace(good.model, calibrator=Calibrator(4 * c.slope, 4 * c.intercept))
    test = good.test
    found = evaluate(
        test["label"].to_numpy(),
        boasting.propensities(test),
        {"heuristic": test["heuristic_score"]},
        baseline="heuristic",
    )
    verdict = judged(found, good.choice)
    assert failed(verdict) == ["calibrated"] and "calibration slope 0." in verdict.reason
    assert found.metrics["auc"] == pytest.approx(good.evaluation.metrics["auc"])


def test_where_the_rule_knows_nothing_the_walk_ranks_as_the_evaluation_does(snapshots, good):
    test = good.test.assign(heuristic_score=good.test["heuristic_score"].where(good.test.index % 3 > 0))
    found = evaluate(test["label"].to_numpy(), test["propensity"].to_numpy(), {"heuristic": test["heuristic_score"]})
    card = walk(snapshots, good.target, GOOD, replace(good, test=test, evaluation=found), cutoffs=1)
    assert card.difference_to("heuristic").value == pytest.approx(found.differences["heuristic"].value)


def test_a_training_is_logged_once_with_all_that_it_was_judged_by(snapshots, good, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry = Registry(snapshots.workspace)
    tags = {"source": "demo", "quick": "False", "as_of": str(snapshots.as_of), "run_kind": "scheduled"}

    def log(result):
        return registry.log_training(result, judged(result.evaluation, result.choice), name="demo-lapse", figures={}, catalogue=[], tags=tags)  # fmt: skip

    logged = log(good)
    version = registry.find("demo-lapse", logged.version)
    assert (version.version, version.run_id, version.aliases) == ("1", logged.run_id, ("challenger",))
    assert version.fingerprint == good.model.fingerprint and version.definition == good.target.fingerprint
    assert (version.is_promotable, version.is_quick, version.as_of) == (True, False, str(snapshots.as_of))
    assert version.tags["tenure.run_kind"] == "scheduled" and version.test_cutoff == str(good.plan.test)
    assert version.metric("auc_low") == pytest.approx(good.evaluation.metrics["auc_low"], abs=1e-4)
    test = good.test[good.model.feature_names]
    assert (registry.load("demo-lapse", "1").propensities(test) == good.model.propensities(test)).all()
    assert log(good).version == "1", "the same content is the same version"
    (document,) = (snapshots.workspace.mlruns / "artifacts").rglob("model.json")
    document.write_text(document.read_text()[:5000])
    assert log(good).version == "2", "unless its files are damaged"
    assert registry.load("demo-lapse", "2").fingerprint == good.model.fingerprint
