"""Where a customer stands in their life with the company: one of eight phases, by rules on what was known."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.core.time_windows import months_later
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.earlier import known_before
from tenure.features.payments import NET_AMOUNT
from tenure.snapshots.engines.facts_at import FactsAt
from tenure.targets.catalogue import targets_of

# The first rule that holds names the phase. Its words are columns of ``_STANDING``, its braces are settings.
RULES = (
    ("pipeline", "first_paid IS NULL"),
    ("lapsed", "NOT is_live AND (has_ended OR silent > {lapsed_days})"),
    (
        "at risk",
        "is_cancelling OR is_unpaid OR "
        "(NOT is_live AND purchases >= 3 AND silent > greatest({risk_gaps} * usual_gap, {risk_days}))",
    ),
    ("won back", "returned <= {won_back_days}"),
    ("acquire", "first_paid <= {acquire_days}"),
    ("deploy", "first_paid <= {deploy_days}"),
    ("expand", "expanded <= {expand_days} OR (spent_before > 0 AND spent >= {expand_ratio} * spent_before)"),
    ("run", "true"),
)
# As a reader needs to know them; the numbers are the source's settings.
MEANINGS = {
    "pipeline": "known, has never paid",
    "acquire": "has just paid for the first time",
    "deploy": "in the first months of paying",
    "run": "steady",
    "expand": "upgraded, added on, or spends clearly more than before",
    "at risk": "cancelling, unpaid, long silent, or in decile 1 of churn or lapse",
    "lapsed": "ended or silent for long",
    "won back": "came back after an end or a long silence",
}
PHASES = tuple(MEANINGS)
# How many months back phases are found again: since when one lasts, and the flow between them.
MONTHS = 12
# Who is in the first deciles of these is at risk, whatever the rules on facts say.
RISKS = ("churn", "lapse")

NO_SUBSCRIPTIONS = """
SELECT
    CAST(NULL AS VARCHAR) AS customer_id, CAST(NULL AS DATE) AS cutoff, CAST(NULL AS VARCHAR) AS state,
    false AS is_cancelling, false AS has_paid, CAST(NULL AS BIGINT) AS age_days
LIMIT 0"""
NO_STATES = """(
    SELECT
        CAST(NULL AS VARCHAR) AS customer_id, CAST(NULL AS VARCHAR) AS state, CAST(NULL AS VARCHAR) AS former_state,
        CAST(NULL AS DATE) AS from_day
    LIMIT 0
)"""
_MOMENTS = {
    "order_lines": """
SELECT
    customer_id, occurred_at, known_at,
    CASE WHEN quantity > 0 THEN 'bought' ELSE 'given back' END AS event,
    amount
FROM order_lines""",
    "payments": f"""
SELECT
    customer_id, occurred_at, known_at,
    CASE status WHEN 'succeeded' THEN 'bought' WHEN 'failed' THEN 'unpaid' ELSE 'given back' END AS event,
    {NET_AMOUNT} AS amount
FROM payments""",
    "subscription_events": """
