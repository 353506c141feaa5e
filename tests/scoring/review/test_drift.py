"""Drift: nothing for the same, chance named for small samples, planted shifts found."""

import numpy as np
import pandas as pd
import pytest

from tenure.scoring.review.drift import drift_problems, drift_table, stability_index


@pytest.fixture
def generator():
    return np.random.default_rng(7)


def test_the_same_values_have_an_index_of_zero():
    values = pd.Series([1.0, 2, 3, 4, None])
    assert stability_index(values, values)[0] == pytest.approx(0)


def test_the_index_of_two_bins_is_the_formula_by_hand():
    # 100 of each, half a customer more in each bin: shares 50.5 : 50.5 and 80.5 : 20.5 of 101.
    before = pd.Series(["a"] * 50 + ["b"] * 50)
    now = pd.Series(["a"] * 80 + ["b"] * 20)
    expected = (0.5 - 80.5 / 101) * np.log(0.5 / (80.5 / 101)) + (0.5 - 20.5 / 101) * np.log(0.5 / (20.5 / 101))
    assert stability_index(before, now)[0] == pytest.approx(expected)


def test_chance_is_exceeded_about_once_in_a_hundred_where_nothing_moved(generator):
    draws = [stability_index(*(pd.Series(generator.normal(size=n)) for n in (300, 200))) for _ in range(600)]
    assert 0 <= np.mean([index > chance for index, chance in draws]) < 0.03


def test_a_planted_shift_missing_values_and_a_new_category_are_named(generator):
    before = pd.DataFrame({"steady": generator.normal(size=900), "moved": generator.normal(size=900), "plan": "basic"})
    now = pd.DataFrame({"steady": generator.normal(size=900), "moved": generator.normal(1, size=900), "plan": "basic"})
    now.loc[:20, "plan"] = "gold"
    now.loc[:200, "steady"] = np.nan
    table = drift_table(before, now, ["steady", "moved", "plan"])
    assert set(table.loc[table["has_drifted"], "name"]) == {"steady", "moved"}
    assert table.set_index("name").loc["plan", "new_values"] == "gold"
    drifted, missing, new = said_of(table, drift_table(before, now, ["plan"]))
    assert drifted.startswith("warning: churn: 2 of 3 features drifted since 2025-01-01, most steady (PSI")
    assert drifted.endswith("propensities are steady. Find out why; the list can be acted on.")
    assert missing.startswith("warning: churn: steady is missing for 22%, for 0% at 2025-01-01. Ask what became")
    assert new.startswith("warning: churn: plan has values the model has never seen: gold.")


def said_of(features, scores):
    return [str(problem) for problem in drift_problems("churn", features, scores, "2025-01-01")]


def test_propensities_that_moved_are_told_with_what_drifted_and_what_to_do(generator):
    before, now = (pd.DataFrame({"usage": generator.normal(mean, size=900)}) for mean in (0, 1))
    table = drift_table(before, now, ["usage"])
    (said,) = said_of(table, table)
    assert said.startswith("warning: churn: propensities moved since 2025-01-01 (PSI ")
    assert "1 of 1 features drifted, most usage (PSI " in said
    assert said.endswith("Find out why before acting on the list; if the change is to stay, retrain with 'tenure run'.")


def test_a_customers_age_moves_as_it_always_did_and_is_no_drift_but_twice_as_fast_is(generator):
    former, before, now, sudden = (pd.DataFrame({"age": generator.normal(mean, size=900)}) for mean in (0, 1, 2, 3))
    (as_ever,) = drift_table(before, now, ["age"], former).to_dict("records")
    assert as_ever["psi"] > 0.25 and not as_ever["has_drifted"]
    assert as_ever["usual"] == pytest.approx(stability_index(former["age"], before["age"])[0])
    assert drift_table(before, sudden, ["age"], former)["has_drifted"].all()
    assert drift_table(before, now, ["age"])["has_drifted"].all(), "without a former time the customary limit holds"


def test_one_of_many_features_that_drifts_alone_is_no_warning(generator):
    names = [f"steady_{n}" for n in range(20)]
    before, now = (pd.DataFrame({name: generator.normal(size=900) for name in names}) for _ in range(2))
    before["age"], now["age"] = generator.normal(size=900), generator.normal(1, size=900)
    table = drift_table(before, now, [*names, "age"])
    assert list(table.loc[table["has_drifted"], "name"]) == ["age"]
    assert list(drift_problems("churn", table, drift_table(before, now, names[:1]), "2025-01-01")) == []
