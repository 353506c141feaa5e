"""Features of engagement: opens, clicks, visits, logins, and silence."""

from tenure.features.definition import EVER, Feature, FeatureView

VIEW = FeatureView(
    table="engagement",
    driver="engagement",
    features=(
        Feature("count_acts", "count(*)", (7, 30, 90, 180), 0, "count", "Activities on any channel.", "activit{ies|y} on any channel"),
        Feature("count_opens", "count(*) filter (where kind = 'open')", (30, 90), 0, "count", "E-mails opened.", "e-mail{s} opened"),
        Feature("count_clicks", "count(*) filter (where kind = 'click')", (30, 90), 0, "count", "Clicks.", "click{s}"),
        Feature("count_visits", "count(*) filter (where kind = 'visit')", (30, 90), 0, "count", "Visits.", "visit{s}"),
        Feature("count_logins", "count(*) filter (where kind = 'login')", (30, 90), 0, "count", "Logins.", "login{s}"),
        Feature("count_searches", "count(*) filter (where kind = 'search')", (30, 90), 0, "count", "Searches.", "search{es|}"),
        Feature(
            "count_engaged_days", "count(distinct age_days)", (30, 90), 0, "count", "Days with any activity.", "active day{s}",
        ),
        Feature(
            "days_since_act", "min(age_days)", (EVER,), None, "days", "Days since the last activity.", "since the last activity", "silence",
        ),
    ),
)  # fmt: skip