SELECT customer_id, occurred_at, known_at, event, 0 AS amount
FROM subscription_events""",
}
_PAID = """
paid AS (
    SELECT
        customer_id,
        days_ago,
        lag(days_ago) OVER (PARTITION BY customer_id ORDER BY days_ago DESC) - days_ago AS gap
    FROM moments
    WHERE event IN ('bought', 'started', 'renewed', 'upgraded', 'addon_bought')
    GROUP BY customer_id, days_ago
)"""
# first_paid, silent: days since the first and the last purchase.
_BUYING = """
buying AS (
    SELECT
        customer_id,
        max(days_ago) AS first_paid,
        min(days_ago) AS silent,
        count(*) AS purchases,
        (max(days_ago) - min(days_ago)) / nullif(count(*) - 1, 0) AS usual_gap,
        min(days_ago) FILTER (WHERE gap > {lapsed_days}) AS bought_again
    FROM paid
    GROUP BY customer_id
)"""
# Less what was given back: in the last expand_days, and in the same number of days before them.
_SPENDING = """
spending AS (
    SELECT
        customer_id,
        sum(amount) FILTER (WHERE days_ago <= {expand_days}) AS spent,
        sum(amount) FILTER (WHERE days_ago > {expand_days} AND days_ago <= 2 * {expand_days}) AS spent_before
    FROM moments
    GROUP BY customer_id
)"""
# Who pays again after more than the grace; before it they paid too.
_RESTARTS = """
restarts AS (
    SELECT customer_id, min(date_diff('day', from_day, DATE '{day}')) AS started_again
    FROM (
        SELECT *, lag(from_day) OVER customer AS left_on, lag(former_state) OVER customer AS state_before
        FROM {states}
        WINDOW customer AS (PARTITION BY customer_id ORDER BY from_day)
    )
    WHERE state = 'paying' AND former_state = 'none' AND state_before IS NOT NULL AND from_day - left_on > {grace_days}
    GROUP BY customer_id
)"""
# ended: days since the last of them did. expanded: days since the last upgrade or add-on.
_SUBSCRIBING = """
subscribing AS (
    SELECT
        customer_id,
        bool_or(state IN ('paid', 'paused')) AS is_live,
        bool_or(state = 'paid' AND is_cancelling) AS is_cancelling,
        min(age_days) FILTER (WHERE state = 'none' AND has_paid) AS ended
    FROM monthly_subscriptions
    WHERE cutoff = DATE '{day}'
    GROUP BY customer_id
)"""
_EXPANDING = """
expanding AS (
    SELECT customer_id, min(days_ago) AS expanded
    FROM moments
    WHERE event IN ('upgraded', 'addon_bought')
    GROUP BY customer_id
)"""
_FAILING = """
failing AS (
    SELECT customer_id, min(days_ago) AS unpaid
    FROM moments
    WHERE event = 'unpaid'
    GROUP BY customer_id
)"""
# returned: days since the purchase after a silence, or the restart; who subscribes is not silent between renewals.
_JOINED = """
SELECT
    customer_id,
    first_paid,
    silent,
    purchases,
    usual_gap,
    least(CASE WHEN is_live THEN NULL ELSE bought_again END, started_again) AS returned,
    expanded,
    spent,
    spent_before,
    coalesce(is_live, false) AS is_live,
    coalesce(is_cancelling, false) AS is_cancelling,
    coalesce(ended <= silent, false) AS has_ended,
    coalesce(unpaid < silent AND unpaid <= {grace_days}, false) AS is_unpaid
FROM known_customers
LEFT JOIN buying USING (customer_id)
LEFT JOIN spending USING (customer_id)
LEFT JOIN restarts USING (customer_id)
LEFT JOIN subscribing USING (customer_id)
LEFT JOIN expanding USING (customer_id)
LEFT JOIN failing USING (customer_id)
WHERE known_customers.since < DATE '{day}'"""
# One row per customer who was known before a day; all is counted in days back from it.
_STANDING = (
    "WITH moments AS ({moments}),"
    + ",".join((_PAID, _BUYING, _SPENDING, _RESTARTS, _SUBSCRIBING, _EXPANDING, _FAILING))
    + _JOINED
)


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Find each customer's phase and since when it lasts, and count who went from which phase to which.

    => customer_id, phase, phase_since
    => phase_flow: day_before, day, phase_before (empty: not known yet), phase, customers; by the rules on facts alone
    """
    monthly = monthly_phases(facts)
    known = monthly.reindex(customers["customer_id"])
    now = known[facts.as_of]
    since = pd.Series(str(facts.as_of), index=known.index)
    is_unbroken = now.notna()
    for day in sorted(known.columns, reverse=True):
        is_unbroken &= known[day] == now
        since = since.mask(is_unbroken, str(day))
    # What today's scores alone say lasts since today.
    is_scored = now.notna() & ~now.isin(["pipeline", "lapsed", "at risk"]) & _at_risk_by_score(facts, customers)
    phases = now.where(~is_scored, "at risk")
    since = since.where(~is_scored, str(facts.as_of)).where(now.notna())
    table = pd.DataFrame({"phase": phases.astype("str"), "phase_since": since}).reset_index()
    return table, {"phase_flow": _flow(monthly)}


