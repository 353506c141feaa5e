"""Features of engagement: opens, clicks, visits, logins, and silence."""

from tenure.features.definition import Feature, FeatureView

VIEW = FeatureView(
    table="engagement",
    driver="engagement",
    features=(
        Feature(
            "count_acts", "count(*)",
            windows_days=(7, 30, 90, 180), when_no_rows=0, unit="count",
            meaning="Activities on any channel.", noun="activit{ies|y} on any channel",
        ),
        Feature(
            "count_opens", "count(*) filter (where kind = 'open')",
            windows_days=(30, 90), when_no_rows=0, unit="count",
            meaning="E-mails opened.", noun="e-mail{s} opened",
        ),
        Feature(
            "count_clicks", "count(*) filter (where kind = 'click')",
            windows_days=(30, 90), when_no_rows=0, unit="count",
            meaning="Clicks.", noun="click{s}",
        ),
        Feature(
            "count_visits", "count(*) filter (where kind = 'visit')",
            windows_days=(30, 90), when_no_rows=0, unit="count",
            meaning="Visits.", noun="visit{s}",
        ),
        Feature(
            "count_logins", "count(*) filter (where kind = 'login')",
            windows_days=(30, 90), when_no_rows=0, unit="count",
            meaning="Logins.", noun="login{s}",
        ),
        Feature(
            "count_searches", "count(*) filter (where kind = 'search')",
            windows_days=(30, 90), when_no_rows=0, unit="count",
            meaning="Searches.", noun="search{es|}",
        ),
        Feature(
            "count_engaged_days", "count(distinct age_days)",
            windows_days=(30, 90), when_no_rows=0, unit="count",
            meaning="Days with any activity.", noun="active day{s}",
        ),
        Feature(
            "days_since_act", "min(age_days)",
            unit="days", meaning="Days since the last activity.",
            noun="since the last activity", driver="silence",
        ),
    ),
)  # fmt: skip
