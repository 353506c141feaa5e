"""Features of engagement: opens, clicks, visits, logins, and silence."""

from tenure.features.definition import EVER, Feature, FeatureView

VIEW = FeatureView(
    table="engagement",
    driver="engagement",
    features=(
        Feature("count_acts", "count(*)", (7, 30, 90, 180), 0, "count", "Acts on any channel.", "acts on any channel"),
        Feature("count_opens", "count(*) filter (where kind = 'open')", (30, 90), 0, "count", "E-mails opened.", "e-mails opened"),
        Feature("count_clicks", "count(*) filter (where kind = 'click')", (30, 90), 0, "count", "Clicks.", "clicks"),
        Feature("count_visits", "count(*) filter (where kind = 'visit')", (30, 90), 0, "count", "Visits.", "visits"),
        Feature("count_logins", "count(*) filter (where kind = 'login')", (30, 90), 0, "count", "Logins.", "logins"),
        Feature("count_searches", "count(*) filter (where kind = 'search')", (30, 90), 0, "count", "Searches.", "searches"),
        Feature(
            "count_engaged_days", "count(distinct age_days)", (30, 90), 0, "count", "Days with any act.", "days with any act",
        ),
        Feature(
            "days_since_act", "min(age_days)", (EVER,), None, "days", "Days since the last act.", "since the last act", "silence",
        ),
    ),
)  # fmt: skip
