"""Segments proposed by the facts: few groups that stay the same from one cutoff to the next, named by what sets them apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute
from tenure.customers.earlier import known_before, purchases
from tenure.snapshots.engines.facts_at import FactsAt

FEWEST = 200
FEWEST_GROUPS, MOST_GROUPS = 3, 6
SMALLEST_SHARE = 0.03
MAX_ROWS = 20_000
SEED = 7
# What customers are grouped by, and how more and less of it read.
TRAITS = {
    "purchases": ("many purchases", "few purchases"),
    "spent": ("high spending", "low spending"),
    "days_silent": ("long silent", "recent"),
    "days_known": ("long known", "newcomers"),
    "per_purchase": ("large purchases", "small purchases"),
}


@dataclass(frozen=True)
class Grouping:
    """Groups found at one day. ``middle``, ``spread``: of each trait. ``centres``: one row per group, in spreads."""

    middle: np.ndarray
    spread: np.ndarray
    centres: np.ndarray
    names: tuple[str, ...] = ()

    def groups(self, traits: pd.DataFrame) -> np.ndarray:
        """Give each customer the number of the nearest group."""
        scaled = (traits.to_numpy() - self.middle) / self.spread
        return ((scaled[:, None, :] - self.centres[None]) ** 2).sum(axis=2).argmin(axis=1)


@dataclass(frozen=True)
class Proposal:
    """The grouping at the as-of, its agreement with one found earlier, and every number of groups that was tried."""

    grouping: Grouping
    traits: pd.DataFrame
    traits_before: pd.DataFrame
    day_before: date
    tried: pd.DataFrame


def build(facts: FactsAt, customers: pd.DataFrame) -> pd.DataFrame:
    """Put each buyer into a proposed segment. => customer_id, segment"""
    proposal = propose(facts)
    names = np.array(proposal.grouping.names, dtype=object)
    return pd.DataFrame(
        {"customer_id": proposal.traits.index, "segment": names[proposal.grouping.groups(proposal.traits)]}
    )


@lru_cache(maxsize=1)  # told once for the customers, once for the tables
def propose(facts: FactsAt) -> Proposal:
    """Find the number of groups that is most stable between two cutoffs, of equals the smaller.

    Groups are found anew at each: today's customers are put into those of either day, and the adjusted Rand index says how
    far both agree (1 the same, 0 as by chance). Source: Hubert and Arabie (1985), Comparing partitions.

    Raises
    ------
    NotEnoughDataError : too few buyers on either day.
    """
    from sklearn.metrics import adjusted_rand_score

    settings = ATTRIBUTE.settings_of(facts.source)
    before = facts.as_of - timedelta(days=settings["days_before"])
    now, then = traits_at(facts, facts.as_of), traits_at(facts, before)
    for day, table in ((facts.as_of, now), (before, then)):
        if len(table) < FEWEST:
            raise NotEnoughDataError(f"{len(table)} customers had bought before {day}: expected at least {FEWEST}")
    rows, found = [], {}
    for count in range(FEWEST_GROUPS, MOST_GROUPS + 1):
        found[count] = find_groups(now, count)
        groups = found[count].groups(now)
        agreement = adjusted_rand_score(groups, find_groups(then, count).groups(now))
        smallest = np.bincount(groups, minlength=count).min() / len(groups)
        rows.append(
            {"groups": count, "adjusted_rand": round(float(agreement), 4), "smallest_share": round(float(smallest), 4)}
        )
    tried = pd.DataFrame(rows)
    # A handful of outliers is stable too, but no segment: such a number of groups is taken only where no other is left.
    large_enough = tried[tried["smallest_share"] >= SMALLEST_SHARE]
    usable = large_enough if len(large_enough) else tried
    best = int(usable.sort_values(["adjusted_rand", "groups"], ascending=[False, True])["groups"].iloc[0])
    tried["chosen"] = tried["groups"] == best
    return Proposal(named(found[best]), now, then, before, tried)


def traits_at(facts: FactsAt, day: date) -> pd.DataFrame:
    """Measure who had bought before a day, from what was known on it. => the traits by customer_id; amounts and counts as logarithms"""
    table = facts.query(
        f"""
        SELECT customer_id, ln(1 + count(DISTINCT purchase_id) FILTER (WHERE is_purchase AND days_ago <= 365)) AS purchases,
               ln(1 + greatest(coalesce(sum(amount) FILTER (WHERE days_ago <= 365), 0), 0)) AS spent,
               ln(min(days_ago) FILTER (WHERE is_purchase)) AS days_silent, ln(max(days_ago)) AS days_known,
               ln(1 + greatest(sum(amount), 0) / count(DISTINCT purchase_id) FILTER (WHERE is_purchase)) AS per_purchase
        FROM ({known_before(purchases(facts), day)}) GROUP BY customer_id HAVING bool_or(is_purchase) ORDER BY customer_id"""
    )
    return table.set_index("customer_id")[list(TRAITS)].round(9)


def find_groups(traits: pd.DataFrame, count: int) -> Grouping:
    """Find groups by k-means on standardised traits."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    middle, spread = traits.mean().to_numpy(), traits.std().replace(0, 1).to_numpy()
    sample = traits.sample(min(len(traits), MAX_ROWS), random_state=SEED).sort_index()
    # One thread: sums in one order, and on a busy machine many times faster than threads that wait for each other.
    with threadpool_limits(1):
        fitted = KMeans(count, n_init=5, random_state=SEED).fit((sample.to_numpy() - middle) / spread)
    return Grouping(middle, spread, fitted.cluster_centers_)


