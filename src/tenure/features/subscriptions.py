"""Features of the state of subscriptions at the cutoff: what is paid for, and when it is due."""

from tenure.features.definition import Feature, FeatureView

VIEW = FeatureView(
    table="subscriptions",
    driver="subscription",
    features=(
        Feature(
            "days_to_renewal", "min(coalesce(-overdue_days, due_ahead)) filter (where state = 'paid')",
            unit="days", meaning="Days from the cutoff to the next due date of what is paid for; below zero by the days "
            "for which it is overdue.",
            noun="to the renewal", driver="renewal",
        ),
        Feature(
            "count_paid_subscriptions", "count(*) filter (where state = 'paid')",
            when_no_rows=0, unit="count", meaning="Subscriptions that are paid for at the cutoff.",
            noun="paid subscription{s}",
        ),
    ),
)  # fmt: skip
