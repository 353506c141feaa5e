"""By which channel a customer answers best, by replies and orders and never by opens, which machines do, too."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.core.shrinkage import shrunk
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.earlier import known_before
from tenure.features.contacts import IS_SENT
from tenure.snapshots.engines.facts_at import FactsAt

FEWEST = 30
QUALITY = [
    "judged_from", "most_used", "chosen_otherwise", "compared", "rate_chosen", "rate_most_used", "difference", "low", "high",
    "is_used",
]  # fmt: skip


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Choose each customer's channel where choosing so was better than the most used one, out of time; else that one.

    => customer_id, best_channel, best_channel_rate
    => best_channel_quality: one row, of the contacts since judged_from: most_used (before it), chosen_otherwise
       (customers for whom another channel was chosen then), compared (those of them whom both reached), rate_chosen,
       rate_most_used, difference, low, high (95 %, each of the compared beside themselves), is_used

    Raises
    ------
    NotEnoughDataError : contacts went out by fewer than two channels.
    """
    settings = ATTRIBUTE.settings_of(facts.source)
    days, since = settings["answer_days"], facts.as_of - timedelta(days=settings["judged_days"])
    met = _met(facts, facts.as_of, days)
    if met["channel"].nunique() < 2:
        raise NotEnoughDataError(f"its contacts of more than {days} days ago went out by fewer than two channels")
    before, later = _met(facts, since, days), _met(facts, facts.as_of, days, since=since)
    quality = {
        "judged_from": since,
        **(_judged(before, later) if before["channel"].nunique() > 1 else {"is_used": False}),
    }
    rates = _rates(met, customers["customer_id"])
    best = rates.idxmax(axis=1) if quality["is_used"] else pd.Series(rates.columns[0], rates.index)
    own = rates.to_numpy()[np.arange(len(rates)), rates.columns.get_indexer(best)]
    table = pd.DataFrame({"best_channel": best, "best_channel_rate": own.round(4)}).rename_axis("customer_id")
    return table.reset_index(), {"best_channel_quality": pd.DataFrame([quality], columns=QUALITY)}


def _met(facts: FactsAt, day: date, days: int, since: date = date.min) -> pd.DataFrame:
    """Count the contacts known before a day, from ``since`` on, and those met by a reply or an order within the days.

    => customer_id, channel, tries, hits; of contacts whose days had passed by then
    """
    contacts = f"SELECT * FROM ({known_before('FROM contacts', day)}) WHERE channel IS NOT NULL"
    answers = f"SELECT customer_id, channel, occurred_at FROM ({contacts}) WHERE status IN ('replied', 'taken')"
    if "order_lines" in facts.tables:  # what it answers no order says: it counts for each channel that came before it
        orders = known_before("SELECT customer_id, occurred_at, known_at FROM order_lines WHERE quantity > 0", day)
        channels = f"(SELECT DISTINCT channel FROM ({contacts}))"
        answers += f" UNION ALL SELECT customer_id, channel, occurred_at FROM ({orders}), {channels}"
    sent = f"{IS_SENT} AND days_ago > {days} AND occurred_at >= DATE '{since}'"
    return facts.query(
        f"""
        SELECT c.customer_id, c.channel, CAST(count(*) AS DOUBLE) AS tries,
            CAST(count(*) FILTER (WHERE a.occurred_at < c.occurred_at + to_days({days})) AS DOUBLE) AS hits
        FROM (SELECT * FROM ({contacts}) WHERE {sent}) c
        ASOF LEFT JOIN ({answers}) a
            ON c.customer_id = a.customer_id AND c.channel = a.channel AND c.occurred_at <= a.occurred_at
        GROUP BY ALL
        ORDER BY ALL"""
    )


def _rates(met: pd.DataFrame, customers: pd.Series) -> pd.DataFrame:
    """Give the rate at which each customer answers each channel, drawn towards everybody's; the most used channel first.

    Of equal rates the first one counts: without evidence of a customer's own that of everybody does.
    """
    total = met.groupby("channel")[["hits", "tries"]].sum().sort_values("tries", ascending=False, kind="stable")
    table = pd.DataFrame(index=pd.Index(customers), columns=total.index, dtype=float)
    for channel, own in met.groupby("channel"):
        rate = (total.loc[channel, "hits"] + 0.5) / (total.loc[channel, "tries"] + 1)  # neither 0 nor 1
        errors = np.sqrt(rate * (1 - rate) / own["tries"].to_numpy())
        found = pd.Series(shrunk((own["hits"] / own["tries"]).to_numpy(), errors)[0], own["customer_id"])
        table[channel] = found.reindex(table.index)
    return table.fillna(total["hits"] / total["tries"])


def _judged(before: pd.DataFrame, later: pd.DataFrame) -> dict[str, Any]:
    """Compare, in later contacts, the channel chosen by earlier ones with the most used one, customer by customer."""
    from scipy.stats import t  # takes half a second to import

    rates = _rates(before, pd.Series(later["customer_id"].unique()))
    most_used, chosen = rates.columns[0], rates.idxmax(axis=1)
    chosen = chosen[chosen != most_used]
    met = later.assign(rate=later["hits"] / later["tries"]).pivot(index="customer_id", columns="channel", values="rate")
    met = met.reindex(index=chosen.index, columns=rates.columns)
    own = met.to_numpy()[np.arange(len(met)), rates.columns.get_indexer(chosen)]
    pairs = pd.DataFrame({"own": own, "used": met[most_used]}).dropna()
    apart = pairs["own"] - pairs["used"]
    half = float(t.ppf(0.975, len(apart) - 1) * apart.sem()) if len(apart) >= FEWEST else np.nan
    middle = float(apart.mean())
    return {
        "most_used": most_used, "chosen_otherwise": len(chosen), "compared": len(pairs), "rate_chosen": pairs["own"].mean(),
        "rate_most_used": pairs["used"].mean(), "difference": middle, "low": middle - half, "high": middle + half,
        "is_used": middle - half > 0,
    }  # fmt: skip


ATTRIBUTE = CustomerAttribute(
    name="best_channel",
    tables=("contacts",),
    columns=(
        AttributeColumn(
            "best_channel", "", "The channel they answer best by where that is proven, else the most used one."
        ),
        AttributeColumn(
            "best_channel_rate", "share", "Contacts by it that a reply or an order follows in 14 days: expected."
        ),
    ),
    build=build,
    settings={"answer_days": 14, "judged_days": 90},
)
