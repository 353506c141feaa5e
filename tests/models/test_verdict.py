"""A worse, a leaking and a miscalibrated model are each refused, with the reason in words."""

import time

import numpy as np
import pandas as pd
import pytest

from tenure.models.evaluate import Auc, auc_difference, calibration_line, ece_by_chance, evaluate
from tenure.models.segments import evaluate_segments
from tenure.models.verdict import judge
from tenure.steps.training import seconds_per_1000_rows

GENERATOR = np.random.default_rng(8)
ODDS = GENERATOR.normal(-1.5, 1.2, 4000)
TRUE = 1 / (1 + np.exp(-ODDS))
LABELS = (GENERATOR.random(4000) < TRUE).astype(int)
RULE = ODDS + GENERATOR.normal(0, 3, 4000)
WORSE = 1 / (1 + np.exp(-(ODDS + GENERATOR.normal(0, 0.7, 4000))))


def evaluation(propensities):
    return evaluate(LABELS, propensities, RULE, TRUE)


def failed(verdict):
    return [gate.name for gate in verdict.gates if not gate.passed]


def test_a_good_model_passes_every_gate():
    verdict = judge(evaluation(TRUE), None)
    assert verdict.is_promotable and "better than the rule: AUC" in verdict.reason


def test_a_model_worse_than_the_champion_is_blocked():
    difference = auc_difference(LABELS, WORSE, TRUE)
    verdict = judge(evaluation(WORSE), difference)
    assert failed(verdict) == ["better than the champion"]
    assert "paired difference of AUC -0." in verdict.reason


def test_a_tie_keeps_the_champion():
    verdict = judge(evaluation(TRUE), auc_difference(LABELS, TRUE, TRUE))
    assert failed(verdict) == ["better than the champion"]
    assert verdict.reason.startswith("did not pass 'better than the champion': paired difference of AUC +0.0000 (")
    assert verdict.reason.endswith("; a tie keeps the champion")


def test_an_alarm_of_the_audit_blocks_and_is_repeated():
    verdict = judge(evaluation(TRUE), None, alarms=["too good alone: closed_on: AUC 0.99 by itself"])
    assert not verdict.is_promotable and "closed_on" in verdict.reason


@pytest.mark.parametrize(("stretch", "words"), [(4.0, "calibration slope 0.2"), (0.3, "calibration slope 3.")])
def test_a_model_that_promises_too_extremely_or_too_timidly_is_blocked(stretch, words):
    verdict = judge(evaluation(1 / (1 + np.exp(-stretch * ODDS))), None)
    assert failed(verdict) == ["calibrated"] and words in verdict.reason


def test_a_model_no_better_than_its_rule_beyond_noise_is_blocked():
    barely = 1 / (1 + np.exp(-(RULE + GENERATOR.normal(0, 0.01, 4000)) / 4))
    assert "better than the rule" in failed(judge(evaluation(barely), None))


def test_a_segment_ranked_upside_down_is_named_and_blocks():
    upside_down = TRUE.copy()
    plan = np.where(np.arange(4000) % 4 == 0, "Solo", "Duo")
    upside_down[plan == "Solo"] = 1 - upside_down[plan == "Solo"]
    table = pd.DataFrame({"label": LABELS, "propensity": upside_down, "plan": plan})
    verdict = judge(evaluation(TRUE), None, segments=evaluate_segments(table, ["plan"]))
    assert failed(verdict) == ["no segment upside down"] and "plan Solo" in verdict.reason


def test_the_calibration_line_of_true_probabilities_is_the_diagonal():
    line = calibration_line(LABELS, TRUE)
    assert line["calibration_slope"] == pytest.approx(1, abs=0.1)
    assert line["calibration_slope_low"] < 1 < line["calibration_slope_high"]
    assert line["calibration_intercept_low"] < 0 < line["calibration_intercept_high"]


def test_the_gap_by_chance_shrinks_with_the_root_of_the_rows():
    few, many = ece_by_chance(TRUE[:400]), ece_by_chance(np.tile(TRUE, 4))
    assert few / many == pytest.approx(np.sqrt(16000 / 400), rel=0.25)


@pytest.mark.parametrize(
    ("difference", "is_better"),
    [(Auc(0.01, -0.02, 0.04), True), (Auc(0.01, -0.021, 0.04), False), (Auc(-0.001, -0.01, 0.008), False)],
)
def test_a_challenger_must_be_ahead_and_not_perhaps_far_behind(difference, is_better):
    assert failed(judge(evaluation(TRUE), difference)) == ([] if is_better else ["better than the champion"])


@pytest.mark.parametrize(
    ("seconds", "megabytes", "is_passed"), [(1.0, 50.0, True), (1.01, 1.0, False), (0.1, 50.1, False)]
)
def test_a_model_too_slow_or_too_large_is_blocked(seconds, megabytes, is_passed):
    verdict = judge(evaluation(TRUE), None, seconds_per_1000_rows=seconds, megabytes=megabytes)
    assert failed(verdict) == ([] if is_passed else ["fast and small"])


def test_a_machine_that_is_busy_for_a_moment_makes_no_model_slow():
    class Model:
        asked = 0

        def propensities(self, rows):
            assert len(rows) == 1000
            self.asked += 1
            time.sleep(0 if self.asked == 3 else 0.3)

    assert seconds_per_1000_rows(Model(), pd.DataFrame({"x": range(7)})) < 0.3
