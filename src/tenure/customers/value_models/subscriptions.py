"""What subscriptions will bring: the price a day times the days they are expected to live, by plan and tenure.

``events``: customer_id, subscription_id, occurred_at, known_at, event, plan, monthly_price (null where the
event says none), term_days, and ``day``, the days from 1970 to it. Days are such numbers. Revenue accrues day by day,
whatever the terms of payment; ``rules`` are the source's, by which churn is told too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.value_models.comparison import PLAIN, Forecaster
from tenure.customers.value_models.two_stage import TwoStage, training_cutoffs
from tenure.features.due_dates import DUCKDB
from tenure.features.subscription_states import StateRules
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.state_tables import StateTables

EPOCH = date(1970, 1, 1)
BIN_DAYS = 30  # of tenure: the hazard is constant within
MAX_BINS = 24  # later tenures share the last hazard
# Days at risk by which a plan's hazard is shrunk to that of all plans at the same tenure: 20 customers for a month.
DRAWN_BY_DAYS = 600.0
CANCELLING = "(cancelling)"
MONTH_DAYS = 30
HELD = ("paid", "paused")
# The models ask in turn for the day they are judged or asked on, and the day before which all is known.
CUTS_KEPT = 2


class Subscriptions:
    """The events of a source's subscriptions; ``segments`` cuts them as known before a day, once for all who ask."""

    def __init__(self, events: pd.DataFrame, rules: StateRules) -> None:
        self.events = events
        self.segments: Callable[[int], pd.DataFrame] = lru_cache(CUTS_KEPT)(partial(segments, events, rules=rules))


def segments(events: pd.DataFrame, end: int, rules: StateRules) -> pd.DataFrame:
    """Cut each subscription into stretches between the events known before a day.

    => customer_id, subscription_id, start, stop (``end`` for the last), is_last, ends (then it is neither paid for nor
       paused), stratum (plan, or cancelling), price (a day; 0 when not live), is_live (paid for), born (day it was
       last paid for anew)
    """
    with connect() as connection:
        connection.register("subscription_events", events)
        tables = StateTables(
            lambda name, query: connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}"),
            lambda table: table,
            DUCKDB,
        )
        lives = tables.lives(rules, EPOCH + timedelta(days=end))
        cut = connection.execute(_STRETCHES.format(lives=lives, end=end)).df()
    by = cut.groupby(["customer_id", "subscription_id"], sort=False)
    is_held = cut["state"].isin(HELD)
    was_held = is_held.groupby([cut["customer_id"], cut["subscription_id"]], sort=False).shift(fill_value=False)
    is_last = by["start"].shift(-1).isna()
    live = cut["state"] == "paid"
    next_held = by["state"].shift(-1).isin(HELD)
    born = cut["start"].where(~(is_held & was_held)).groupby([cut["customer_id"], cut["subscription_id"]]).ffill()
    plan = cut["plan"].fillna("(no plan)").astype(str)
    return pd.DataFrame(
        {
            "customer_id": cut["customer_id"],
            "subscription_id": cut["subscription_id"],
            "start": cut["start"],
            "stop": cut["stop"],
            "is_last": is_last,
            "ends": is_held & ~is_last & ~next_held,
            "stratum": plan.where(~cut["is_cancelling"], CANCELLING),
            "price": (cut["monthly_price"].fillna(0.0) / MONTH_DAYS).where(live, 0.0).astype(float),
            "is_live": live,
            "born": born.astype(int),
        }
    )


# A segment that ends unsaid is two stretches.
_STRETCHES = """
    WITH lives AS ({lives})
    SELECT
        customer_id, subscription_id, state, plan, CAST(monthly_price AS DOUBLE) AS monthly_price, is_cancelling,
        date_diff('day', DATE '1970-01-01', day)::INTEGER AS start,
        coalesce(date_diff('day', DATE '1970-01-01', until), {end})::INTEGER AS stop
    FROM (
        SELECT * REPLACE (CASE WHEN ends_on <= day THEN 'none' ELSE state END AS state),
            CASE WHEN ends_on > day THEN least(ends_on, next_day) ELSE next_day END AS until
        FROM lives
        UNION ALL
        SELECT * REPLACE ('none' AS state, ends_on AS day), next_day AS until
        FROM lives
        WHERE ends_on > day AND (next_day IS NULL OR ends_on < next_day)
    )
    ORDER BY customer_id, subscription_id, start"""


