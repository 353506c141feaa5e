"""Features of support: how often something went wrong, and whether it was put right."""

from tenure.features.definition import Feature, FeatureView

VIEW = FeatureView(
    table="support_tickets",
    driver="support",
    features=(
        Feature(
            "count_tickets", "count(*) filter (where event = 'opened')",
            windows_days=(30, 90, 365), when_no_rows=0, unit="count",
            meaning="Tickets opened.", noun="ticket{s} opened",
        ),
        Feature(
            "count_open_tickets",
            "greatest(count(*) filter (where event in ('opened', 'reopened')) "
            "- count(*) filter (where event = 'resolved'), 0)",
            when_no_rows=0, unit="count",
            meaning="Tickets opened, or opened again, and not resolved since.", noun="ticket{s} not resolved",
        ),
        Feature(
            "count_reopened", "count(*) filter (where event = 'reopened')",
            windows_days=(365,), when_no_rows=0, unit="count",
            meaning="Tickets reopened.", noun="ticket{s} reopened",
        ),
        Feature(
            "days_since_ticket", "min(age_days) filter (where event = 'opened')",
            unit="days", meaning="Days since the last ticket.",
            noun="since the last ticket",
        ),
        Feature(
            "latest_ticket_topic", "latest(topic)",
            windows_days=(365,), when_no_rows="none", unit="category",
            meaning="Topic of the last ticket.", noun="last ticket's topic",
        ),
    ),
)  # fmt: skip
