"""Who was assigned to what: one row per customer and campaign, from old contacts and from Tenure's own decisions."""

from __future__ import annotations

import pandas as pd

from tenure.core.sql import quoted
from tenure.snapshots.engines.facts_at import FactsAt

TREATED, CONTROL = ARMS = ("treated", "control")
COLUMNS = ("customer_id", "campaign", "action", "moves", "assigned_at", "assigned", "chance", "cost")
# What a contact of old contracts lacks; a bounced message reached nobody.
OPTIONAL = ("campaign_id", "offer", "channel", "cost", "arm", "assigned", "status", "decision_id")


def assigned_customers(facts: FactsAt, decided: pd.DataFrame | None = None) -> pd.DataFrame:
    """Give each customer's first assignment in each campaign, as known at the as-of.

    => COLUMNS (moves: a target, or null; assigned: treated, control, or null where no arm is known; chance: of what it
       got, null where it is unknown but equal within the arm), is_in_both (of both arms of the campaign: merged, or
       assigned twice), is_reached (sent something of the campaign)

    ``decided``: Tenure's own decisions, the same columns; further ones are kept. Contacts that name a decision are then
    only what was sent of it.
    """
    contacts = own = _contacts(facts)
    if decided is not None:
        contacts, is_ours = _of_decisions(contacts, decided)
        own = contacts[contacts["decision_id"].isna() & ~is_ours]
    table = pd.concat([own[list(COLUMNS)], *([] if decided is None else [decided])], ignore_index=True)
    table["assigned_at"] = pd.to_datetime(table["assigned_at"]).dt.normalize()
    table = table.sort_values(["assigned_at", "campaign", "customer_id", "assigned"], na_position="last")
    person = ["campaign", "customer_id"]
    table["is_in_both"] = table.groupby(person)["assigned"].transform("nunique") > 1
    sent = contacts.loc[contacts["is_sent"], ["customer_id", "campaign"]].drop_duplicates().assign(is_reached=True)
    reached = table[person].merge(sent, how="left")["is_reached"].fillna(False)
    table["is_reached"] = reached.to_numpy(bool)
    return table.drop_duplicates(person).reset_index(drop=True)


def _of_decisions(contacts: pd.DataFrame, decided: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Give contacts of Tenure's own actions the campaign of their customer's decision, whether they name it or not.

    => the contacts, those of the held out also as contacts of all of Tenure; which are of an action of Tenure's
    """
    actions = decided["action"].dropna().unique()
    named = contacts["action"].where(contacts["action"].isin(actions), contacts["campaign"])
    is_ours = named.isin(actions)
    campaigns = {(row.customer_id, row.action): row.campaign for row in decided.itertuples() if pd.notna(row.action)}
    pairs = zip(contacts["customer_id"], named, contacts["campaign"], strict=True)
    contacts = contacts.assign(campaign=[campaigns.get((customer, name), found) for customer, name, found in pairs])
    all_of_it = decided.loc[decided["action"].isna(), ["customer_id", "campaign"]].drop_duplicates()
    further = contacts[is_ours].drop(columns="campaign").merge(all_of_it, on="customer_id")
    both = pd.concat([contacts, further], ignore_index=True) if len(further) else contacts.reset_index(drop=True)
    return both, pd.Series([*is_ours, *[True] * len(further)])


def _contacts(facts: FactsAt) -> pd.DataFrame:
    """Sum up the contacts of each customer, campaign and arm. => COLUMNS, decision_id, is_sent"""
    if "contacts" not in facts.tables:
        return pd.DataFrame(columns=[*COLUMNS, "decision_id", "is_sent"]).astype({"is_sent": bool})
    there = set(facts.tables["contacts"])
    told = ", ".join(name if name in there else f"NULL AS {quoted(name)}" for name in OPTIONAL)
    return facts.query(
        f"""
        SELECT
            customer_id,
            coalesce(campaign_id, offer, channel, 'contacts of ' || strftime(occurred_at, '%Y-%m-%d')) AS campaign,
            arg_min(coalesce(offer, CASE WHEN arm <> 'control' THEN channel END), occurred_at) AS action,
            CAST(NULL AS VARCHAR) AS moves,
            CAST(min(occurred_at) AS DATE) AS assigned_at,
            coalesce(assigned, arm) AS assigned,
            CAST(NULL AS DOUBLE) AS chance,
            CAST(sum(cost) FILTER (WHERE coalesce(status, 'sent') = 'sent') AS DOUBLE) AS cost,
            min(decision_id) AS decision_id,
            coalesce(bool_or(coalesce(status <> 'bounced', arm = 'treated')), false) AS is_sent
        FROM (SELECT customer_id, occurred_at, {told} FROM contacts)
        GROUP BY ALL
        ORDER BY ALL"""
    )
