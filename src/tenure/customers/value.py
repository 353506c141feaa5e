"""What a customer is worth: the margin expected of the next 3 and 12 months, from orders and subscriptions together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.numbered import Numbered
from tenure.customers.value_models import shop, subscriptions
from tenure.customers.value_models.comparison import Forecaster, forecast_all, judge
from tenure.snapshots.engines.facts_at import FactsAt
from tenure.targets.state_rules import state_rules

HORIZONS: Mapping[str, int] = {"3m": 91, "12m": 365}
REVENUE = {name: f"revenue_{name}" for name in HORIZONS}
TOP_SHARES = (0.01, 0.05, 0.20)
EPOCH = date(1970, 1, 1)
SIGNIFICANT_DIGITS = 9
# From so much history on the models are judged once a month, not anew each day.
MIN_JUDGED_DAYS = 60
PROTOCOL = (
    "error: root mean squared, of revenue per customer; fitted on what was known before judged_from, compared with "
    "what came until judged_until; interval 95 %, customers drawn"
)


@dataclass(frozen=True)
class Part:
    """One way in which a customer pays: its dated facts, its models, and what customers brought between two days."""

    name: str
    facts: Numbered
    forecasters: Mapping[str, Forecaster]
    outcome: Callable[[pd.DataFrame, pd.Index, int, int], pd.Series]


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Judge the models on the past, and let the best forecast the future.

    => customer_id and the columns of ``ATTRIBUTE``
    => value_models: each model's error; best_customers: the share of value that the best bring

    Raises
    ------
    NotEnoughDataError : neither orders nor subscriptions suffice for any model.
    """
    parts, models, refused = [], [], []
    for open_part in (shop_part, subscription_part):
        try:
            part, judged = forecast_part(open_part(facts), facts.as_of)
        except NotEnoughDataError as error:
            refused.append(str(error))
            continue
        parts.append(part)
        models.append(judged)
    if not parts:
        raise NotEnoughDataError("; ".join(dict.fromkeys(refused)))
    value = pd.concat([part.drop(columns=list(REVENUE.values())) for part in parts], axis=1)
    for name, revenue in REVENUE.items():
        # Of both parts together; empty where neither knows the customer.
        total = pd.concat([part[revenue] for part in parts], axis=1).sum(axis=1, min_count=1)
        value[f"value_{name}"] = total * facts.source.margin_rate
    for short, long in (("value_3m", "value_12m"), ("expected_purchases_3m", "expected_purchases_12m")):
        if short in value:  # two models may disagree on one customer; a year brings no less than its first quarter
            value[long] = value[[short, long]].max(axis=1)
    columns = [column.name for column in ATTRIBUTE.columns]
    table = _rounded(value.reindex(columns=columns)).rename_axis("customer_id").reset_index()
    return table, {"value_models": pd.concat(models, ignore_index=True), "best_customers": best_customers(table)}


def best_customers(customers: pd.DataFrame) -> pd.DataFrame:
    """Say what share of the expected value the best customers bring.

    customer_id, value_3m, value_12m
    => top_share (of the customers with a value), customers, share_of_value_3m, share_of_value_12m
    """
    rows = []
    for share in TOP_SHARES:
        row: dict[str, float] = {"top_share": share}
        for name in HORIZONS:
            ranked = customers[f"value_{name}"].dropna().sort_values(ascending=False).to_numpy()
            count = int(np.ceil(share * len(ranked)))
            total = ranked.sum()
            row |= {"customers": count, f"share_of_value_{name}": ranked[:count].sum() / total if total > 0 else np.nan}
        rows.append(row)
    return pd.DataFrame(rows)


def shop_part(facts: FactsAt) -> Part:
    """Open the purchases known at the as-of.

    Raises
    ------
    NotEnoughDataError : nothing was bought.
    """
    if "order_lines" not in facts.tables:
        raise NotEnoughDataError("needs order_lines or subscription_events, which the source does not have")
    # What became known only later, of a day of purchase, counts as money and not as another purchase.
    purchases = facts.query(
        f"""
        WITH daily AS (
            SELECT
                customer_id,
                date_diff('day', DATE '{EPOCH}', CAST(occurred_at AS DATE))::INTEGER AS day,
                date_diff('day', DATE '{EPOCH}', CAST(known_at AS DATE))::INTEGER AS known,
                CAST(sum(amount) AS DOUBLE) AS amount,
                bool_or(quantity > 0) AS has_bought
            FROM order_lines
            GROUP BY ALL
        )
        SELECT
            customer_id,
            day,
            known,
            amount,
            has_bought
                AND known = min(known) FILTER (WHERE has_bought) OVER (PARTITION BY customer_id, day) AS is_purchase
        FROM daily
        ORDER BY customer_id, day, known"""
    )
    purchases["is_purchase"] = purchases["is_purchase"].fillna(False).astype(bool)
    if not purchases["is_purchase"].any():
        raise NotEnoughDataError("order_lines: nothing was bought before the as-of, only returned. Expected purchases.")

    def outcome(known: pd.DataFrame, index: pd.Index, start: int, end: int) -> pd.Series:
        return shop.outcomes(known, index, start, end)["revenue"]

    return Part("orders", Numbered.of(purchases, "customer_id"), shop.FORECASTERS, outcome)


