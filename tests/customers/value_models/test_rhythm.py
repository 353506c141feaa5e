"""When the next purchase is due: own rhythm, the category's, what has passed, and whether intervals hold."""

import numpy as np
import pandas as pd
import pytest

from tenure.customers.value_models.rhythm import COVERAGE, calibrate, due_days, next_days, remaining_days, rhythms


def bought(*rows):
    table = pd.DataFrame(rows, columns=["customer_id", "category", "day"])
    return table.assign(known=table["day"])


def every(customer, gap, until, category="milk", start=0):
    return [(customer, category, day) for day in range(start, until, gap)]


def drawn(customers=800, days=700, seed=4):
    """Customers whose mean gaps differ, about 12 days, and whose gaps scatter around their own."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        centre, day = np.log(12) + 0.5 * generator.normal(), float(generator.uniform(0, 60))
        while day < days:
            rows.append((f"c{number}", "milk", int(day)))
            day += max(1.0, np.exp(centre + 0.3 * generator.normal()))
    return bought(*dict.fromkeys(rows))


def test_many_gaps_speak_for_the_customer_few_for_the_category():
    rows = [row for n in range(20) for row in every(f"usual{n}", 9 + n % 3, 200)]
    table = rhythms(bought(*rows, *every("slow", 40, 200), ("new", "milk", 190)), 200, 1).set_index("customer_id")
    gap = np.exp(table["log_gap"])
    assert gap["usual1"] == pytest.approx(10, rel=0.1)
    assert 20 < gap["slow"] < 40  # four gaps draw away from ten days, not all the way
    assert 9 < gap["new"] < 13  # no gap at all: the category's


def test_a_purchase_is_due_after_now_however_long_ago_the_last_one_was():
    table = rhythms(bought(*every("ana", 10, 100), *every("bob", 10, 60), *every("cem", 11, 100)), 100, 3)
    due = dict(zip(table["customer_id"], remaining_days(table, 0.5), strict=True))
    assert 0 < due["ana"] < 15 and due["bob"] > 0


def test_nothing_of_the_day_itself_or_known_later_is_seen():
    then = bought(*every("ana", 10, 95), *every("bob", 12, 95))
    later = pd.DataFrame(
        [("ana", "milk", 95, 95), ("bob", "milk", 80, 99)], columns=["customer_id", "category", "day", "known"]
    )
    pd.testing.assert_frame_equal(due_days(then, 95, 1), due_days(pd.concat([then, later]), 95, 1))


def test_intervals_calibrated_on_the_past_hold_afterwards():
    purchases = drawn()
    now = 600
    told = due_days(purchases[purchases["day"] < now], now, 3)
    actual = next_days(told.assign(elapsed=now - told["last"]), purchases, 700) - now
    came = ~np.isnan(actual)
    held = (actual >= told["low"]) & (actual <= told["high"])
    assert came.mean() > 0.9 and held[came].mean() == pytest.approx(COVERAGE, abs=0.06)
    error = np.median(np.abs(told["due"] - actual)[came])
    plain = np.median(np.abs(np.maximum(told["last"] + told["mean_gap"] - now, 0) - actual)[came])
    assert error < plain


def test_too_short_a_past_keeps_the_nominal_quantiles():
    purchases = bought(*every("ana", 5, 40), *every("bob", 6, 40))
    assert calibrate(purchases, 40, 1).levels == {}
    assert set(calibrate(drawn(300), 700, 3).levels) >= {28}
