"""Scores of the ledger, joined with what came true."""

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.scoring.ledger import append_to_ledger, entries
from tenure.scoring.review import outcomes as outcomes
from tenure.scoring.review.outcomes import expected_interval, outcome_problems, outcome_table
from tenure.scoring.score import Scores
from tenure.snapshots.build import Snapshots
from tenure.sources.source import parse_source
from tenure.steps.opening import open_run
from tenure.steps.review import review_run
from tenure.targets.catalogue import targets_of

CUSTOMERS = [f"c{n:03d}" for n in range(100)]
TOML = 'name = "shop"\n[targets.lapse]\nhorizon_days = 30\neligible_days = 90\n'
LAPSE = targets_of(parse_source(TOML, name="shop", where="here"))["lapse"]
SCORED, LATER, TODAY = date(2024, 4, 1), date(2024, 5, 1), date(2024, 6, 15)


def shop(root, **more):
    """A hundred customers who order in March; every second one again in April, and those again in May."""
    orders = [f"{c} 2024-03-10 {c}a 1 5" for c in CUSTOMERS]
    orders += [f"{c} 2024-04-10 {c}b 1 5" for c in CUSTOMERS[::2]] + [
        f"{c} 2024-05-10 {c}c 1 5" for c in CUSTOMERS[::4]
    ]
    orders += ["zoe 2024-06-14 z 1 5"]
    tables = {"order_lines": ("customer_id occurred_at order_id quantity amount", *orders)} | more
    return Snapshots(Workspace(root), staged(root, TOML, **tables), TODAY)


