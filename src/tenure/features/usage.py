"""Features of usage: how much, how regularly, and since when silent."""

from tenure.features.definition import EVER, Feature, FeatureView

VIEW = FeatureView(
    table="usage",
    driver="usage",
    features=(
        Feature("usage", "sum(quantity)", (7, 30, 60, 90, 180), 0, "number", "Usage, added up.", "unit{s} used", "usage level"),
        Feature(
            "count_usage_days", "count(distinct age_days)", (7, 30, 90), 0, "count",
            "Days with any usage.", "day{s} with usage", "usage regularity",
        ),
        Feature(
            "days_since_usage", "min(age_days)", (90,), None, "days",
            "Days since the last usage.", "since the last usage", "usage silence",
        ),
        Feature(
            "first_usage_days", "max(age_days)", (EVER,), None, "days",
            "Days since the first usage.", "since the first usage", "tenure",
        ),
        Feature(
            "highest_usage_day", "max(quantity)", (30, 90), 0, "number",
            "Usage of the busiest day.", "unit{s} used on the busiest day", "usage level",
        ),
        Feature(
            "usage_deviation", "stddev(quantity)", (90,), None, "number",
            "Standard deviation of usage on days with usage.", "usual spread of daily usage", "usage regularity",
        ),
        Feature(
            "weekend_usage_share", "sum(quantity) filter (where weekday >= 6) / nullif(sum(quantity), 0)", (90,), None, "share",
            "Share of usage on weekends.", "of usage on weekends", "usage regularity",
        ),
    ),
)  # fmt: skip
