"""Features of the subscription: what was agreed, for how long, and what was changed about it."""

from tenure.features.definition import EVER, Feature, FeatureView

RENEWING = "filter (where event in ('started', 'renewed') or (event = 'upgraded' and term_days is not null))"
STATE = "filter (where event not in ('cancel_requested', 'ended'))"

VIEW = FeatureView(
    table="subscription_events",
    driver="subscription",
    features=(
        Feature("plan", f"latest(plan) {STATE}", (EVER,), None, "category", "Plan at the cutoff.", "plan", "plan"),
        Feature(
            "monthly_price", f"latest(monthly_price) {STATE}", (EVER,), None, "currency",
            "Price a month at the cutoff.", "a month", "plan",
        ),
        Feature(
            "allowance", f"latest(allowance) {STATE}", (EVER,), None, "number",
            "Usage included a month at the cutoff.", "included a month", "plan",
        ),
        Feature(
            "term_days", f"latest(term_days) {RENEWING}", (EVER,), None, "days",
            "Length of the running term.", "of term", "plan",
        ),
        Feature(
            "days_to_renewal", f"latest(term_days - age_days) {RENEWING}", (EVER,), None, "days",
            "Days from the cutoff to the next renewal, as agreed when the term began.", "to the renewal", "renewal",
        ),
        Feature(
            "subscription_tenure_days", "latest(age_days) filter (where event = 'started')", (EVER,), None, "days",
            "Days since the running subscription began.", "since the subscription began", "tenure",
        ),
        Feature(
            "first_subscription_days", "max(age_days) filter (where event in ('started', 'trial_started'))", (EVER,), None, "days",
            "Days since the first subscription or trial.", "since the first subscription", "tenure",
        ),
        Feature(
            "count_renewals", "count(*) filter (where event = 'renewed')", (180, 365), 0, "count",
            "Renewals.", "renewal{s}", "tenure",
        ),
        Feature(
            "count_former_ends", "count(*) filter (where event = 'ended')", (EVER,), 0, "count",
            "Subscriptions of this customer that ended before.", "earlier end{s}", "history of leaving",
        ),
        Feature(
            "count_upgrades", "count(*) filter (where event in ('upgraded', 'addon_bought'))", (90, 365), 0, "count",
            "Moves to a higher plan, and add-ons.", "upgrade{s} or add-on{s}", "plan changes",
        ),
        Feature(
            "count_downgrades", "count(*) filter (where event = 'downgraded')", (90, 365), 0, "count",
            "Moves to a lower plan.", "downgrade{s}", "plan changes",
        ),
        Feature(
            "count_pauses", "count(*) filter (where event = 'paused')", (90, 365), 0, "count",
            "Pauses.", "pause{s}", "plan changes",
        ),
        Feature(
            "count_cancel_requests", "count(*) filter (where event = 'cancel_requested')", (180,), 0, "count",
            "Requests to cancel, withdrawn or not.", "request{s} to cancel", "history of leaving",
        ),
        Feature(
            "days_since_plan_change",
            "min(age_days) filter (where event in ('upgraded', 'downgraded', 'addon_bought'))", (EVER,), None, "days",
            "Days since the plan was last changed.", "since the plan was changed", "plan changes",
        ),
    ),
)  # fmt: skip