def score(root, as_of, propensity, kind="scheduled", at="2024-04-01", rule=0.0, target=LAPSE, customers=CUSTOMERS):
    """Append to the ledger what a target said of all hundred."""
    table = pd.DataFrame({"customer_id": CUSTOMERS, "propensity": propensity, "decile": np.arange(100) // 10 + 1})
    table = table.assign(heuristic_score=rule, model_version="1")[table["customer_id"].isin(customers)]
    append_to_ledger(
        Workspace(root), Scores(pd.DataFrame(), {"lapse": table}, targets={"lapse": target} if target else {}), source="shop",
        as_of=as_of, run_id="r", run_kind=kind, scored_at=datetime.fromisoformat(at),
    )  # fmt: skip


def forget_definitions(root):
    """Make the ledger one of before there were definitions and an order."""
    for entry in entries(Workspace(root), "shop"):
        entry.read().drop(columns=["definition", "sequence"]).to_parquet(entry.path)


def find_outcomes(snapshots, about=None):
    """Find the outcomes where all can be reviewed; ``about`` is what the model of version 1 says of itself."""
    found, problems = outcomes.find_outcomes(snapshots, lambda target, version, kind: about)
    assert not problems
    return found


def test_a_forecast_is_compared_with_what_came_true(tmp_path):
    score(tmp_path, SCORED, 0.5)
    (outcome,) = find_outcomes(shop(tmp_path))
    assert (outcome.customers, outcome.expected, outcome.realised, outcome.is_as_expected) == (100, 50.0, 50, True)
    assert outcome.contacted is None, "the shop does not say whom it contacted"
    assert list(outcome.deciles["realised"]) == [5] * 10 and list(outcome.deciles["lift"]) == [1.0] * 10


def test_whom_the_rule_knows_nothing_of_stands_in_its_middle_as_in_training(tmp_path):
    # Every odd customer lapses, and the rule says so; of the others it knows half. In the middle, which is 1, these tie.
    score(tmp_path, SCORED, 0.5, rule=[[0.0, 1.0, np.nan, 1.0][n % 4] for n in range(100)])
    (outcome,) = find_outcomes(shop(tmp_path))
    assert outcome.to_heuristic.value == pytest.approx(0.5 - 0.75)


def test_contacted_customers_are_left_out_and_controls_are_not(tmp_path):
    contacts = [f"{c} 2024-04-05 x {'control' if n < 5 else 'treated'}" for n, c in enumerate(CUSTOMERS[1:21:2])]
    score(tmp_path, SCORED, 0.5)
    snapshots = shop(tmp_path, contacts=("customer_id occurred_at campaign_id arm", *contacts))
    (outcome,) = find_outcomes(snapshots)
    assert (outcome.contacted, outcome.customers, outcome.realised) == (5, 95, 45)


def test_the_first_scheduled_scores_count_not_later_ones_nor_tries_by_hand(tmp_path):
    score(tmp_path, SCORED, 0.9, kind="manual", at="2024-04-01")
    score(tmp_path, SCORED, 0.5, at="2024-04-03")
    score(tmp_path, SCORED, 0.7, at="2024-04-02")  # its clock went wrong
    (outcome,) = find_outcomes(shop(tmp_path))
    assert outcome.expected == pytest.approx(50)


def test_scores_whose_outcomes_are_not_certain_are_left_for_later(tmp_path):
    score(tmp_path, date(2024, 5, 20), 0.5)
    assert find_outcomes(shop(tmp_path)) == []


def test_one_missed_forecast_is_no_warning_two_in_a_row_are(tmp_path):
    score(tmp_path, LATER, 0.2)
    once = find_outcomes(shop(tmp_path))
    assert not once[0].is_as_expected and list(outcome_problems(once)) == []
    score(tmp_path, SCORED, 0.2)
    (problem,) = outcome_problems(find_outcomes(shop(tmp_path)))
    assert str(problem).startswith(
        "warning: lapse: the forecasts of 2024-04-01 and 2024-05-01 were too low: 20 expected (12-28)"
    )


def test_the_expected_interval_is_the_binomials_where_all_propensities_are_equal():
    from scipy.stats import binom

    assert expected_interval(np.full(100, 0.2)) == tuple(binom(100, 0.2).ppf([0.025, 0.975]))


NOW_OF_5_DAYS = 'name = "shop"\n[targets.lapse]\nhorizon_days = 5\neligible_days = 20\n'


def asked_otherwise(root, toml=NOW_OF_5_DAYS, **more):
    """The shop with another definition than its scores were made under. In 5 days all lapse; of 20 nobody is asked any more."""
    shop(root, **more)
    return Snapshots(Workspace(root), staged(root, toml), TODAY)


def test_scores_are_held_to_the_window_the_outcome_and_the_customers_of_their_own_definition(tmp_path):
    score(tmp_path, SCORED, 0.5)
    (outcome,) = find_outcomes(asked_otherwise(tmp_path))
    assert (outcome.customers, outcome.realised, outcome.horizon_days, outcome.is_current) == (100, 50, 30, False)
    score(tmp_path, LATER, 0.9, target=replace(LAPSE, horizon_days=5, eligible_days=60))
    today = asked_otherwise(tmp_path, NOW_OF_5_DAYS.replace("20", "60"))
    assert outcome_table(find_outcomes(today))[["as_of", "horizon_days", "customers", "realised"]].to_numpy().tolist() == [
        [SCORED, 30, 100, 50], [LATER, 5, 100, 100],
    ]  # fmt: skip


def test_an_outcome_is_certain_by_the_definition_it_was_forecast_under(tmp_path):
    score(tmp_path, SCORED, 0.5, target=replace(LAPSE, horizon_days=76))  # until 16 June, the day after the as-of
    assert find_outcomes(asked_otherwise(tmp_path)) == []
    score(tmp_path, SCORED, 0.5, target=replace(LAPSE, horizon_days=75))
    (outcome,) = find_outcomes(asked_otherwise(tmp_path))
    assert (outcome.horizon_days, outcome.realised) == (75, 50)
    with pytest.raises(NotEnoughDataError, match="certain on 2024-06-16"):
        list(asked_otherwise(tmp_path).label(replace(LAPSE, horizon_days=76), {SCORED: CUSTOMERS}))


def test_two_definitions_of_one_day_are_each_held_to_their_own(tmp_path):
    score(tmp_path, SCORED, 0.5)
    score(tmp_path, SCORED, 0.9, target=replace(LAPSE, horizon_days=5, eligible_days=60))
    found = find_outcomes(asked_otherwise(tmp_path, NOW_OF_5_DAYS.replace("20", "60")))
    assert [(p.horizon_days, p.realised, p.is_current) for p in found] == [(30, 50, False), (5, 100, True)]
    assert {p.as_of for p in found} == {SCORED}


def test_what_was_known_too_late_fulfils_no_forecast_of_an_earlier_definition_either(tmp_path):
    late = [f"{c} 2024-04-20 2024-06-15 {c}d 1 5" for c in CUSTOMERS[1::2]]
    known = [f"{c} 2024-03-10 2024-03-10 {c}a 1 5" for c in CUSTOMERS]
    known += [f"{c} 2024-04-10 2024-04-10 {c}b 1 5" for c in CUSTOMERS[::2]]
    orders = (
        "customer_id occurred_at known_at order_id quantity amount",
        *known,
        *late,
        "zoe 2024-06-14 2024-06-14 z 1 5",
    )
    score(tmp_path, SCORED, 0.5)
    (outcome,) = find_outcomes(asked_otherwise(tmp_path, order_lines=orders))
    assert outcome.realised == 50
    later = Snapshots(Workspace(tmp_path), asked_otherwise(tmp_path, order_lines=orders).staged, date(2024, 6, 16))
    assert find_outcomes(later)[0].realised == 0


def test_who_is_gone_from_the_facts_did_not_lapse(tmp_path):
    score(tmp_path, SCORED, 0.5)
    orders = [f"{c} 2024-03-10 {c}a 1 5" for c in CUSTOMERS[:60]] + [f"{c} 2024-04-10 {c}b 1 5" for c in CUSTOMERS[:40]]
    facts = ("customer_id occurred_at order_id quantity amount", *orders, "zoe 2024-06-14 z 1 5")
    (outcome,) = find_outcomes(asked_otherwise(tmp_path, order_lines=facts))
    assert (outcome.customers, outcome.realised) == (60, 20)


def test_a_missed_forecast_of_an_earlier_definition_accuses_no_champion_of_todays(tmp_path):
    score(tmp_path, SCORED, 0.2)
    score(tmp_path, LATER, 0.2)
    missed = find_outcomes(asked_otherwise(tmp_path))
    assert [p.is_as_expected for p in missed] == [False, False] and list(outcome_problems(missed)) == []
    assert len([*outcome_problems([replace(outcome, is_current=True) for outcome in missed])]) == 1


def test_scores_older_than_definitions_are_held_to_what_their_model_says_it_was_asked(tmp_path):
    score(tmp_path, SCORED, 0.5)
    forget_definitions(tmp_path)
    about = {"question": LAPSE.describe(), "horizon_days": 30, "lead_days": 0, "label_lag_days": 0}
    (outcome,) = find_outcomes(shop(tmp_path), about)
    assert (outcome.realised, outcome.is_current) == (50, True)
    (outcome,) = find_outcomes(asked_otherwise(tmp_path, NOW_OF_5_DAYS.replace("20", "90")), about)
    assert (outcome.realised, outcome.horizon_days, outcome.is_current) == (50, 30, False)


@pytest.mark.parametrize(
    "about", [None, {}, {"question": "Who leaves?", "horizon_days": 30, "lead_days": 0, "label_lag_days": 0}]
)
def test_scores_of_which_nobody_knows_what_they_answer_are_warned_of_and_not_comparable(tmp_path, about):
    score(tmp_path, SCORED, 0.5)
    forget_definitions(tmp_path)
    score(tmp_path, LATER, 0.5)
    found, (problem,) = outcomes.find_outcomes(shop(tmp_path), lambda *_: about)
    assert [outcome.as_of for outcome in found] == [LATER]
    assert str(problem).startswith(
        "warning: lapse: 1 earlier scores (2024-04-01 to 2024-04-01) cannot be compared with their outcomes: the definition behind version 1 is not known"
    )


def test_a_definition_that_asks_for_a_table_which_is_gone_is_warned_of(tmp_path):
    of_payments = replace(LAPSE, outcome=replace(LAPSE.outcome, table="payments", expression="count(*) = 0"))
    score(tmp_path, SCORED, 0.5, target=of_payments)
    found, (problem,) = outcomes.find_outcomes(shop(tmp_path), lambda *_: None)
    assert not found and "needs a table that is gone" in problem.text
    payments = [f"{c} 2024-04-10 5 succeeded" for c in CUSTOMERS[::4]]
    (outcome,) = find_outcomes(shop(tmp_path, payments=("customer_id occurred_at amount status", *payments)))
    assert outcome.realised == 75


def test_the_review_shows_the_horizon_of_an_earlier_definition_and_warns_of_what_it_cannot_compare(tmp_path):
    score(tmp_path, SCORED, 0.5)
    score(tmp_path, date(2024, 4, 2), 0.5, target=None)
    asked_otherwise(tmp_path)
    run = open_run("shop", workspace=str(tmp_path), as_of=str(TODAY))
    found = review_run(run)
    assert found.table[["horizon_days", "realised"]].to_numpy().tolist() == [[30, 50]]
    assert [problem.about for problem in found.problems if "cannot be compared" in problem.text] == ["lapse"]
    page = " ".join((run.output / "review.html").read_text().split())
    assert "v1, asked for 30 days" in page and ", in the 30 days asked for then, and <b>50 came true" in page