def accrued(known: Subscriptions, customers: pd.Index, start: int, end: int, known_until: int) -> pd.Series:
    """Add up the revenue of the days ``[start, end)`` as known at a later day. => per customer of ``customers``"""
    cut = known.segments(known_until)
    days = (np.minimum(cut["stop"], end) - np.maximum(cut["start"], start)).clip(lower=0)
    return (days * cut["price"]).groupby(cut["customer_id"]).sum().reindex(customers).fillna(0.0)


def hazards(cut: pd.DataFrame) -> dict[str, np.ndarray]:
    """Estimate the rate a day of ending, per stratum and month of tenure: ends ÷ days at risk, right-censored.

    A stratum's is drawn to that of all by ``DRAWN_BY_DAYS``. Source: Kalbfleisch and Prentice (2002),
    piecewise-exponential maximum likelihood.

    Raises
    ------
    NotEnoughDataError : nobody was ever at risk.
    """
    live = cut[cut["is_live"] & (cut["stop"] > cut["start"])]
    if live.empty:
        raise NotEnoughDataError(
            "survival: no subscription was live for a day. Expected some with a start and a later day."
        )
    first, last = (live["start"] - live["born"]).to_numpy(), (live["stop"] - live["born"]).to_numpy()
    strata, names = pd.factorize(live["stratum"], sort=True)
    at_risk, ended = np.zeros((len(names), MAX_BINS)), np.zeros((len(names), MAX_BINS))
    for number in range(MAX_BINS):
        lower, upper = number * BIN_DAYS, np.inf if number == MAX_BINS - 1 else (number + 1) * BIN_DAYS
        days = np.clip(np.minimum(last, upper) - np.maximum(first, lower), 0, None)
        at_risk[:, number] = np.bincount(strata, days, len(names))
        ends_here = live["ends"].to_numpy() & (last > lower) & (last <= upper)
        ended[:, number] = np.bincount(strata, ends_here, len(names))
    usual = np.array([name != CANCELLING for name in names])
    pooled = _drawn(
        ended[usual].sum(axis=0), at_risk[usual].sum(axis=0), ended[usual].sum() / max(at_risk[usual].sum(), 1.0)
    )
    cancelling = ended[~usual].sum() / max(at_risk[~usual].sum(), 1.0)
    return {
        name: _drawn(ended[n], at_risk[n], pooled if usual[n] else cancelling) for n, name in enumerate(names)
    } | {"": pooled}  # fmt: skip


def _drawn(ended: np.ndarray, at_risk: np.ndarray, to: np.ndarray | float) -> np.ndarray:
    return np.asarray((ended + DRAWN_BY_DAYS * to) / (at_risk + DRAWN_BY_DAYS))


