"""What customers are worth, on small sources: which model is believed, and what is said where little is known."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import NotEnoughDataError
from tenure.customers import value
from tenure.snapshots.engines.facts_at import facts_at

AS_OF = date(2024, 1, 1)
HEADER = "customer_id occurred_at known_at order_id quantity amount"


def orders(customers=60, days=400, seed=1):
    """Half of them buy every 20 to 40 days until the end, half stop after a while."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        day, until = int(generator.integers(0, 150)), days if number % 2 else int(generator.integers(160, 300))
        while day < until:
            when = AS_OF - timedelta(days=days - day)
            rows.append(f"c{number:03d} {when} {when} o{number}-{day} 1 {20 + number % 7}")
            day += int(generator.integers(20, 40))
    return rows


def told(root, order_lines=(), *, as_of=AS_OF, **tables):
    if order_lines:
        tables["order_lines"] = (HEADER, *order_lines)
    with facts_at(staged(root, **tables), as_of) as facts:
        table, tables = value.build(facts, pd.DataFrame())
        return table.set_index("customer_id"), tables


def subscriptions(count=80):
    rows = ["customer_id subscription_id occurred_at event plan monthly_price"]
    for number in range(count):
        start, price = AS_OF - timedelta(days=330 - number), 10 + 20 * (number % 2)
        rows.append(f"s{number:03d} s{number} {start} started plan{number % 2} {price}")
        if number % 3 == 0:
            rows.append(f"s{number:03d} s{number} {start + timedelta(days=90 + number)} ended - -")
    return tuple(rows)


def test_who_keeps_buying_is_worth_more_than_who_stopped_and_one_purchase_is_enough(tmp_path):
    first = f"once {AS_OF - timedelta(days=3)} {AS_OF - timedelta(days=3)} o 1 25"
    customers, details = told(tmp_path, [*orders(), first])
    active = customers.index.str.match(r"c\d\d[13579]")
    assert customers.loc[active, "value_12m"].mean() > 2 * customers.loc[~active, "value_12m"].mean()
    assert customers.loc[active, "p_alive"].mean() > 0.7 > 0.4 > customers.loc[~active, "p_alive"].drop("once").mean()
    assert customers.loc["once", "value_3m"] > 0 and customers.notna().all(axis=None)
    assert (customers["value_12m"] >= customers["value_3m"]).all()
    models = details["value_models"]
    assert models.groupby("horizon_days")["is_used"].sum().tolist() == [1, 1]
    assert set(models["judged_until"]) == {pd.Timestamp(AS_OF)} and (models["error_low"] <= models["error"]).all()
    shares = details["best_customers"].set_index("top_share")["share_of_value_12m"]
    assert shares.is_monotonic_increasing and 0.2 < shares[0.20] < 1


def test_value_is_blind_to_what_happens_or_becomes_known_from_the_as_of_on(tmp_path):
    rows = orders()
    later = [f"c000 {AS_OF} {AS_OF} later 1 9999", f"c001 {AS_OF - timedelta(days=9)} {AS_OF} late 1 9999"]
    pd.testing.assert_frame_equal(told(tmp_path / "then", rows)[0], told(tmp_path / "now", rows + later)[0])


def test_the_days_of_a_month_take_the_same_model_judged_on_the_same_past(tmp_path):
    judged, values = [], []
    for day in range(-3, 1):  # from the 29th of December to the 1st of January
        customers, details = told(tmp_path / str(day), orders(), as_of=AS_OF + timedelta(days=day))
        judged.append(details["value_models"])
        values.append(customers["value_12m"])
    for later in judged[1:3]:
        pd.testing.assert_frame_equal(judged[0], later)
    assert [str(models["judged_until"][0].date()) for models in judged] == ["2023-12-01"] * 3 + ["2024-01-01"]
    assert (values[1] / values[0]).between(0.8, 1.25).all()


def test_who_bought_but_once_and_long_ago_has_hardly_a_chance_of_being_alive(tmp_path):
    first = f"once {AS_OF - timedelta(days=380)} {AS_OF - timedelta(days=380)} o 1 25"
    customers, details = told(tmp_path, [*orders(), first])
    assert customers.loc["once", "p_alive"] < 0.1
    assert {"BG/NBD with Gamma-Gamma", "Pareto/NBD with Gamma-Gamma"} <= set(details["value_models"].dropna()["model"])


def test_a_history_of_weeks_is_judged_to_its_end(tmp_path):
    _, details = told(tmp_path, orders(days=70), as_of=AS_OF - timedelta(days=10))
    assert set(details["value_models"]["judged_until"]) == {pd.Timestamp(AS_OF - timedelta(days=10))}


def test_who_only_returned_has_no_value_and_changes_nobody_elses(tmp_path):
    with_return, _ = told(tmp_path / "a", [*orders(), f"cem {AS_OF - timedelta(days=50)} - r1 -1 -30"])
    assert "cem" not in with_return.index
    with pytest.raises(NotEnoughDataError, match="only returned"):
        told(tmp_path / "b", [f"cem {AS_OF - timedelta(days=50)} - r1 -1 -30"])


def test_one_purchase_each_is_told_by_the_plain_average_or_not_at_all(tmp_path):
    rows = [f"c{n} {AS_OF - timedelta(days=10 + n)} - o{n} 1 10" for n in range(30)]
    customers, details = told(tmp_path, rows)
    models = details["value_models"]
    assert set(models.loc[models["is_used"], "model"]) == {"past average"}
    assert models.loc[models["model"].str.startswith("BG"), "note"].str.contains("second day").all()
    assert customers["p_alive"].isna().all() and customers["value_3m"].notna().all()


def test_subscriptions_alone_bring_their_price_for_as_long_as_they_are_expected_to_live(tmp_path):
    customers, details = told(tmp_path, subscription_events=subscriptions())
    full = 0.3 * 91 / 30 * np.array([10.0, 30.0])  # margin rate x months x price, if nobody left
    assert 0.75 * full[0] < customers.loc["s002", "value_3m"] < 1.05 * full[0]
    assert 0.75 * full[1] < customers.loc["s001", "value_3m"] < 1.05 * full[1]
    assert customers.loc["s003", "value_3m"] < 0.3 * full[1]  # ended long ago
    assert customers["expected_purchases_3m"].isna().all()
    assert "survival by plan and tenure" in set(details["value_models"]["model"])


def test_orders_and_subscriptions_add_up(tmp_path):
    apart, _ = told(tmp_path / "orders", orders())
    rows = [row.replace("c0", "s0", 1) for row in orders()]
    both, _ = told(tmp_path / "both", rows, subscription_events=subscriptions())
    alone, _ = told(tmp_path / "subscriptions", subscription_events=subscriptions())
    assert both.loc["s001", "value_3m"] == pytest.approx(apart.loc["c001", "value_3m"] + alone.loc["s001", "value_3m"])
    assert both.loc["s070", "value_3m"] == alone.loc["s070", "value_3m"]  # who never ordered


def test_a_source_with_neither_says_so(tmp_path):
    with pytest.raises(NotEnoughDataError, match="needs order_lines or subscription_events"):
        told(tmp_path, engagement=("customer_id occurred_at kind", "ana 2023-01-01 open"))
