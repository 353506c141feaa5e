"""Ratios and trends over other features: the second, row-wise kind."""

from tenure.features.definition import RowFeature

ROW_FEATURES = (
    RowFeature(
        "order_gap_ratio", "days_since_order / nullif(usual_order_gap_days, 0)", "ratio",
        "Days since the last order against the customer's usual gap between orders.",
        "times the usual gap between orders has passed", "order rhythm",
    ),
    RowFeature(
        "order_pace_90d",
        "(count_order_days_90d + 0.5) / (count_order_days_180d - count_order_days_90d + 0.5)",
        "ratio",
        "Days with an order in the last 90 days against the 90 before; below 1 it slows down.",
        "times the order days of the quarter before",
        "order frequency",
    ),
    RowFeature(
        "average_order_amount_365d", "order_amount_365d / nullif(count_orders_365d, 0)", "currency",
        "Mean amount of an order.", "an order on average", "order value",
    ),
    RowFeature(
        "order_trend_90d", "(count_orders_90d - (count_orders_180d - count_orders_90d)) / nullif(count_orders_180d, 0)", "ratio",
        "Orders of the last 90 days against the 90 days before, from -1 (stopped) to 1 (began).",
        "order trend", "order frequency",
    ),
    RowFeature(
        "usage_of_allowance_30d", "usage_30d / nullif(allowance, 0)", "share",
        "Usage of the last 30 days against the month's allowance; from 80 % on, more may be needed.",
        "of the month's allowance used in 30 days", "allowance",
    ),
    RowFeature(
        "usage_of_allowance_90d", "usage_90d / nullif(3 * allowance, 0)", "share",
        "Usage of the last 90 days against three months' allowance.",
        "of the allowance used in 90 days", "allowance",
    ),
    RowFeature(
        "usage_trend_30d", "usage_30d / nullif(usage_90d / 3, 0)", "ratio",
        "Usage of the last 30 days against the customer's own mean of 90 days; below 1 it declines.",
        "times the usual usage", "usage trend",
    ),
    RowFeature(
        "usage_trend_7d", "usage_7d / nullif(usage_30d * 7 / 30, 0)", "ratio",
        "Usage of the last 7 days against the customer's own mean of 30 days.",
        "times the month's usage, last week", "usage trend",
    ),
    RowFeature(
        "usage_trend_90d", "usage_90d / nullif(usage_180d / 2, 0)", "ratio",
        "Usage of the last 90 days against the customer's own mean of 180 days.",
        "times the half-year's usage, last quarter", "usage trend",
    ),
    RowFeature(
        "engagement_trend_30d", "count_acts_30d / nullif(count_acts_90d / 3, 0)", "ratio",
        "Acts of the last 30 days against the customer's own mean of 90 days.",
        "times the usual engagement", "engagement trend",
    ),
    RowFeature(
        "usage_per_price_30d", "usage_30d / nullif(monthly_price, 0)", "ratio",
        "Usage of the last 30 days for each unit of the monthly price.",
        "used per unit of price", "value for money",
    ),
    RowFeature(
        "points_balance_365d", "points_earned_365d - points_redeemed_365d", "number",
        "Points earned and not redeemed within a year.", "points left", "loyalty",
    ),
)  # fmt: skip
