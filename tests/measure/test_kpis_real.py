"""Identities against a calculation of their own: pandas, straight from the raw files, for the demo and real companies."""

from datetime import timedelta
from decimal import Decimal
from itertools import groupby

import pandas as pd
import pytest

from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.measure.kpi_tree import KpiTree, kpi_tree
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source


def tree_of(workspace: Workspace, name: str) -> KpiTree:
    staged = stage_source(workspace, read_source(workspace, name))
    return kpi_tree(staged, workspace, staged.default_as_of)


def values(tree: KpiTree, name: str) -> pd.Series:
    own = tree.months[tree.months["kpi"] == name]
    return own.set_index(pd.PeriodIndex(own["month"], freq="M"))["value"]


def check_changes(tree: KpiTree, name: str) -> None:
    """The parts of each whole month add up to the difference from the month before, to the last digit kept."""
    own, parts = values(tree, name), tree.changes[tree.changes["kpi"] == name]
    months = parts.groupby("month")["amount"].sum()
    assert len(months) >= 6
    for month, change in months.items():
        now = pd.Period(month, "M")
        assert change == own[now] - own[now - 1]


def check_orders(tree: KpiTree, lines: pd.DataFrame) -> None:
    """``lines``: customer, order, month, quantity, units (whole numbers, of .0001), as the raw files have them."""
    bought = lines[lines["quantity"] > 0]
    active = bought.groupby("month")["customer"].nunique()
    orders = bought.groupby("month")["order"].nunique()
    assert values(tree, "order_revenue").to_dict() == amounts(lines)
    assert values(tree, "active_customers").to_dict() == active.to_dict()
    product = values(tree, "active_customers") * values(tree, "orders_per_customer") * values(tree, "value_per_order")
    assert {month: round(Decimal(each), 2) for month, each in product.items()} == {
        month: round(each, 2) for month, each in amounts(bought).items()
    }
    assert values(tree, "orders_per_customer").to_dict() == (orders / active).to_dict()
    check_changes(tree, "order_revenue")


def amounts(lines: pd.DataFrame) -> dict[pd.Period, Decimal]:
    return {month: Decimal(int(units)).scaleb(-4) for month, units in lines.groupby("month")["units"].sum().items()}


def units(amounts: pd.Series) -> pd.Series:
    """Staged amounts have four places."""
    return (amounts * 10_000).round().astype("int64")


def test_online_retail(tmp_path, test_data):
    workspace = Workspace(tmp_path)
    fetch_source(workspace, "online_retail", test_data / "online_retail")
    raw = pd.read_parquet(test_data / "online_retail" / "online_retail.parquet").dropna(subset="CustomerID")
    lines = pd.DataFrame(
        {
            "customer": raw["CustomerID"], "order": raw["InvoiceNo"], "quantity": raw["Quantity"],
            "month": pd.to_datetime(raw["InvoiceDate"]).dt.to_period("M"),
            "units": units(raw["Quantity"] * raw["UnitPrice"]),
        }
    )  # fmt: skip
    tree = tree_of(workspace, "online_retail")
    check_orders(tree, lines)
    partial = tree.months.query("kpi == 'order_revenue' and is_partial")["month"]
    assert [str(month) for month in partial] == ["2010-12-01", "2011-12-01"]


def test_complete_journey(tmp_path, test_data):
    workspace = Workspace(tmp_path)
    fetch_source(workspace, "complete_journey", test_data / "complete_journey")
    columns = ["household_id", "basket_id", "quantity", "sales_value", "transaction_timestamp"]
    raw = pd.read_parquet(test_data / "complete_journey" / "transactions.parquet", columns=columns)
    at = pd.to_datetime(raw["transaction_timestamp"])
    local = (at if at.dt.tz else at.dt.tz_localize("UTC")).dt.tz_convert("America/New_York")
    lines = pd.DataFrame(
        {
            "customer": raw["household_id"], "order": raw["basket_id"], "quantity": raw["quantity"],
            "month": local.dt.tz_localize(None).dt.to_period("M"), "units": units(raw["sales_value"]),
        }
    )  # fmt: skip
    check_orders(tree_of(workspace, "complete_journey"), lines)


