"""The first lines of the pages say whom to act on, what it is assumed to be worth, and how far to believe it."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from tables import staged
from tenure.audit.full import SourceAudit, TargetAudit
from tenure.audit.replay import Replay
from tenure.reporting.decision import Decision, decide
from tenure.reporting.record import Data, Definition, Judgement, Results, TrainingRecord, refused
from tenure.reporting.report import audit_page, index_page, target_page

AS_OF = "2024-07-01"
ORDERS = (
    "customer_id occurred_at order_id amount",
    "ana 2024-06-30 a1 10",
    "- 2024-06-01 b1 10",
    "bob never b2 10",
    "bob 2024-05-01 b3 10",
)
TOML = """
currency = "EUR"

[order_lines]
from = "order_lines.csv"
customer_id = "customer_id"
occurred_at = "occurred_at"
order_id = "order_id"
amount = "amount"
max_rejected_share = 0.5
"""
METRICS = dict.fromkeys(
    (
        "auc auc_low auc_high auc_heuristic auc_heuristic_low auc_heuristic_high auc_logistic auc_logistic_low auc_logistic_high average_precision "
        "average_precision_low average_precision_high average_precision_heuristic average_precision_logistic log_loss log_loss_low log_loss_high "
        "log_loss_logistic log_loss_base_rate lift_top_decile lift_top_decile_low lift_top_decile_high lift_top_decile_heuristic ece ece_low "
        "ece_high ece_by_chance calibration_slope calibration_slope_low calibration_slope_high calibration_intercept "
        "calibration_intercept_low calibration_intercept_high base_rate"
    ).split(),
    0.25,
) | {"auc": 0.8, "capacity": 4}
RECORD = TrainingRecord(
    "lapse",
    "trained",
    "",
    definition=Definition(question="Who lapses?", eligible="bought", positive="lapsed", horizon_days=90, save_rate=0.1),
    data=Data(
        test_cutoff="2024-03-01",
        fitting_cutoffs=["2024-01-01"],
        counts={"eligible": 40, "positives": 10, "fitting_rows": 80, "fitting_customers": 50},
    ),
    results=Results(metrics=METRICS),
    judgement=Judgement(univariate=[{"feature": "days_since_order", "auc": 0.7}]),
)


def ranked(*values: float) -> pd.DataFrame:
    """A ranked list of one customer per decile, worth so much each; the propensities fall from .9 by .1."""
    rows = [
        {
            "customer_id": f"c{place}", "propensity": 0.9 - 0.1 * place, "decile": place + 1, "reason_1": "", "reason_2": "", "reason_3": "",
            "effect_low": 0.0, "effect_high": 0.1, "stake": 100.0, "stake_is": "margin", "cost": 1.0, "value_of_acting": value,
            "is_assumed": True, "may_be_contacted": True,
        }
        for place, value in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def shop(tmp_path):
    return staged(tmp_path, order_lines=ORDERS, toml=TOML)


def lapse_page(shop, listed, record=RECORD):
    return " ".join(target_page(record, listed, shop, AS_OF, shop.folder).split())


def test_a_list_is_summed_up_by_who_is_worth_more_than_a_contact_costs():
    assert decide(ranked(-1.0, 4.0, 0.0, 3.5)) == Decision(
        asked=4, worth=2, chosen=2, value=7.5, first=1, expected=0.9, low=-2.0, high=18.0
    )


def test_no_more_are_chosen_than_can_be_contacted_and_those_worth_most_come_first():
    assert decide(ranked(3.5, 4.0, 1.0), capacity=2) == Decision(
        asked=3, worth=3, chosen=2, value=7.5, first=1, expected=0.9, low=-2.0, high=18.0
    )


def test_a_value_that_is_not_known_is_not_worth_a_contact():
    assert decide(ranked(float("nan"), 2.0)) == Decision(
        asked=2, worth=1, chosen=1, value=2.0, first=1, expected=0.9, low=-1.0, high=9.0
    )


def test_who_may_be_contacted_by_no_channel_is_counted_apart_and_on_no_list_to_contact(shop):
    listed = ranked(4.0, 2.0, 8.0).assign(may_be_contacted=[True, True, False])
    assert decide(listed) == Decision(
        asked=3, worth=2, chosen=2, value=6.0, first=1, expected=0.9, barred=1, low=-2.0, high=18.0
    )
    page = lapse_page(shop, listed)
    first = page[page.index("Whom to contact first") : page.index("The highest propensities")]
    assert ">c0<" in first and ">c2<" not in first
    assert "1 may be contacted by no channel and are not counted." in page


def test_a_measured_effect_is_called_measured_and_an_assumed_one_assumed(shop):
    page = lapse_page(shop, ranked(4.0).assign(is_assumed=False))
    assert "acting is measured to bring EUR 4 more than it costs (measured, EUR -1 to 9);" in page
    assert "at a rate of" not in page and "assumed" not in page[page.index("Value of acting, in") :][:600]
    assert "(assumed, EUR -1 to 9), at a rate of 10%;" in lapse_page(shop, ranked(4.0))


def test_the_target_page_opens_with_whom_to_contact_and_what_it_is_assumed_to_bring(shop):
    page = lapse_page(shop, ranked(-1.0, 4.0, 0.0, 3.5))
    assert "<b>Contact 2 of the 4 customers asked as of 2024-07-01:</b>" in page
    assert "assumed to bring EUR 8 more than it costs (assumed, EUR -2 to 18), at a rate of 10%;" in page
    assert "about 1 are expected to have lapsed 90 days later" in page
    assert page.index("Contact 2 of the 4") < page.index("Protocol:") < page.index("Whom to contact first")


def test_where_more_are_worth_it_than_can_be_contacted_the_page_says_so(shop):
    page = lapse_page(
        shop, ranked(1.0, 4.0, 2.0), replace(RECORD, definition=replace(RECORD.definition, contact_capacity=1))
    )
    assert "<b>Contact 1 of the 3 customers" in page and "3 would be worth it, but no more can be contacted." in page


def test_who_costs_more_than_acting_brings_is_not_among_those_to_contact_first(shop):
    page = lapse_page(shop, ranked(-1.0, 4.0))
    first = page[page.index("Whom to contact first") : page.index("The highest propensities")]
    assert ">c1<" in first and ">c0<" not in first


def test_where_nobody_is_worth_a_contact_the_page_says_to_contact_nobody(shop):
    page = lapse_page(shop, ranked(-1.0, -2.0))
    assert "<b>Contact nobody:</b>" in page and "Nobody is worth a contact under these assumptions." in page


def test_without_scores_the_page_gives_no_decision(shop):
    page = lapse_page(shop, None)
    assert "No customer was scored" in page and "to contact, of" not in page


def test_the_index_tells_whom_to_act_on_per_target_and_why_rows_were_rejected(shop):
    churn = refused("churn", "churn: 7 of 88 churned.", "too_little_data", question="Who churns?")
    decisions = {"lapse": Decision(asked=4, worth=2, chosen=2, value=7.5, first=1, expected=0.9)}
    page = index_page([churn, RECORD], shop, AS_OF, 2, decisions=decisions)
    assert "<b>2</b> of 4" in page and 'href="lapse.csv"' in page
    assert ">churn: 7 of 88 churned.<" in page
    assert (
        "order_lines: 2 rejected (1 no customer, 1 occurred_at is not a date), "
        "kept in data/staged/shop/rejected/order_lines.parquet" in page
    )


def test_a_check_of_the_audit_that_could_not_run_is_not_shown_as_one_that_found_nothing(shop):
    failed = Replay("replay", date(2024, 3, 1), 0, 0, 0, pd.DataFrame(), failed="no such file")
    late = pd.DataFrame(columns=["table", "rows", "late", "share", "median_days_late"])
    page = audit_page(SourceAudit([failed], [], late, [TargetAudit("lapse", refused="lapse: too few.")]), shop, AS_OF)
    assert ">could not run<" in page and "could not run: no such file" in page and "lapse: too few." in page