def priced_events(facts: FactsAt) -> pd.DataFrame:
    """Read the subscription events known at the as-of, each with its price a month.

    => customer_id, subscription_id, occurred_at, known_at, day (since ``EPOCH``), event, plan, monthly_price, term_days

    Raises
    ------
    NotEnoughDataError : no event says a price, and no payment of its day does.
    """
    if "subscription_events" not in facts.tables:
        raise NotEnoughDataError("needs order_lines or subscription_events, which the source does not have")
    # What was charged is the price: that some of it was given back later does not change it.
    known, paid = facts.tables["subscription_events"], facts.tables.get("payments", ())
    month = subscriptions.MONTH_DAYS
    price = "CAST(event.monthly_price AS DOUBLE)" if "monthly_price" in known else "NULL"
    joined = ""
    if {"amount", "status"} <= set(paid) and "term_days" in known:
        price = f"coalesce({price}, {month} * paid.amount / event.term_days)"
        joined = """
        LEFT JOIN (
            SELECT customer_id, CAST(occurred_at AS DATE) AS day, CAST(sum(amount) AS DOUBLE) AS amount
            FROM payments
            WHERE status = 'succeeded'
            GROUP BY ALL
        ) paid
            ON paid.customer_id = event.customer_id
            AND paid.day = CAST(event.occurred_at AS DATE)"""
    plan = "event.plan" if "plan" in known else "NULL"
    term = "event.term_days" if "term_days" in known else "NULL"
    events = facts.query(
        f"""
        SELECT
            event.customer_id,
            coalesce(CAST(event.subscription_id AS VARCHAR), '') AS subscription_id,
            event.occurred_at,
            event.known_at,
            date_diff('day', DATE '{EPOCH}', CAST(event.occurred_at AS DATE)) AS day,
            event.event,
            CAST({plan} AS VARCHAR) AS plan,
            CAST({price} AS DOUBLE) AS monthly_price,
            CAST({term} AS INTEGER) AS term_days
        FROM subscription_events event {joined}
        ORDER BY ALL"""
    )
    if not (events["monthly_price"] > 0).any():
        raise NotEnoughDataError("subscription_events: no event says a monthly_price, nor does a payment of its day.")
    return events


def subscription_part(facts: FactsAt) -> Part:
    """Open the priced events of subscriptions.

    Raises
    ------
    NotEnoughDataError : there are none.
    """
    events = priced_events(facts)
    numbered = Numbered.of(events, "customer_id")
    held = subscriptions.Subscriptions(numbered.table, state_rules(facts.source))

    def outcome(_: pd.DataFrame, index: pd.Index, start: int, end: int) -> pd.Series:
        return subscriptions.accrued(held, index, start, end, end)

    return Part("subscriptions", numbered, subscriptions.forecasters(held), outcome)


def forecast_part(part: Part, as_of: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge the part's models at each horizon on what came until the month began, and let the best forecast it.

    => index customer_id: purchases_<horizon>, revenue_<horizon>, p_alive
    => one row per model and horizon: part, model, horizon_days, judged_from, judged_until, customers, error, ...,
       protocol
    """
    facts = part.facts.table
    end, start = (as_of - EPOCH).days, int(facts["day"].min())
    judged_until = _judged_until(as_of, EPOCH + timedelta(days=start))
    value, models = pd.DataFrame(), []
    for name, days in HORIZONS.items():
        judged = judge(
            part.forecasters,
            partial(part.outcome, facts),
            facts,
            start=start,
            end=(judged_until - EPOCH).days,
            horizon_days=days,
        )
        best = _best(judged, forecast_all(part.forecasters, facts, end, days).tables)
        value = value.reindex(best.index) if value.empty else value
        value[REVENUE[name]] = best["revenue"]
        if "purchases" in best:
            value[f"expected_purchases_{name}"] = best["purchases"]
        if "p_alive" in best:
            value["p_alive"] = best["p_alive"]
        models.append(judged)
    value.index = part.facts.names["customer_id"][value.index]
    return value, _described(pd.concat(models, ignore_index=True), part.name, judged_until)


def _best(judged: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Take the model that is used, or where it cannot be fitted up to the as-of, the next best that can.

    The chance of being alive may come from another model.
    """
    ranked = judged.sort_values(["is_used", "error"], ascending=[False, True])["model"]
    found = [tables[name] for name in ranked if name in tables]
    if not found:
        raise NotEnoughDataError("value: no model could be fitted up to the as-of, though some could before it.")
    alive = [table["p_alive"] for table in found if "p_alive" in table]
    return found[0].assign(p_alive=alive[0]) if alive else found[0]


def _judged_until(as_of: date, first: date) -> date:
    """Return the first day of the month: a choice made anew each day between equal models would let values jump."""
    month = as_of.replace(day=1)
    return month if (month - first).days >= MIN_JUDGED_DAYS else as_of


def _described(models: pd.DataFrame, part: str, judged_until: date) -> pd.DataFrame:
    models.insert(0, "part", part)
    models.insert(3, "judged_from", models.pop("judged_on_day").map(lambda day: EPOCH + timedelta(days=int(day))))
    models.insert(4, "judged_until", pd.Timestamp(judged_until))
    return models.assign(protocol=PROTOCOL)


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.map(lambda value: float(f"{value:.{SIGNIFICANT_DIGITS}g}"), na_action="ignore")


ATTRIBUTE = CustomerAttribute(
    name="value",
    tables=(),
    columns=(
        *(
            AttributeColumn(
                f"value_{name}",
                "currency",
                f"Expected margin of the next {days} days, from orders and subscriptions: expected revenue x the "
                "source's margin rate, by the model that was best out of time (value_models). "
                "Empty for who never bought or subscribed.",
            )
            for name, days in HORIZONS.items()
        ),
        *(
            AttributeColumn(
                f"expected_purchases_{name}",
                "days with a purchase",
                f"Expected number of days with an order in the next {days} days. Empty for who never ordered.",
            )
            for name, days in HORIZONS.items()
        ),
        AttributeColumn(
            "p_alive",
            "probability",
            "That the customer has not stopped ordering for good, by Pareto/NBD; empty where it could not be fitted.",
        ),
    ),
    build=build,
)