def test_365_learning_has_subscribers_and_says_no_price(tmp_path, test_data):
    workspace = Workspace(tmp_path)
    fetch_source(workspace, "365_learning", test_data / "365_learning")
    raw = pd.read_parquet(test_data / "365_learning" / "365_student_purchases.parquet")
    terms, months = {"Monthly": 30, "Quarterly": 90, "Annual": 365}, {"Monthly": 1, "Quarterly": 3, "Annual": 12}
    tree = tree_of(workspace, "365_learning")
    assert "subscription_revenue" in tree.unavailable and "order_revenue" in tree.unavailable
    last = pd.Timestamp("2022-10-21")
    # Paid from each purchase to the end of its period, and on to the next one where that came within 30 days of it; a
    # term of 30 days is due after a calendar month, by the rules of customer states, and lapses 30 days after that.
    raw = raw.assign(day=pd.to_datetime(raw["date_purchased"]), term=raw["purchase_type"].map(terms))
    raw = raw.sort_values(["student_id", "day", "term"], ascending=[True, True, False])
    raw = raw.drop_duplicates(["student_id", "day"])
    ends = raw["day"] + pd.to_timedelta(raw["term"], "D")
    following = raw.groupby("student_id")["day"].shift(-1)
    grace = timedelta(days=30)
    due = pd.Series([one.day + pd.DateOffset(months=months[one.purchase_type]) for one in raw.itertuples()], raw.index)
    until = following.where(following <= ends + grace, ends).mask(
        (following <= ends + grace) & (following > due + grace), due
    )
    until = until.mask(following.isna() & (ends + grace >= last), last + timedelta(days=999))
    counted = values(tree, "subscribers")
    for month in counted.index[:-1]:
        closes = (month + 1).to_timestamp()
        assert counted[month] == raw.loc[(raw["day"] < closes) & (until >= closes), "student_id"].nunique(), month
    check_changes(tree, "subscribers")


def walked(events: pd.DataFrame) -> pd.DataFrame:
    """Walk through each subscription's events as the company tells them. => customer, since, until, price (0: paused)"""
    rows = []
    told_of = events.sort_values(["subscription_id", "occurred_at"]).itertuples()
    for _, own in groupby(told_of, lambda event: event.subscription_id):
        state, price, since, customer = "none", Decimal(0), None, None
        for moment, at_once in groupby(own, lambda event: event.occurred_at):
            told = {event.event: event for event in at_once}
            customer, day = next(iter(told.values())).customer_id, moment.normalize()
            if state != "none":
                rows.append((customer, since, day, price if state == "paid" else Decimal(0)))
            if {"started", "renewed", "resumed"} & told.keys() and "ended" not in told:
                state = "paid"
            elif "ended" in told and not {"started", "resumed"} & told.keys():
                state = "none"
            elif "paused" in told:
                state = "paused"
            for kind in ("started", "renewed", "resumed", "upgraded", "downgraded"):  # a change of plan says more
                if kind in told and pd.notna(told[kind].monthly_price):
                    price = Decimal(repr(float(told[kind].monthly_price)))
            since = day
        if state != "none":
            rows.append((customer, since, pd.Timestamp.max, price if state == "paid" else Decimal(0)))
    return pd.DataFrame(rows, columns=["customer", "since", "until", "price"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("demo"))
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=500, months=14)
    return workspace, tree_of(workspace, "demo")


def test_the_demos_orders(demo):
    workspace, tree = demo
    raw = pd.read_parquet(workspace.raw("demo") / "order_lines.parquet")
    lines = pd.DataFrame(
        {
            "customer": raw["customer_id"], "order": raw["order_id"], "quantity": raw["quantity"],
            "month": raw["occurred_at"].dt.to_period("M"), "units": units(raw["amount"]),
        }
    )  # fmt: skip
    check_orders(tree, lines)


def test_the_demos_recurring_revenue_and_every_flow_of_it(demo):
    workspace, tree = demo
    events = pd.read_parquet(workspace.raw("demo") / "subscription_events.parquet")
    spans, name, before = walked(events[events["event"] != "trial_started"]), "subscription_revenue", {}
    begins = spans[spans["since"] < spans["until"].dt.normalize()].groupby("customer")["since"].min()
    for month in values(tree, name).index:
        opens, closes = month.to_timestamp(), (month + 1).to_timestamp()
        own = spans[(spans["since"] < closes) & (spans["until"] >= closes)]
        now = own.groupby("customer")["price"].agg(sum).to_dict()
        came, gone, stayed = now.keys() - before, before.keys() - now, now.keys() & before
        flows = {
            "new": sum(now[one] for one in came if begins[one] >= opens),
            "expansion": sum(max(now[one] - before[one], 0) for one in stayed),
            "contraction": sum(max(before[one] - now[one], 0) for one in stayed),
            "churn": sum(before[one] for one in gone),
            "reactivation": sum(now[one] for one in came if begins[one] < opens),
        }
        assert values(tree, name)[month] == sum(now.values()), month
        assert {flow: values(tree, f"{name}_{flow}")[month] for flow in flows} == flows, month
        before = now
    check_changes(tree, name)
    check_changes(tree, "subscribers")
    assert all(values(tree, f"{name}_{flow}").iloc[1:].astype(float).sum() > 0 for flow in flows)
