"""Proposed segments: few clusters of buyers, stable from one cutoff to the next, named by what sets them apart."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.earlier import known_before, purchases
from tenure.snapshots.engines.facts_at import FactsAt

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

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


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Find the number of groups that is most stable between two cutoffs, and put each buyer into one.

    => customer_id, segment
    => segments: segment, customers, share, amount (spent in the last 365 days), share_of_amount, then _contact_answers;
       the largest amount first
    => segment_stability: groups, adjusted_rand, smallest_share, chosen

    Raises
    ------
    NotEnoughDataError : too few buyers on either day.
    """
    settings = ATTRIBUTE.settings_of(facts.source)
    before = facts.as_of - timedelta(days=settings["days_before"])
    now, then = traits_at(facts, facts.as_of), traits_at(facts, before)
    for day, table in ((facts.as_of, now), (before, then)):
        if len(table) < FEWEST:
            raise NotEnoughDataError(f"{len(table)} customers had bought before {day}: expected at least {FEWEST}")
    groups, tried = propose(now, then)
    names = np.array(names_of(groups[-1].cluster_centers_), dtype=object)
    segments = pd.Series(names[groups.predict(now)], index=now.index, name="segment")
    table = _summed(segments, np.exp(now["spent"]) - 1)
    if "contacts" in facts.tables:
        segments_before = pd.Series(names[groups.predict(then)], index=then.index, name="segment")
        answers = _contact_answers(facts, segments_before, before, settings["answer_days"])
        table = table.merge(answers, on="segment", how="left")
    table = table.round({"amount": 2}).sort_values("amount", ascending=False, ignore_index=True)
    return segments.reset_index(), {"segments": table, "segment_stability": tried}


def propose(now: pd.DataFrame, then: pd.DataFrame) -> tuple[Pipeline, pd.DataFrame]:
    """Choose the number of groups that is most stable between the traits of two cutoffs; of equals the smaller.

    Groups are found anew at each: today's customers are put into those of either day, and the adjusted Rand index says
    how far both agree (1 the same, 0 as by chance). Source: Hubert and Arabie (1985), Comparing partitions.

    => the groups of today's traits
    => groups, adjusted_rand, smallest_share, chosen; one row per number of groups
    """
    from sklearn.metrics import adjusted_rand_score

    rows, found = [], {}
    for count in range(FEWEST_GROUPS, MOST_GROUPS + 1):
        found[count] = find_groups(now, count)
        groups = found[count].predict(now)
        agreement = adjusted_rand_score(groups, find_groups(then, count).predict(now))
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
    return found[best], tried


def traits_at(facts: FactsAt, day: date) -> pd.DataFrame:
    """Measure who had bought before a day, from what was known on it.

    => the traits by customer_id; amounts and counts as logarithms
    """
    table = facts.query(
        f"""
        SELECT
            customer_id,
            ln(1 + count(DISTINCT purchase_id) FILTER (WHERE is_purchase AND days_ago <= 365)) AS purchases,
            ln(1 + greatest(coalesce(sum(amount) FILTER (WHERE days_ago <= 365), 0), 0)) AS spent,
            ln(min(days_ago) FILTER (WHERE is_purchase)) AS days_silent,
            ln(max(days_ago)) AS days_known,
            ln(1 + greatest(sum(amount), 0) / count(DISTINCT purchase_id) FILTER (WHERE is_purchase)) AS per_purchase
        FROM ({known_before(purchases(facts), day)})
        GROUP BY customer_id
        HAVING bool_or(is_purchase)
        ORDER BY customer_id"""
    )
    return table.set_index("customer_id")[list(TRAITS)].round(9)


def find_groups(traits: pd.DataFrame, count: int) -> Pipeline:
    """Fit k-means on standardised traits; its ``predict`` gives each customer the number of the nearest group."""
    from sklearn.cluster import KMeans
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    sample = traits.sample(min(len(traits), MAX_ROWS), random_state=SEED).sort_index()
    # One thread: sums in one order, and on a busy machine many times faster than threads that wait for each other.
    with threadpool_limits(1):
        return make_pipeline(StandardScaler(), KMeans(count, n_init=5, random_state=SEED)).fit(sample)


def names_of(centres: np.ndarray) -> tuple[str, ...]:
    """Name each group by the two traits in which its centre is farthest from the mean; by more where two read alike.

    >>> names_of(np.array([[2.0, 0.1, -1.0, 0.0, 0.0], [-1.0, 0.0, 3.0, 0.0, 0.0]]))
    ('many purchases, recent', 'long silent, few purchases')
    """
    for words in range(2, len(TRAITS) + 1):
        names = tuple(_name(centre, words) for centre in centres)
        if len(set(names)) == len(names):
            break
    return names


def _name(centre: np.ndarray, words: int) -> str:
    order = np.argsort(-np.abs(centre), kind="stable")[:words]
    sides = list(TRAITS.values())
    return ", ".join(sides[trait][0 if centre[trait] > 0 else 1] for trait in order)


def _summed(segments: pd.Series, amounts: pd.Series) -> pd.DataFrame:
    groups = amounts.rename("amount").groupby(segments)
    table = groups.agg(customers="size", amount="sum").reset_index()
    table.insert(2, "share", (table["customers"] / table["customers"].sum()).round(4))
    table["share_of_amount"] = (table["amount"] / table["amount"].sum()).round(4)
    return table


def _contact_answers(facts: FactsAt, segments_before: pd.Series, since: date, days: int) -> pd.DataFrame:
    """Compare who was contacted with who was held out: did they buy within some days of it?

    Customers stand in the segment they were in before, or buying would itself put them among the recent.
    => segment, contacts, answered, held_out, held_out_bought, effect, effect_low, effect_high (difference, 95 %
       interval)
    """
    contacts = facts.query(
        f"""
        SELECT
            customer_id,
            coalesce(assigned = 'control', false) AS is_held_out,
            EXISTS (
                SELECT 1
                FROM ({purchases(facts)}) bought
                WHERE bought.customer_id = contacts.customer_id
                    AND is_purchase
                    AND bought.occurred_at >= contacts.occurred_at
                    AND bought.occurred_at < contacts.occurred_at + INTERVAL {days} DAY
            ) AS has_bought
        FROM contacts
        WHERE occurred_at >= DATE '{since}' AND age_days > {days} AND coalesce(status, 'sent') = 'sent'"""
    )
    joined = contacts.merge(segments_before.reset_index(), on="customer_id")
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
    settings={"days_before": 90, "answer_days": 14},
)
