"""Features of orders: how often, how much, what, and in which rhythm."""

from tenure.features.definition import EVER, Feature, FeatureView

ORDERED = "filter (where quantity > 0)"
RECENT = (14, 30, 60, 90, 180, 365)

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
            "count_orders", f"count(distinct order_id) {ORDERED}", RECENT, 0, "count",
            "Orders placed.", "orders", "order frequency",
        ),
        Feature(
            "count_order_days", f"count(distinct age_days) {ORDERED}", (30, 90, 180, 365), 0, "count",
            "Days with an order.", "days with an order", "order frequency",
        ),
        Feature(
            "order_amount", "sum(amount)", RECENT, 0, "currency",
            "Amount ordered, net of returns.", "ordered", "order value",
        ),
        Feature(
            "count_products", f"count(distinct product_id) {ORDERED}", (30, 90, 180, 365), 0, "count",
            "Different products ordered.", "different products", "assortment",
        ),
        Feature(
            "usual_order_gap_days",
            f"(max(age_days) {ORDERED} - min(age_days) {ORDERED}) / nullif(count(distinct age_days) {ORDERED} - 1, 0)",
            (EVER,), None, "days", "Mean days between the days with an order.", "between orders", "order rhythm",
        ),
        Feature(
            "recent_order_days", f"sum(distinct exp(-age_days / 30.0)) {ORDERED}", (EVER,), 0, "number",
            "Days with an order, each worth less the older it is: exp(-age / 30 days).", "recent order days, weighted", "order recency",
        ),
        Feature(
            "recent_order_days_slow", f"sum(distinct exp(-age_days / 90.0)) {ORDERED}", (EVER,), 0, "number",
            "Days with an order, each worth less the older it is: exp(-age / 90 days).",
            "order days of the last months, weighted", "order frequency",
        ),
        Feature(
            "order_day_spread_days", f"stddev(distinct age_days) {ORDERED}", (180, 365), None, "days",
            "Standard deviation of the ages of the days with an order.", "spread of order days", "order rhythm",
        ),
        Feature(
            "ordered_quantity", f"sum(quantity) {ORDERED}", (90, 365), 0, "number", "Pieces ordered.", "pieces ordered", "order value",
        ),
        Feature(
            "count_order_lines", f"count(*) {ORDERED}", (30, 90, 365), 0, "count", "Lines ordered.", "order lines", "assortment",
        ),
        Feature(
            "count_categories", f"count(distinct category) {ORDERED}", (90,), 0, "count",
            "Different categories ordered.", "categories", "assortment",
        ),
        Feature(
            "latest_line_amount", f"latest(amount) {ORDERED}", (EVER,), None, "currency",
            "Amount of the last line ordered.", "for the last line", "order value",
        ),
        Feature(
            "weekend_order_share", f"count(*) filter (where quantity > 0 and weekday >= 6) / nullif(count(*) {ORDERED}, 0)",
            (180,), None, "share", "Share of lines ordered on weekends.", "of lines ordered on weekends", "order habits",
        ),
        Feature(
            "mean_order_hour", f"avg(hour) {ORDERED}", (180,), None, "number",
            "Mean hour of the day of ordering.", "o'clock is the mean hour of ordering", "order habits",
        ),
        Feature(
            "discount_share", f"count(*) filter (where quantity > 0 and discount > 0) / nullif(count(*) {ORDERED}, 0)", (180, 365), None, "share",
            "Share of lines bought at a discount.", "of lines bought at a discount", "price sensitivity",
        ),
        Feature(
            "count_returned_lines", "count(*) filter (where quantity < 0)", (365,), 0, "count",
            "Lines sent back.", "returned lines", "returns",
        ),
    ),
)  # fmt: skip
