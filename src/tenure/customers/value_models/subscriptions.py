"""What subscriptions will bring: the price a day times the days they are expected to live, by plan and tenure.

``events`` everywhere: customer_id, subscription_id, day, known, event, plan, price (a day; null where the event says
none). Revenue accrues day by day, whatever the terms of payment.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.value_models.comparison import PLAIN, Forecaster
from tenure.customers.value_models.two_stage import TwoStage, training_cutoffs

BIN_DAYS = 30  # of tenure: the hazard is constant within
MAX_BINS = 24  # later tenures share the last hazard
# Days at risk by which a plan's hazard is shrunk to that of all plans at the same tenure: 20 customers for a month.
DRAWN_BY_DAYS = 600.0
CANCELLING = "(cancelling)"
LIVE_AFTER = (
    "trial_started",
    "started",
    "renewed",
    "upgraded",
    "downgraded",
    "addon_bought",
    "resumed",
    "cancel_requested",
)
PLAN_SETTING = ("started", "renewed", "upgraded", "downgraded", "resumed")


def segments(events: pd.DataFrame, end: int) -> pd.DataFrame:
    """Cut each subscription into stretches between the events known before a day.

    => customer_id, subscription_id, start, stop (``end`` for the last), is_last, ends (an end closes it), stratum
       (plan, or cancelling), price (a day; 0 when not live), is_live, born (day this subscription last started)
    """
    known = events[(events["day"] < end) & (events["known"] < end)]
    known = known.sort_values(["customer_id", "subscription_id", "day"], kind="stable").reset_index(drop=True)
    by = known.groupby(["customer_id", "subscription_id"], sort=False)
    live = known["event"].isin(LIVE_AFTER)
    price = by["price"].ffill().fillna(0.0).where(live & (known["event"] != "trial_started"), 0.0)
    is_start = known["event"].isin(("started", "trial_started")) | (by.cumcount() == 0)
    born = known["day"].where(is_start).groupby([known["customer_id"], known["subscription_id"]], sort=False).ffill()
    plan = by["plan"].ffill().fillna("(no plan)").astype(str)
    following = by["day"].shift(-1)
    return pd.DataFrame(
        {
            "customer_id": known["customer_id"],
            "subscription_id": known["subscription_id"],
            "start": known["day"],
            "stop": following.fillna(end).astype(int),
            "is_last": following.isna(),
            "ends": by["event"].shift(-1).eq("ended"),
            "stratum": plan.where(known["event"] != "cancel_requested", CANCELLING),
            "price": price.astype(float),
            "is_live": live,
            "born": born.astype(int),
        }
    )


def accrued(events: pd.DataFrame, customers: pd.Index, start: int, end: int, known_until: int) -> pd.Series:
    """Add up the revenue of the days ``[start, end)`` as known at a later day. => per customer of ``customers``"""
    cut = segments(events, known_until)
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


def survival(events: pd.DataFrame, end: int, days: int) -> pd.DataFrame:
    """Expect each live subscription to bring its price for the days it is expected to live, and others nothing."""
    cut = segments(events, end)
    by_stratum = hazards(cut)
    now = cut[cut["is_last"] & cut["is_live"]]
    rates = np.array([by_stratum.get(name, by_stratum[""]) for name in now["stratum"]]).reshape(-1, MAX_BINS)
    lived = expected_days(rates, (end - now["born"]).to_numpy(), days)
    revenue = (now["price"] * lived).groupby(now["customer_id"]).sum()
    return pd.DataFrame({"revenue": revenue.reindex(_everyone(cut)).fillna(0.0)})


def past_average(events: pd.DataFrame, end: int, days: int) -> pd.DataFrame:
    """Let everything go on as it went so far: the plain average that any model must beat."""
    cut = segments(events, end)
    seen = end - cut.groupby("customer_id")["start"].min()
    return pd.DataFrame({"revenue": accrued(events, seen.index, 0, end, end) / seen.clip(lower=BIN_DAYS) * days})


def two_stage(events: pd.DataFrame, end: int, days: int) -> pd.DataFrame:
    """Learn from an earlier day what came within the horizon after it, and ask the same of now.

    Where the history is shorter than twice the horizon, a shorter one is learnt, and scaled up as the survival's total.
    """
    learnt, cutoffs = training_cutoffs(int(events["day"].min()), end, days)
    plans = {name: number for number, name in enumerate(sorted(events["plan"].dropna().astype(str).unique()))}
    tables = [_columns(events, cutoff, plans) for cutoff in cutoffs]
    outcome = [accrued(events, t.index, c, c + learnt, end) for t, c in zip(tables, cutoffs, strict=True)]
    now = _columns(events, end, plans)
    expected = TwoStage.fit(pd.concat(tables), np.concatenate(outcome)).expected(now)
    return pd.DataFrame({"revenue": expected * _stretch(events, end, learnt, days)}, index=now.index)


def _stretch(events: pd.DataFrame, end: int, learnt: int, days: int) -> float:
    """Return how much more comes in ``days`` than in ``learnt``: less than in proportion, for subscriptions end."""
    if learnt == days:
        return 1.0
    longer, shorter = (survival(events, end, ahead)["revenue"].sum() for ahead in (days, learnt))
    return float(longer / shorter) if shorter > 0 else days / learnt


def _columns(events: pd.DataFrame, end: int, plans: Mapping[str, int]) -> pd.DataFrame:
    cut = segments(events, end)
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


FORECASTERS: Mapping[str, Forecaster] = MappingProxyType(
    {"survival by plan and tenure": survival, "two-stage LightGBM": two_stage, PLAIN: past_average}
)
