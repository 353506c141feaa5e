"""Features of support: how often something went wrong, and whether it was put right."""

from tenure.features.definition import EVER, Feature, FeatureView

VIEW = FeatureView(
    table="support_tickets",
    driver="support",
    features=(
        Feature("count_tickets", "count(*) filter (where event = 'opened')", (30, 90, 365), 0, "count", "Tickets opened.", "ticket{s} opened"),
        Feature(
            "count_open_tickets",
            "greatest(count(*) filter (where event in ('opened', 'reopened')) - count(*) filter (where event = 'resolved'), 0)",
            (EVER,), 0, "count", "Tickets opened, or opened again, and not resolved since.", "ticket{s} not resolved",
        ),
        Feature("count_reopened", "count(*) filter (where event = 'reopened')", (365,), 0, "count", "Tickets reopened.", "ticket{s} reopened"),
        Feature(
            "days_since_ticket", "min(age_days) filter (where event = 'opened')", (EVER,), None, "days",
            "Days since the last ticket.", "since the last ticket",
        ),
        Feature("latest_ticket_topic", "latest(topic)", (365,), "none", "category", "Topic of the last ticket.", "last ticket's topic"),
    ),
)  # fmt: skip
