"""Features of the subscription: what was agreed, for how long, and what was changed about it."""

from tenure.features.definition import Feature, FeatureView

RENEWING = "filter (where event in ('started', 'renewed') or (event = 'upgraded' and term_days is not null))"
STATE = "filter (where event not in ('cancel_requested', 'ended'))"

VIEW = FeatureView(
    table="subscription_events",
    driver="subscription",
    features=(
        Feature(
            "plan", f"latest(plan) {STATE}",
            unit="category", meaning="Plan at the cutoff.",
            noun="plan", driver="plan",
        ),
        Feature(
            "monthly_price", f"latest(monthly_price) {STATE}",
            unit="currency", meaning="Price a month at the cutoff.",
            noun="a month", driver="plan",
        ),
        Feature(
            "allowance", f"latest(allowance) {STATE}",
            unit="number", meaning="Usage included a month at the cutoff.",
            noun="included a month", driver="plan",
        ),
        Feature(
            "term_days", f"latest(term_days) {RENEWING}",
            unit="days", meaning="Length of the running term.",
            noun="of term", driver="plan",
        ),
        Feature(
            "subscription_tenure_days", "latest(age_days) filter (where event = 'started')",
            unit="days", meaning="Days since the running subscription began.",
            noun="since the subscription began", driver="tenure",
        ),
        Feature(
            "first_subscription_days", "max(age_days) filter (where event in ('started', 'trial_started'))",
            unit="days", meaning="Days since the first subscription or trial.",
            noun="since the first subscription", driver="tenure",
        ),
        Feature(
            "count_renewals", "count(*) filter (where event = 'renewed')",
            windows_days=(180, 365), when_no_rows=0, unit="count",
            meaning="Renewals.", noun="renewal{s}", driver="tenure",
        ),
        Feature(
            "count_former_ends", "count(*) filter (where event = 'ended')",
            when_no_rows=0, unit="count",
            meaning="Subscriptions of this customer that ended before.",
            noun="earlier end{s}", driver="history of leaving",
        ),
        Feature(
            "count_upgrades", "count(*) filter (where event in ('upgraded', 'addon_bought'))",
            windows_days=(90, 365), when_no_rows=0, unit="count",
            meaning="Moves to a higher plan, and add-ons.", noun="upgrade{s} or add-on{s}", driver="plan changes",
        ),
        Feature(
            "count_downgrades", "count(*) filter (where event = 'downgraded')",
            windows_days=(90, 365), when_no_rows=0, unit="count",
            meaning="Moves to a lower plan.", noun="downgrade{s}", driver="plan changes",
        ),
        Feature(
            "count_pauses", "count(*) filter (where event = 'paused')",
            windows_days=(90, 365), when_no_rows=0, unit="count",
            meaning="Pauses.", noun="pause{s}", driver="plan changes",
        ),
        Feature(
            "count_cancel_requests", "count(*) filter (where event = 'cancel_requested')",
            windows_days=(180,), when_no_rows=0, unit="count",
            meaning="Requests to cancel, withdrawn or not.", noun="request{s} to cancel", driver="history of leaving",
        ),
        Feature(
            "days_since_plan_change",
            "min(age_days) filter (where event in ('upgraded', 'downgraded', 'addon_bought'))",
            unit="days", meaning="Days since the plan was last changed.",
            noun="since the plan was changed", driver="plan changes",
        ),
    ),
)  # fmt: skip