def named(grouping: Grouping) -> Grouping:
    """Name each group by the two traits in which its centre lies farthest from the mean; a third where two groups read the same."""
    for words in range(2, len(TRAITS) + 1):
        names = tuple(_name(centre, words) for centre in grouping.centres)
        if len(set(names)) == len(names):
            break
    return Grouping(grouping.middle, grouping.spread, grouping.centres, names)


def _name(centre: np.ndarray, words: int) -> str:
    order = np.argsort(-np.abs(centre), kind="stable")[:words]
    sides = list(TRAITS.values())
    return ", ".join(sides[trait][0 if centre[trait] > 0 else 1] for trait in order)


def details(facts: FactsAt, customers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tell each segment's size, value and answer to contacts, and how stable other numbers of groups would be.

    => segments: segment, customers, share, amount (spent in the last 365 days), share_of_amount, then _contact_answers
    => segment_stability: groups, adjusted_rand, smallest_share, chosen
    """
    proposal = propose(facts)
    spent = np.exp(proposal.traits["spent"]) - 1
    names = np.array(proposal.grouping.names, dtype=object)
    groups = pd.DataFrame({"segment": names[proposal.grouping.groups(proposal.traits)], "amount": spent.to_numpy()})
    table = groups.groupby("segment", as_index=False).agg(customers=("amount", "size"), amount=("amount", "sum"))
    table.insert(2, "share", (table["customers"] / table["customers"].sum()).round(4))
    table["share_of_amount"] = (table["amount"] / table["amount"].sum()).round(4)
    if "contacts" in facts.tables:
        table = table.merge(
            _contact_answers(facts, proposal, ATTRIBUTE.settings_of(facts.source)), on="segment", how="left"
        )
    table = table.round({"amount": 2}).sort_values("amount", ascending=False, ignore_index=True)
    return {"segments": table, "segment_stability": proposal.tried}


def _contact_answers(facts: FactsAt, proposal: Proposal, settings: dict[str, Any]) -> pd.DataFrame:
    """Compare who was contacted with who was held out: did they buy within some days of it?

    Customers stand in the segment they were in before, or buying would itself put them among the recent.
    => segment, contacts, answered, held_out, held_out_bought, effect, effect_low, effect_high (difference, 95 % interval)
    """
    days, names = settings["answer_days"], np.array(proposal.grouping.names, dtype=object)
    before = pd.DataFrame(
        {
            "customer_id": proposal.traits_before.index,
            "segment": names[proposal.grouping.groups(proposal.traits_before)],
        }
    )
    contacts = facts.query(
        f"""
        SELECT customer_id, coalesce(arm = 'control', false) AS is_held_out,
               EXISTS (SELECT 1 FROM ({purchases(facts)}) bought WHERE bought.customer_id = contacts.customer_id AND is_purchase
                       AND bought.occurred_at >= contacts.occurred_at
                       AND bought.occurred_at < contacts.occurred_at + INTERVAL {days} DAY) AS has_bought
        FROM contacts WHERE occurred_at >= DATE '{proposal.day_before}' AND age_days > {days}"""
    )
    joined = contacts.merge(before, on="customer_id")
    rows = []
    for segment, group in joined.groupby("segment"):
        treated, held = (group.loc[group["is_held_out"] == is_held, "has_bought"] for is_held in (False, True))
        row = {
            "segment": segment, "contacts": len(treated), "answered": treated.mean(),
            "held_out": len(held), "held_out_bought": held.mean(),
        }  # fmt: skip
        if len(treated) and len(held):
            effect = treated.mean() - held.mean()
            half = 1.96 * np.sqrt(sum(part.mean() * (1 - part.mean()) / len(part) for part in (treated, held)))
            row |= {"effect": effect, "effect_low": effect - half, "effect_high": effect + half}
        rows.append(row)
    columns = ["segment", "contacts", "answered", "held_out", "held_out_bought", "effect", "effect_low", "effect_high"]
    return pd.DataFrame(rows, columns=columns).round(4)


ATTRIBUTE = CustomerAttribute(
    name="segments",
    tables=(),
    columns=(
        AttributeColumn(
            "segment", "", "The proposed segment: a group found from purchases, named by what sets it apart."
        ),
    ),
    build=build,
    details=details,
    settings={"days_before": 90, "answer_days": 14},
)