def expected_days(rates: np.ndarray, tenure: np.ndarray, days: int) -> np.ndarray:
    """Return how many of the next ``days`` a subscription is expected to live: the survival curve, integrated.

    ``rates``: a day, one row per subscription and one column per month of tenure.
    """
    survival, lived = np.ones(len(tenure)), np.zeros(len(tenure))
    at, left = tenure.astype(float), np.full(len(tenure), float(days))
    while (left > 0).any():
        place = np.minimum(at // BIN_DAYS, MAX_BINS - 1).astype(int)
        step = np.minimum(left, np.where(place == MAX_BINS - 1, left, (place + 1) * BIN_DAYS - at))
        rate = rates[np.arange(len(place)), place]
        share = -np.expm1(-rate * step)
        lived += survival * np.where(rate > 0, share / np.where(rate > 0, rate, 1.0), step)
        survival, at, left = survival * (1 - share), at + step, left - step
    return lived


def survival(known: Subscriptions, end: int, days: int) -> pd.DataFrame:
    """Expect each live subscription to bring its price for the days it is expected to live, and others nothing."""
    cut = known.segments(end)
    by_stratum = hazards(cut)
    now = cut[cut["is_last"] & cut["is_live"]]
    rates = np.array([by_stratum.get(name, by_stratum[""]) for name in now["stratum"]]).reshape(-1, MAX_BINS)
    lived = expected_days(rates, (end - now["born"]).to_numpy(), days)
    revenue = (now["price"] * lived).groupby(now["customer_id"]).sum()
    return pd.DataFrame({"revenue": revenue.reindex(_everyone(cut)).fillna(0.0)})


def past_average(known: Subscriptions, end: int, days: int) -> pd.DataFrame:
    """Let everything go on as it went so far: the plain average that any model must beat."""
    cut = known.segments(end)
    seen = end - cut.groupby("customer_id")["start"].min()
    return pd.DataFrame({"revenue": accrued(known, seen.index, 0, end, end) / seen.clip(lower=BIN_DAYS) * days})


def two_stage(known: Subscriptions, end: int, days: int) -> pd.DataFrame:
    """Learn from an earlier day what came within the horizon after it, and ask the same of now.

    Where the history is shorter than twice the horizon, a shorter one is learnt, and scaled up as the survival's total.
    """
    learnt, cutoffs = training_cutoffs(int(known.events["day"].min()), end, days)
    plans = {name: number for number, name in enumerate(sorted(known.events["plan"].dropna().astype(str).unique()))}
    tables = [_columns(known, cutoff, plans) for cutoff in cutoffs]
    outcome = [accrued(known, t.index, c, c + learnt, end) for t, c in zip(tables, cutoffs, strict=True)]
    now = _columns(known, end, plans)
    expected = TwoStage.fit(pd.concat(tables), np.concatenate(outcome)).expected(now)
    return pd.DataFrame({"revenue": expected * _stretch(known, end, learnt, days)}, index=now.index)


def _stretch(known: Subscriptions, end: int, learnt: int, days: int) -> float:
    """Return how much more comes in ``days`` than in ``learnt``: less than in proportion, for subscriptions end."""
    if learnt == days:
        return 1.0
    longer, shorter = (survival(known, end, ahead)["revenue"].sum() for ahead in (days, learnt))
    return float(longer / shorter) if shorter > 0 else days / learnt


def _columns(known: Subscriptions, end: int, plans: Mapping[str, int]) -> pd.DataFrame:
    cut = known.segments(end)
    by = cut.groupby("customer_id", sort=True)
    last = (
        cut.sort_values(["customer_id", "start"], kind="stable").groupby("customer_id").tail(1).set_index("customer_id")
    )
    table = pd.DataFrame({"segments": by.size(), "subscriptions": by["subscription_id"].nunique()})
    table["is_live"], table["price"] = last["is_live"].astype(float), last["price"]
    table["plan"], table["tenure"] = last["stratum"].map(plans).astype(float), end - last["born"]
    table["is_cancelling"] = (last["stratum"] == CANCELLING).astype(float)
    table["silent"], table["so_far"] = (
        end - last["start"],
        (cut["price"] * (cut["stop"] - cut["start"])).groupby(cut["customer_id"]).sum(),
    )
    return table


def _everyone(cut: pd.DataFrame) -> pd.Index:
    return pd.Index(cut["customer_id"].unique(), name="customer_id").sort_values()


def forecasters(known: Subscriptions) -> Mapping[str, Forecaster]:
    """Name the ways to forecast what subscriptions bring."""

    def asked(way: Callable[[Subscriptions, int, int], pd.DataFrame]) -> Forecaster:
        return lambda _, end, days: way(known, end, days)

    ways = {"survival by plan and tenure": survival, "two-stage LightGBM": two_stage, PLAIN: past_average}
    return {name: asked(way) for name, way in ways.items()}
