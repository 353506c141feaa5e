"""The survival of subscriptions: on events that can be checked by eye, and on lives drawn from known hazards."""

import numpy as np
import pandas as pd
import pytest

from tenure.customers.value_models.subscriptions import (
    MAX_BINS,
    Subscriptions,
    accrued,
    expected_days,
    hazards,
    segments,
    survival,
)
from tenure.features.subscription_states import StateRules

RULES = StateRules(grace_days=14)


def table(rows):
    """Events by their day, the day on which they were known, and the price a day."""
    columns = ["customer_id", "subscription_id", "day", "known", "event", "plan", "price"]
    events = pd.DataFrame(rows, columns=columns)
    epoch = pd.Timestamp("1970-01-01")
    return events.assign(
        occurred_at=epoch + pd.to_timedelta(events["day"], unit="D"),
        known_at=epoch + pd.to_timedelta(events["known"], unit="D"),
        monthly_price=30 * events["price"].astype(float),
        term_days=pd.Series(pd.NA, index=events.index, dtype="Int64"),
    ).drop(columns=["known", "price"])


EVENTS = table(
    [
        ("ana", "1", 0, 0, "trial_started", "basic", 0.0),
        ("ana", "1", 10, 10, "started", "basic", 1.0),
        ("ana", "1", 40, 40, "upgraded", "top", 2.0),
        ("ana", "1", 60, 65, "ended", "top", None),
        ("bob", "1", 20, 20, "started", "basic", 1.0),
        ("bob", "1", 50, 50, "paused", "basic", None),
        ("bob", "1", 70, 70, "resumed", "basic", None),
    ]
)


def test_revenue_accrues_while_a_subscription_is_live_at_its_price():
    known, everybody = Subscriptions(EVENTS, RULES), pd.Index(["ana", "bob", "cem"])
    assert accrued(known, everybody, 0, 100, 100).tolist() == [30 * 1 + 20 * 2, 30 + 30, 0]
    assert accrued(known, everybody, 30, 50, 100).tolist() == [10 * 1 + 10 * 2, 20, 0]


def test_an_end_not_yet_known_has_not_happened():
    at = segments(EVENTS, 62, RULES)
    assert at[at["is_last"]].set_index("customer_id")["is_live"].to_dict() == {"ana": True, "bob": False}
    assert not segments(EVENTS, 66, RULES).query("customer_id == 'ana' and is_last")["is_live"].any()


def test_hazards_are_ends_over_days_at_risk_whatever_is_still_running():
    generator = np.random.default_rng(2)
    lived = np.minimum(generator.exponential(1 / 0.01, 4000), generator.exponential(1 / 0.002, 4000) + 60)
    rows = []
    for n, days in enumerate(lived):
        start = int(generator.integers(0, 200))
        rows.append((f"c{n}", "1", start, start, "started", "basic", 1.0))
        end = start + int(np.ceil(days))
        rows.append((f"c{n}", "1", end, end, "ended", "basic", None))
    events = table(rows)
    known = Subscriptions(events, RULES)
    found = hazards(known.segments(300))["basic"]
    assert found[0] == pytest.approx(0.01, rel=0.1) and found[1] == pytest.approx(0.01, rel=0.1)
    assert found[2] > 0.0105  # the second cause sets in
    told = survival(known, 300, 60)["revenue"]
    actual = accrued(known, told.index, 300, 360, 400)
    assert told.sum() == pytest.approx(actual.sum(), rel=0.1)


def test_expected_days_are_the_integral_of_the_survival_curve():
    rates = np.full((1, MAX_BINS), 0.02)
    assert expected_days(rates, np.array([12]), 91)[0] == pytest.approx((1 - np.exp(-0.02 * 91)) / 0.02)
    assert expected_days(np.zeros((1, MAX_BINS)), np.array([400]), 365)[0] == pytest.approx(365)
    changing = np.r_[np.full(1, 0.05), np.zeros(MAX_BINS - 1)][None, :]
    first = (1 - np.exp(-0.05 * 20)) / 0.05
    assert expected_days(changing, np.array([10]), 91)[0] == pytest.approx(first + 71 * np.exp(-0.05 * 20))
