"""Features of usage: how much, how regularly, and since when silent."""

from tenure.features.definition import Feature, FeatureView

VIEW = FeatureView(
    table="usage",
    driver="usage",
    features=(
        Feature(
            "usage", "sum(quantity)",
            windows_days=(7, 30, 60, 90, 180), when_no_rows=0, unit="number",
            meaning="Usage, added up.", noun="unit{s} used", driver="usage level",
        ),
        Feature(
            "count_usage_days", "count(distinct age_days)",
            windows_days=(7, 30, 90), when_no_rows=0, unit="count",
            meaning="Days with any usage.", noun="day{s} with usage", driver="usage regularity",
        ),
        Feature(
            "days_since_usage", "min(age_days)",
            windows_days=(90,), unit="days",
            meaning="Days since the last usage.", noun="since the last usage", driver="usage silence",
        ),
        Feature(
            "first_usage_days", "max(age_days)",
            unit="days", meaning="Days since the first usage.",
            noun="since the first usage", driver="tenure",
        ),
        Feature(
            "highest_usage_day", "max(quantity)",
            windows_days=(30, 90), when_no_rows=0, unit="number",
            meaning="Usage of the busiest day.", noun="unit{s} used on the busiest day", driver="usage level",
        ),
        Feature(
            "usage_deviation", "stddev(quantity)",
            windows_days=(90,), unit="number",
            meaning="Standard deviation of usage on days with usage.",
            noun="usual spread of daily usage", driver="usage regularity",
        ),
        Feature(
            "weekend_usage_share", "sum(quantity) filter (where weekday >= 6) / nullif(sum(quantity), 0)",
            windows_days=(90,), unit="share",
            meaning="Share of usage on weekends.", noun="of usage on weekends", driver="usage regularity",
        ),
    ),
)  # fmt: skip