def _flow(monthly: pd.DataFrame) -> pd.DataFrame:
    days = sorted(monthly.columns)
    steps = [
        monthly.groupby([monthly[before].cat.add_categories("").fillna(""), monthly[day]], observed=True)
        .size()
        .rename("customers")
        .rename_axis(["phase_before", "phase"])
        .reset_index()
        .astype({"phase_before": "str", "phase": "str"})
        .sort_values(["phase_before", "phase"])
        .assign(day_before=before, day=day)
        for before, day in zip(days, days[1:], strict=False)
    ]
    columns = ["day_before", "day", "phase_before", "phase", "customers"]
    return pd.concat(steps, ignore_index=True)[columns] if steps else pd.DataFrame(columns=columns)


def monthly_phases(facts: FactsAt) -> pd.DataFrame:
    """Tell everyone's phase at the as-of and on the same day of earlier months, each from what was known then.

    => one row per customer, one column per day; empty before a customer was known

    Raises
    ------
    NotEnoughDataError : the source has no table in which anybody buys.
    """
    settings = _settings(facts)
    moments = " UNION ALL ".join(sql for table, sql in _MOMENTS.items() if table in facts.tables)
    if not moments:
        raise NotEnoughDataError(f"needs {', '.join(_MOMENTS)}: one of them, and the source has none")
    every = " UNION ALL ".join(
        f"SELECT customer_id, greatest(occurred_at, known_at) AS since FROM {t}" for t in facts.tables
    )
    facts.connection.execute(f"CREATE OR REPLACE TEMP TABLE all_moments AS {moments}")
    facts.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE known_customers AS
        SELECT customer_id, min(since) AS since
        FROM ({every})
        GROUP BY customer_id"""
    )
    rules = " ".join(f"WHEN {rule.format(**settings)} THEN '{phase}'" for phase, rule in RULES)
    days = [months_later(facts.as_of, -months) for months in range(MONTHS, -1, -1)]
    subscribes = "subscription_events" in facts.tables
    subscriptions = facts.staged.subscriptions(days) if subscribes else NO_SUBSCRIPTIONS
    facts.connection.execute(f"CREATE OR REPLACE TEMP TABLE monthly_subscriptions AS {subscriptions}")
    by_day = {}
    for day in days:
        states = facts.staged.customer_states(day) if subscribes else NO_STATES
        moments = known_before("FROM all_moments", day)
        standing = _STANDING.format(moments=moments, states=states, day=day, **settings)
        table = facts.query(f"SELECT customer_id, CASE {rules} END AS phase FROM ({standing})")
        # A category takes an eighth of a text's room: there are a dozen for each customer.
        by_day[day] = table.set_index("customer_id")["phase"].astype(pd.CategoricalDtype(PHASES))
    # Every purchase there was: nothing else asks for it.
    facts.connection.execute("DROP TABLE all_moments")
    return pd.DataFrame({day: phases for day, phases in by_day.items() if len(phases)}).rename_axis("customer_id")


def _settings(facts: FactsAt) -> dict[str, Any]:
    settings = ATTRIBUTE.settings_of(facts.source)
    lapse = targets_of(facts.source)["lapse"]
    return settings | {"lapsed_days": settings["lapsed_days"] or lapse.eligible_days}


def _at_risk_by_score(facts: FactsAt, customers: pd.DataFrame) -> pd.Series:
    deciles = customers.set_index("customer_id").reindex(columns=[f"{name}_decile" for name in RISKS])
    return (deciles <= ATTRIBUTE.settings_of(facts.source)["risk_deciles"]).fillna(False).any(axis=1)


ATTRIBUTE = CustomerAttribute(
    name="phase",
    tables=(),
    columns=(
        AttributeColumn("phase", "", f"Where the customer stands: {', '.join(PHASES[:-1])} or {PHASES[-1]}."),
        AttributeColumn(
            "phase_since",
            "date",
            f"First day of the phase, looked at on the same day of each of the last {MONTHS} months; the as-of where "
            "only today's score tells it.",
        ),
    ),
    build=build,
    settings={
        "acquire_days": 30,
        "deploy_days": 90,
        "expand_days": 90,
        "expand_ratio": 2,
        "risk_gaps": 3,  # silent for so many of the customer's own usual gaps
        "risk_days": 30,  # and for at least so many days
        "risk_deciles": 1,
        "lapsed_days": 0,  # 0: the days after which the lapse target asks no more
        "won_back_days": 90,
        "grace_days": 30,  # a restart within them is no return, a failed payment is still open
    },
)
