"""Features of orders: how often, how much, what, and in which rhythm.

Windows are whole weeks where they are short, so that each holds the same weekdays. A feature without a noun is exact but
no sentence: it counts for its driver, and another feature of the driver speaks.
"""

from tenure.features.definition import EVER, Feature, FeatureView

ORDERED = "filter (where quantity > 0)"
RETURNED = "filter (where quantity < 0)"
WINDOWS = (7, 14, 28, 56, 90, 180, 365, EVER)


def _recency_weighted(days: int) -> Feature:
    return Feature(
        f"recent_order_days_{days}", f"sum(distinct exp(-age_days / {days}.0)) {ORDERED}", (EVER,), 0, "number",
        f"Days with an order, each worth exp(-age / {days} days).", "", "order recency" if days <= 60 else "order frequency",
    )  # fmt: skip


VIEW = FeatureView(
    table="order_lines",
    driver="orders",
    features=(
        Feature(
            "days_since_order", f"min(age_days) {ORDERED}", (EVER,), None, "days",
            "Days from the last order to the cutoff.", "since the last order", "order recency",
        ),
        Feature(
            "days_since_first_order", f"max(age_days) {ORDERED}", (EVER,), None, "days",
            "Days from the first known order to the cutoff.", "since the first order", "tenure",
        ),
        Feature(
            "count_orders", f"count(distinct order_id) {ORDERED}", (28, 56, 90, 180, 365, EVER), 0, "count",
            "Orders placed.", "order{s}", "order frequency",
        ),
        Feature(
            "count_order_days", f"count(distinct age_days) {ORDERED}", WINDOWS, 0, "count",
            "Days with an order.", "day{s} with an order", "order frequency",
        ),
        Feature(
            "count_order_weeks", f"count(distinct floor((age_days - 1) / 7)) {ORDERED}", (56, EVER), 0, "count",
            "Weeks, counted back from the cutoff, with an order.", "week{s} with an order", "order frequency",
        ),
        Feature(
            "count_order_months", f"count(distinct floor((age_days - 1) / 30)) {ORDERED}", (EVER,), 0, "count",
            "Spans of 30 days, counted back from the cutoff, with an order.", "month{s} with an order", "order frequency",
        ),
        *(_recency_weighted(days) for days in (7, 14, 30, 60, 90, 180)),
        Feature(
            "recent_order_amount_30", f"sum(amount * exp(-age_days / 30.0)) {ORDERED}", (EVER,), 0, "currency",
            "Amount ordered, each line worth exp(-age / 30 days).", "", "order value",
        ),
        Feature(
            "recent_order_amount_90", f"sum(amount * exp(-age_days / 90.0)) {ORDERED}", (EVER,), 0, "currency",
            "Amount ordered, each line worth exp(-age / 90 days).", "", "order value",
        ),
        Feature(
            "usual_order_gap_days",
            f"(max(age_days) {ORDERED} - min(age_days) {ORDERED}) / nullif(count(distinct age_days) {ORDERED} - 1, 0)",
            (EVER,), None, "days", "Mean days between the days with an order.", "between orders", "order rhythm",
        ),
        Feature(
            "mean_order_age_days", f"avg(distinct age_days) {ORDERED}", (EVER,), None, "days",
            "Mean age of the days with an order.", "", "order rhythm",
        ),
        Feature(
            "order_age_deviation_days", f"stddev_pop(distinct age_days) {ORDERED}", (EVER,), None, "days",
            "Standard deviation of the ages of the days with an order.", "", "order rhythm",
        ),
        Feature(
            "order_amount", f"sum(amount) {ORDERED}", WINDOWS, 0, "currency", "Amount ordered, returns not deducted.", "ordered", "order value",
        ),
        Feature(
            "returned_amount", f"-sum(amount) {RETURNED}", (365, EVER), 0, "currency", "Amount sent back.", "sent back", "returns",
        ),
        Feature(
            "count_returns", f"count(distinct order_id) {RETURNED}", (365, EVER), 0, "count", "Returns.", "return{s}", "returns",
        ),
        Feature(
            "count_products", f"count(distinct product_id) {ORDERED}", WINDOWS, 0, "count",
            "Different products ordered.", "different product{s}", "assortment",
        ),
        Feature(
            "count_categories", f"count(distinct category) {ORDERED}", (28, 90, 365, EVER), 0, "count",
            "Different categories ordered.", "categor{ies|y}", "assortment",
        ),
        Feature(
            "count_order_days_season_ahead", "count(distinct age_days) filter (where quantity > 0 and age_days > 275)", (365,), 0, "count",
            "Days with an order a year ago in the 90 days that now lie ahead.", "day{s} with an order in the coming season of last year", "season",
        ),
        Feature(
            "season_ahead_amount", "sum(amount) filter (where quantity > 0 and age_days > 275)", (365,), 0, "currency",
            "Amount ordered a year ago in the 90 days that now lie ahead.", "ordered in the coming season of last year", "season",
        ),
        Feature(
            "count_order_lines", f"count(*) {ORDERED}", (28, 90, 365, EVER), 0, "count", "Lines ordered.", "order line{s}", "assortment",
        ),
        Feature(
            "ordered_quantity", f"sum(quantity) {ORDERED}", (90, 365, EVER), 0, "number", "Pieces ordered.", "pieces ordered", "order value",
        ),
        Feature(
            "largest_line_amount", f"max(amount) {ORDERED}", (EVER,), None, "currency",
            "Amount of the largest line.", "for the largest line", "order value",
        ),
        Feature(
            "mean_piece_price", f"sum(amount) {ORDERED} / nullif(sum(quantity) {ORDERED}, 0)", (EVER,), None, "currency",
            "Mean price of a piece.", "a piece on average", "price sensitivity",
        ),
        Feature(
            "discount_share", f"count(*) filter (where quantity > 0 and discount > 0) / nullif(count(*) {ORDERED}, 0)", (90, EVER), None, "share",
            "Share of lines bought at a discount.", "of lines bought at a discount", "price sensitivity",
        ),
        Feature(
            "weekend_order_share", f"count(*) filter (where quantity > 0 and weekday >= 6) / nullif(count(*) {ORDERED}, 0)",
            (90, EVER), None, "share", "Share of lines ordered on weekends.", "of lines ordered on weekends", "order habits",
        ),
        Feature(
            "count_order_weekdays", f"count(distinct weekday) {ORDERED}", (56, EVER), 0, "count",
            "Different days of the week with an order.", "different weekday{s} with an order", "order habits",
        ),
        Feature(
            "mean_order_hour", f"avg(hour) {ORDERED}", (EVER,), None, "number",
            "Mean hour of the day of ordering.", "o'clock is the mean hour of ordering", "order habits",
        ),
        Feature(
            "order_hour_deviation", f"stddev_pop(hour) {ORDERED}", (EVER,), None, "number",
            "Standard deviation of the hour of ordering.", "", "order habits",
        ),
        Feature(
            "evening_order_share", f"count(*) filter (where quantity > 0 and hour >= 17) / nullif(count(*) {ORDERED}, 0)", (EVER,), None, "share",
            "Share of lines ordered at 17 h or later.", "of lines ordered in the evening", "order habits",
        ),
        Feature(
            "count_order_channels", f"count(distinct channel) {ORDERED}", (EVER,), 0, "count",
            "Different channels or shops ordered from.", "channel{s} or shop{s}", "order habits",
        ),
    ),
)  # fmt: skip
