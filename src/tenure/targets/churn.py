"""Churn: a subscription ends."""

from tenure.targets.definition import Condition, Heuristic, Target

# Every paid subscription can end in the outcome window: it has no term, is overdue, or due in it.
CAN_END = "(due_ahead is null or overdue_days is not null or due_ahead < {horizon_days})"
# In the window, or by the grace after a due date in it: who is dunned ends late. An end before the window, which was not
# known at the cutoff or came in the lead time, counts as on its first day.
GONE = "state = 'none' and (former_state in ('paying', 'held') or days_ahead < 0)"
ENDS = f"""{GONE}
    and (days_ahead < {{horizon_days}} or days_ahead <= due_days_ahead + {{grace_days}})"""
FOR_GOOD = "coalesce(next_days_ahead - greatest(days_ahead, 0) > {grace_days}, true)"

TARGET = Target(
    name="churn",
    question=(
        "Will a paying customer end their last subscription in the next {horizon_days} days, "
        "without coming back within {grace_days} days?"
    ),
    eligible_in_words=(
        "pays at the cutoff, has not asked to cancel everything, and each paid subscription can end in the "
        "{horizon_days} days of the outcome window: it has no term, is overdue, or is due in them"
    ),
    eligible=(
        Condition(
            "subscriptions",
            "count(*) filter (where state = 'paid' and not is_cancelling) > 0 "
            f"and count(*) filter (where state = 'paid' and not {CAN_END}) = 0",
        ),
    ),
    outcome=Condition("customer_states", f"count(*) filter (where {ENDS} and {FOR_GOOD}) > 0"),
    positive="churned",
    horizon_days=30,
    label_lag_days=28,  # an end may come by the grace after the window, and a restart by the grace after it
    options={"grace_days": 14, "pause_is_end_days": 0, "renewals": ""},
    contact_cost=2.0,
    heuristic=(
        Heuristic(
            "30 * coalesce(count_failed_payments_30d, 0) + coalesce(days_since_usage_90d, 90)",
            "thirty for each failed payment of the last 30 days, plus the days since the last usage",
        ),
        Heuristic("coalesce(days_since_usage_90d, 90)", "days since the last usage"),
        Heuristic("-subscription_tenure_days", "the fewest days since the subscription began"),
        Heuristic("-count_renewals_365d", "the fewest renewals in the last year"),
    ),
    revenue="paid_amount_365d",
    monotone={"count_failed_payments": 1, "share_failed_payments": 1},
)
