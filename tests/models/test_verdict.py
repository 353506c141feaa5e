"""A worse, a leaking and a miscalibrated model are each refused, with the reason in words."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tenure.core.auc import Auc, auc_difference
from tenure.models.evaluate import calibration_line, ece_by_chance, evaluate
from tenure.models.slices import evaluate_slices
from tenure.models.verdict import Challenger, against_champion, stands_on_proof
from tenure.models.verdict import judge as judge_all
from tenure.models.version import Version
from tenure.steps.training import seconds_per_1000_rows

GENERATOR = np.random.default_rng(8)
ODDS = GENERATOR.normal(-1.5, 1.2, 4000)
TRUE = 1 / (1 + np.exp(-ODDS))
LABELS = (GENERATOR.random(4000) < TRUE).astype(int)
RULE = ODDS + GENERATOR.normal(0, 3, 4000)
COUNT = ODDS + GENERATOR.normal(0, 2, 4000)
WORSE = 1 / (1 + np.exp(-(ODDS + GENERATOR.normal(0, 0.7, 4000))))


def evaluation(propensities):
    return evaluate(LABELS, propensities, {"heuristic": RULE, "feature": COUNT}, baseline="feature")


WORDS = {"heuristic": "heuristic", "feature": "best single feature “visits (30 d)”", "logistic": "logistic regression"}
NO_SLICES = pd.DataFrame(columns=["positives", "auc_high"])
CHALLENGER = Challenger("shop-lapse", "own", "2024-06-01", "2024-03-01", 0.8, is_quick=False)


def version(fingerprint="other", **tags):
    """Version 4, the champion: full, as of the same day, tested at the same cutoff with an AUC of .79, unless ``tags`` say otherwise."""
    known = {
        "as_of": "2024-06-01",
        "test_cutoff": "2024-03-01",
        "test_auc": "0.7900",
        "quick": "False",
        "fingerprint": fingerprint,
    }
    tags = {f"tenure.{key}": value for key, value in (known | tags).items()}
    return Version("shop-lapse", "4", "", tags, ("champion",), 0)


def standing(difference=None, champion=None, challenger=CHALLENGER, *, is_same_question=True, silent=""):
    champion = champion or (version() if difference else None)
    return against_champion(
        champion, challenger, is_same_question=is_same_question, difference=difference, silent=silent
    )


def judge(evaluation, difference=None, **found):
    """Judge what is sound in all that is not given."""
    sound = {
        "taken": "trees",
        "baseline": "feature",
        "words": WORDS,
        "audit_errors": (),
        "proof": stands_on_proof(0.0, is_required=True),
        "slices": NO_SLICES,
        "seconds_per_1000_rows": 0.1,
        "megabytes": 1.0,
    }
    return judge_all(evaluation, standing(difference), **sound | found)


def failed(verdict):
    return [gate.name for gate in verdict.gates if not gate.passed]


def test_unproven_features_that_carry_the_lift_block_only_where_proof_is_required():
    assert failed(judge(evaluation(TRUE), proof=stands_on_proof(0.6, is_required=False))) == []
    assert failed(judge(evaluation(TRUE), proof=stands_on_proof(0.09, is_required=True))) == []
    verdict = judge(evaluation(TRUE), proof=stands_on_proof(0.6, is_required=True))
    assert failed(verdict) == ["stands on what can be proven"] and verdict.code == "proof"
    assert "carry 60% of the lift" in verdict.reason


def test_a_good_model_passes_every_gate():
    verdict = judge(evaluation(TRUE))
    assert verdict.is_promotable and "better than the baseline: AUC" in verdict.reason
    assert verdict.code == "first" and verdict.reason.endswith("better than the champion: no version is champion yet")


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
    verdict = judge(evaluation(TRUE), audit_errors=["too good alone: closed_on: AUC 0.99 by itself"])
    assert not verdict.is_promotable and "closed_on" in verdict.reason and verdict.code == "audit"


def test_a_check_that_could_not_run_passes_for_no_proof():
    verdict = judge(evaluation(TRUE), audit_errors=["replay: (cutoff 2024-03-01): could not run: the file is gone"])
    assert not verdict.is_promotable and "could not run" in verdict.reason and verdict.code == "audit"


@pytest.mark.parametrize(("stretch", "words"), [(4.0, "calibration slope 0.2"), (0.3, "calibration slope 3.")])
def test_a_model_that_promises_too_extremely_or_too_timidly_is_blocked(stretch, words):
    verdict = judge(evaluation(1 / (1 + np.exp(-stretch * ODDS))))
    assert failed(verdict) == ["calibrated"] and words in verdict.reason


def test_a_model_no_better_than_its_baseline_beyond_noise_is_blocked_and_the_baseline_is_named():
    barely = 1 / (1 + np.exp(-(COUNT + GENERATOR.normal(0, 0.01, 4000)) / 4))
    verdict = judge(evaluation(barely))
    assert failed(verdict) == ["better than the baseline"] and verdict.code == "baseline"
    assert "of the best single feature “visits (30 d)” (paired difference" in verdict.reason


def test_a_constant_heuristic_is_none_and_what_ranks_as_well_as_one_count_does_not_pass_by_it():
    barely = 1 / (1 + np.exp(-(COUNT + GENERATOR.normal(0, 0.01, 4000)) / 4))
    found = evaluate(LABELS, barely, {"heuristic": np.full(4000, 90.0), "feature": COUNT}, baseline="feature")
    assert found.metrics["auc_low"] > 0.5 and found.metrics["auc_baseline"] == found.metrics["auc_feature"]
    assert not {"auc_heuristic", "auc_rule"} & found.metrics.keys() and "heuristic" not in found.differences
    verdict = judge(found)
    assert failed(verdict) == ["better than the baseline"] and "; the heuristic is none" in verdict.reason
    better = evaluate(LABELS, TRUE, {"heuristic": np.full(4000, np.nan), "feature": COUNT}, baseline="feature")
    assert judge(better).is_promotable, "the twin: it beats the count"


def test_a_baseline_that_is_constant_at_the_test_cutoff_is_not_beaten():
    found = evaluate(LABELS, TRUE, {"heuristic": np.zeros(4000), "feature": COUNT}, baseline="heuristic")
    verdict = judge(found, baseline="heuristic")
    assert failed(verdict) == ["better than the baseline"] and "ranks nobody any more" in verdict.reason


@pytest.mark.parametrize(
    ("taken", "others", "words"),
    [
        ("logistic", {"heuristic": RULE, "feature": RULE}, "of the heuristic (paired difference"),
        ("logistic", {"feature": RULE}, "against 0.500 of chance"),
        ("feature", {"heuristic": COUNT, "logistic": COUNT}, "against 0.500 of chance"),
    ],
)
def test_who_is_the_baseline_beats_what_is_simpler_and_not_itself(taken, others, words):
    calibrated = 1 / (1 + np.exp(-(COUNT - 3) / 3))
    found = evaluate(LABELS, calibrated, {taken: calibrated, **others}, baseline=taken)
    (gate,) = [g for g in judge(found, taken=taken, baseline=taken).gates if g.code == "baseline"]
    assert gate.passed and words in gate.found and "it is itself the best of the baselines" in gate.found
    random = np.random.default_rng(3).random(4000)
    found = evaluate(LABELS, random, {taken: random, **others}, baseline=taken)
    (gate,) = [g for g in judge(found, taken=taken, baseline=taken).gates if g.code == "baseline"]
    assert not gate.passed, "the twin ranks at random"


def test_a_logistic_regression_that_days_since_the_renewal_alone_beat_is_blocked_by_that_name():
    noisy = 1 / (1 + np.exp(-(ODDS + GENERATOR.normal(0, 2.5, 4000)) / 3))
    found = evaluate(LABELS, noisy, {"heuristic": RULE, "feature": ODDS, "logistic": noisy}, baseline="logistic")
    words = WORDS | {"feature": "best single feature “days since the renewal”"}
    verdict = judge(found, taken="logistic", baseline="logistic", words=words)
    assert "better than the baseline" in failed(verdict)
    assert "the best single feature “days since the renewal” beats it: -0." in verdict.reason


def test_a_slice_ranked_upside_down_is_named_and_blocks():
    upside_down = TRUE.copy()
    plan = np.where(np.arange(4000) % 4 == 0, "Solo", "Duo")
    upside_down[plan == "Solo"] = 1 - upside_down[plan == "Solo"]
    table = pd.DataFrame({"label": LABELS, "propensity": upside_down, "plan": plan})
    verdict = judge(evaluation(TRUE), slices=evaluate_slices(table, ["plan"]))
    assert failed(verdict) == ["no slice upside down"] and "plan Solo" in verdict.reason


def test_the_slices_that_were_asked_are_named_and_where_none_is_large_enough_that_is_said():
    plan = np.where(np.arange(4000) % 4 == 0, "Solo", "Duo")
    slices = evaluate_slices(pd.DataFrame({"label": LABELS, "propensity": TRUE, "plan": plan}), ["plan"])
    (asked,) = [gate for gate in judge(evaluation(TRUE), slices=slices).gates if gate.code == "segments"]
    assert asked.passed and asked.found.endswith("with 50 or more positives: plan Duo, plan Solo")
    (none,) = [gate for gate in judge(evaluation(TRUE)).gates if gate.code == "no_segment"]
    assert none.passed and "none is large enough to ask" in none.found


AHEAD, BEHIND = Auc(0.01, -0.01, 0.03), Auc(-0.01, -0.03, 0.01)
QUICK, GONE = replace(CHALLENGER, is_quick=True), "its files are gone"


@pytest.mark.parametrize(
    ("code", "passed", "gate"),
    [
        ("first", True, lambda: standing()),
        ("compared", True, lambda: standing(AHEAD)),
        ("compared", False, lambda: standing(BEHIND)),
        ("same_model", True, lambda: standing(champion=version("own"))),
        ("same_model", True, lambda: standing(champion=version("own", as_of="2024-07-01"))),
        ("earlier_as_of", False, lambda: standing(AHEAD, version(as_of="2024-06-02"))),
        ("earlier_as_of", False, lambda: standing(AHEAD, version(as_of="", test_cutoff="2024-04-01"))),
        ("earlier_as_of", False, lambda: standing(champion=version(as_of="2024-06-02"), is_same_question=False)),
        ("compared", True, lambda: standing(AHEAD, version(as_of="", test_cutoff="2024-03-01"))),
        ("quick_against_full", False, lambda: standing(AHEAD, challenger=QUICK)),
        ("quick_against_full", False, lambda: standing(champion=version(), challenger=QUICK, is_same_question=False)),
        ("full_replaces_quick", True, lambda: standing(BEHIND, version(quick="True"))),
        ("compared", True, lambda: standing(AHEAD, version(quick="True"), QUICK)),
        ("compared", False, lambda: standing(BEHIND, version(quick="True"), QUICK)),
        ("other_definition", True, lambda: standing(champion=version(), is_same_question=False)),
        ("recorded", True, lambda: standing(champion=version(), silent=GONE)),
        ("recorded", False, lambda: standing(champion=version(test_auc="0.8000"), silent=GONE)),
        ("not_comparable", False, lambda: standing(champion=version(test_cutoff="2024-02-01"), silent=GONE)),
        ("not_comparable", False, lambda: standing(champion=version(test_auc="?"), silent=GONE)),
        ("not_comparable", False, lambda: standing(champion=version(), is_same_question=None, silent=GONE)),
    ],
)
def test_each_way_to_stand_to_the_champion_has_its_answer(code, passed, gate):
    found = gate()
    assert (found.code, found.passed) == (code, passed)


def test_who_cannot_be_asked_is_beaten_by_its_record_alone_and_the_rest_is_decided_by_hand():
    recorded = standing(champion=version(), silent=GONE)
    assert recorded.found == (
        "AUC 0.8000 against 0.7900 of version 4 (recorded, unpaired, for it cannot be asked: its files are gone)"
    )
    by_hand = standing(champion=version(test_cutoff="2024-02-01"), silent=GONE)
    assert "(its files are gone)" in by_hand.found and "'tenure promote shop-lapse VERSION'" in by_hand.found


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
    verdict = judge(evaluation(TRUE), seconds_per_1000_rows=seconds, megabytes=megabytes)
    assert failed(verdict) == ([] if is_passed else ["fast and small"])


def test_a_machine_that_is_busy_for_a_moment_makes_no_model_slow():
    class Model:
        asked = 0

        def propensities(self, rows):
            assert len(rows) == 1000
            self.asked += 1
            time.sleep(0 if self.asked == 3 else 0.3)

    assert seconds_per_1000_rows(Model(), pd.DataFrame({"x": range(7)})) < 0.3
