"""Features of orders: how often, how much, what, and in which rhythm.

Windows are whole weeks where they are short, so that each holds the same weekdays. A feature without a noun is exact
but no sentence: it counts for its driver, and another feature of the driver speaks.
"""

from tenure.features.definition import EVER, Feature, FeatureView

ORDERED = "filter (where quantity > 0)"
RETURNED = "filter (where quantity < 0)"
WINDOWS = (7, 14, 28, 56, 90, 180, 365, EVER)


def _recency_weighted(days: int) -> Feature:
    return Feature(
        f"recent_order_days_{days}", f"sum(distinct exp(-age_days / {days}.0)) {ORDERED}",
        when_no_rows=0, unit="number",
        meaning=f"Days with an order, each worth exp(-age / {days} days).",
        driver="order recency" if days <= 60 else "order frequency",
    )  # fmt: skip


VIEW = FeatureView(
    table="order_lines",
    driver="orders",
    features=(
        Feature(
            "days_since_order", f"min(age_days) {ORDERED}",
            unit="days", meaning="Days from the last order to the cutoff.",
            noun="since the last order", driver="order recency",
        ),
        Feature(
            "days_since_first_order", f"max(age_days) {ORDERED}",
            unit="days", meaning="Days from the first known order to the cutoff.",
            noun="since the first order", driver="tenure",
        ),
        Feature(
            "count_orders", f"count(distinct order_id) {ORDERED}",
            windows_days=(28, 56, 90, 180, 365, EVER), when_no_rows=0, unit="count",
            meaning="Orders placed.", noun="order{s}", driver="order frequency",
        ),
        Feature(
            "count_order_days", f"count(distinct age_days) {ORDERED}",
            windows_days=WINDOWS, when_no_rows=0, unit="count",
            meaning="Days with an order.", noun="day{s} with an order", driver="order frequency",
        ),
        Feature(
            "count_order_weeks", f"count(distinct floor((age_days - 1) / 7)) {ORDERED}",
            windows_days=(56, EVER), when_no_rows=0, unit="count",
            meaning="Weeks, counted back from the cutoff, with an order.",
            noun="week{s} with an order", driver="order frequency",
        ),
        Feature(
            "count_order_months", f"count(distinct floor((age_days - 1) / 30)) {ORDERED}",
            when_no_rows=0, unit="count",
            meaning="Spans of 30 days, counted back from the cutoff, with an order.",
            noun="month{s} with an order", driver="order frequency",
        ),
        *(_recency_weighted(days) for days in (7, 14, 30, 60, 90, 180)),
        Feature(
            "recent_order_amount_30", f"sum(amount * exp(-age_days / 30.0)) {ORDERED}",
            when_no_rows=0, unit="currency",
            meaning="Amount ordered, each line worth exp(-age / 30 days).", driver="order value",
        ),
        Feature(
            "recent_order_amount_90", f"sum(amount * exp(-age_days / 90.0)) {ORDERED}",
            when_no_rows=0, unit="currency",
            meaning="Amount ordered, each line worth exp(-age / 90 days).", driver="order value",
        ),
        Feature(
            "usual_order_gap_days",
            f"(max(age_days) {ORDERED} - min(age_days) {ORDERED}) / nullif(count(distinct age_days) {ORDERED} - 1, 0)",
            unit="days", meaning="Mean days between the days with an order.",
            noun="between orders", driver="order rhythm",
        ),
        Feature(
            "mean_order_age_days", f"avg(distinct age_days) {ORDERED}",
            unit="days", meaning="Mean age of the days with an order.",
            driver="order rhythm",
        ),
        Feature(
            "order_age_deviation_days", f"stddev_pop(distinct age_days) {ORDERED}",
            unit="days", meaning="Standard deviation of the ages of the days with an order.",
            driver="order rhythm",
        ),
        Feature(
            "order_amount", f"sum(amount) {ORDERED}",
            windows_days=WINDOWS, when_no_rows=0, unit="currency",
            meaning="Amount ordered, returns not deducted.", noun="ordered", driver="order value",
        ),
        Feature(
            "returned_amount", f"-sum(amount) {RETURNED}",
            windows_days=(365, EVER), when_no_rows=0, unit="currency",
            meaning="Amount sent back.", noun="sent back", driver="returns",
        ),
        Feature(
            "count_returns", f"count(distinct order_id) {RETURNED}",
            windows_days=(365, EVER), when_no_rows=0, unit="count",
            meaning="Returns.", noun="return{s}", driver="returns",
        ),
        Feature(
            "count_products", f"count(distinct product_id) {ORDERED}",
            windows_days=WINDOWS, when_no_rows=0, unit="count",
            meaning="Different products ordered.", noun="different product{s}", driver="assortment",
        ),
        Feature(
            "count_categories", f"count(distinct category) {ORDERED}",
            windows_days=(28, 90, 365, EVER), when_no_rows=0, unit="count",
            meaning="Different categories ordered.", noun="categor{ies|y}", driver="assortment",
        ),
        Feature(
            "count_order_days_season_ahead", "count(distinct age_days) filter (where quantity > 0 and age_days > 275)",
            windows_days=(365,), when_no_rows=0, unit="count",
            meaning="Days with an order a year ago in the 90 days that now lie ahead.",
            noun="day{s} with an order in the coming season of last year", driver="season",
        ),
        Feature(
            "season_ahead_amount", "sum(amount) filter (where quantity > 0 and age_days > 275)",
            windows_days=(365,), when_no_rows=0, unit="currency",
            meaning="Amount ordered a year ago in the 90 days that now lie ahead.",
            noun="ordered in the coming season of last year", driver="season",
        ),
        Feature(
            "count_order_lines", f"count(*) {ORDERED}",
            windows_days=(28, 90, 365, EVER), when_no_rows=0, unit="count",
            meaning="Lines ordered.", noun="order line{s}", driver="assortment",
        ),
        Feature(
            "ordered_quantity", f"sum(quantity) {ORDERED}",
            windows_days=(90, 365, EVER), when_no_rows=0, unit="number",
            meaning="Pieces ordered.", noun="pieces ordered", driver="order value",
        ),
        Feature(
            "largest_line_amount", f"max(amount) {ORDERED}",
            unit="currency", meaning="Amount of the largest line.",
            noun="for the largest line", driver="order value",
        ),
        Feature(
            "mean_piece_price", f"sum(amount) {ORDERED} / nullif(sum(quantity) {ORDERED}, 0)",
            unit="currency", meaning="Mean price of a piece.",
            noun="a piece on average", driver="price sensitivity",
        ),
        Feature(
            "discount_share", f"count(*) filter (where quantity > 0 and discount > 0) / nullif(count(*) {ORDERED}, 0)",
            windows_days=(90, EVER), unit="share",
            meaning="Share of lines bought at a discount.",
            noun="of lines bought at a discount", driver="price sensitivity",
        ),
        Feature(
            "weekend_order_share",
            f"count(*) filter (where quantity > 0 and weekday >= 6) / nullif(count(*) {ORDERED}, 0)",
            windows_days=(90, EVER), unit="share",
            meaning="Share of lines ordered on weekends.", noun="of lines ordered on weekends", driver="order habits",
        ),
        Feature(
            "count_order_weekdays", f"count(distinct weekday) {ORDERED}",
            windows_days=(56, EVER), when_no_rows=0, unit="count",
            meaning="Different days of the week with an order.",
            noun="different weekday{s} with an order", driver="order habits",
        ),
        Feature(
            "mean_order_hour", f"avg(hour) {ORDERED}",
            unit="number", meaning="Mean hour of the day of ordering.",
            noun="o'clock is the mean hour of ordering", driver="order habits",
        ),
        Feature(
            "order_hour_deviation", f"stddev_pop(hour) {ORDERED}",
            unit="number", meaning="Standard deviation of the hour of ordering.",
            driver="order habits",
        ),
        Feature(
            "evening_order_share",
            f"count(*) filter (where quantity > 0 and hour >= 17) / nullif(count(*) {ORDERED}, 0)",
            unit="share", meaning="Share of lines ordered at 17 h or later.",
            noun="of lines ordered in the evening", driver="order habits",
        ),
        Feature(
            "count_order_channels", f"count(distinct channel) {ORDERED}",
            when_no_rows=0, unit="count",
            meaning="Different channels or shops ordered from.", noun="channel{s} or shop{s}", driver="order habits",
        ),
    ),
)  # fmt: skip
