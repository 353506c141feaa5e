"""Ratios and trends over other features: the second, row-wise kind."""

from tenure.features.definition import RowFeature

ROW_FEATURES = (
    RowFeature(
        "order_gap_ratio", "days_since_order / nullif(usual_order_gap_days, 0)", "ratio",
        "Days since the last order against the customer's usual gap between orders.",
        "times the usual gap between orders has passed", "order rhythm",
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
)  # fmt: skip
