"""Ratios, rates and trends over other features: the second, row-wise kind. A feature may use those above it."""

from tenure.features.definition import RowFeature

PACE_WINDOWS = (7, 14, 28, 56, 90, 180)


def _pace(days: int) -> RowFeature:
    return RowFeature(
        f"order_pace_{days}d", f"count_order_days_{days}d / nullif(least({days}, days_since_first_order), 0)", "ratio",
        f"Order days a day over {days} days, or since the first order if that is shorter.", "", "order frequency",
    )  # fmt: skip


def _pace_trend(days: int) -> RowFeature:
    return RowFeature(
        f"order_pace_trend_{days}d", f"order_pace_{days}d / nullif(order_pace, 0)", "ratio",
        f"Pace of ordering over {days} days against the customer's own since the first order; below 1 it slows down.",
        f"times the customer's own pace of ordering over {days} days", "order trend",
    )  # fmt: skip


def _basket(days: int) -> tuple[RowFeature, RowFeature]:
    return (
        RowFeature(
            f"mean_order_amount_{days}d", f"order_amount_{days}d / nullif(count_orders_{days}d, 0)", "currency",
            f"Mean amount of an order over {days} days.", f"an order on average over {days} days", "order value",
        ),
        RowFeature(
            f"products_per_order_{days}d", f"count_products_{days}d / nullif(count_orders_{days}d, 0)", "ratio",
            f"Different products for each order over {days} days.", f"different products an order over {days} days", "assortment",
        ),
    )  # fmt: skip


def _momentum(days: int, longer: int) -> RowFeature:
    return RowFeature(
        f"order_momentum_{days}_{longer}", f"recent_order_days_{days} / nullif(recent_order_days_{longer}, 0)", "ratio",
        f"Order days weighted by exp(-age / {days} days) against those weighted by exp(-age / {longer} days).", "", "order trend",
    )  # fmt: skip


def _weighted_pace(days: int) -> RowFeature:
    return RowFeature(
        f"recent_order_pace_{days}", f"recent_order_days_{days} / ({days} * (1 - exp(-days_since_first_order / {days}.0)))", "ratio",
        f"Order days weighted by exp(-age / {days} days), for each day so weighted since the first order.", "", "order frequency",
    )  # fmt: skip


# Expected purchases of a customer of whom little is known: a prior of half an order day in 30 days, and of dying after an
# order with odds 1 to 2.5. Weak, so that a few orders outweigh them.
PRIOR_DAYS, PRIOR_ORDERS, DEATH, SURVIVAL = 30, 0.5, 1, 2.5

ROW_FEATURES = (
    RowFeature(
        "order_gap_ratio", "days_since_order / nullif(usual_order_gap_days, 0)", "ratio",
        "Days since the last order against the customer's usual gap between orders.",
        "times the usual gap between orders has passed", "order rhythm",
    ),
    RowFeature(
        "smoothed_order_gap_days", "(days_since_first_order - days_since_order + 30) / nullif(count_order_days, 0)", "days",
        "Mean days between orders with 30 days added, so that it is known from the first order on.", "", "order rhythm",
    ),
    RowFeature(
        "smoothed_order_gap_ratio", "days_since_order / smoothed_order_gap_days", "ratio",
        "Days since the last order against the smoothed gap.", "", "order rhythm",
    ),
    RowFeature(
        "order_silence_share", "days_since_order / nullif(days_since_first_order, 0)", "share",
        "Share of the time since the first order that has passed since the last.",
        "of the time since the first order has passed since the last", "order recency",
    ),
    RowFeature(
        "order_silence_log_probability",
        "count_order_days * ln((days_since_first_order - days_since_order + 1) / (days_since_first_order + 1))", "number",
        "Log-probability of so long a silence had the customer kept a steady pace: n log(t / T).", "", "order rhythm",
    ),
    RowFeature(
        "still_buying_probability",
        f"1 / (1 + {DEATH} / ({SURVIVAL} + count_order_days - 1) * power(({PRIOR_DAYS} + days_since_first_order) / "
        f"({PRIOR_DAYS} + days_since_first_order - days_since_order), {PRIOR_ORDERS} + count_order_days - 1))", "share",
        "P(alive) of the BG/NBD model with fixed, weak priors (Fader, Hardie and Lee 2005).",
        "is the chance that they are still buying, by their rhythm alone", "order rhythm",
    ),
    RowFeature(
        "silence_probability_28d",
        f"1 - still_buying_probability * (1 - power(({PRIOR_DAYS} + days_since_first_order) / ({PRIOR_DAYS} + 28 + days_since_first_order), "
        f"{PRIOR_ORDERS} + count_order_days))", "share",
        "Chance of no order within 28 days: still buying or not, at a gamma-Poisson pace.", "", "order rhythm",
    ),
    RowFeature(
        "order_pace", "count_order_days / nullif(days_since_first_order, 0)", "ratio",
        "Order days a day since the first order.", "", "order frequency",
    ),
    RowFeature(
        "smoothed_order_pace", f"({PRIOR_ORDERS} + count_order_days) / ({PRIOR_DAYS} + days_since_first_order)", "ratio",
        "Order days a day since the first order, drawn towards half an order in 30 days.", "", "order frequency",
    ),
    *(_pace(days) for days in PACE_WINDOWS),
    *(_pace_trend(days) for days in PACE_WINDOWS[1:]),
    *(_momentum(days, longer) for days, longer in ((7, 30), (14, 60), (30, 90))),
    *(_weighted_pace(days) for days in (30, 90)),
    *(feature for days in (28, 56, 90, 180) for feature in _basket(days)),
    RowFeature(
        "mean_order_amount", "order_amount / nullif(count_orders, 0)", "currency",
        "Mean amount of an order.", "an order on average", "order value",
    ),
    RowFeature(
        "products_per_order", "count_products / nullif(count_orders, 0)", "ratio",
        "Different products for each order.", "different products an order", "assortment",
    ),
    RowFeature(
        "lines_per_order", "count_order_lines / nullif(count_orders, 0)", "ratio", "Lines of an order.", "lines an order", "assortment",
    ),
    RowFeature(
        "order_amount_per_day", "order_amount / nullif(days_since_first_order, 0)", "currency",
        "Amount ordered a day since the first order.", "ordered a day since the first order", "order value",
    ),
    RowFeature(
        "recent_order_amount_per_order_day", "recent_order_amount_30 / nullif(recent_order_days_30, 0)", "currency",
        "Amount of an order day, the recent ones weighing more.", "", "order value",
    ),
    RowFeature(
        "order_amount_trend", "recent_order_amount_per_order_day / nullif(mean_order_amount, 0)", "ratio",
        "Amount of the recent order days against the customer's own mean order.", "times the usual amount in recent orders", "order value",
    ),
    RowFeature(
        "order_centre", "(mean_order_age_days - days_since_order) / nullif(days_since_first_order - days_since_order, 0)", "share",
        "Where between the last order (0) and the first (1) the mean order lies; above a half they came early and thinned out.", "", "order rhythm",
    ),
    RowFeature(
        "order_spread", "order_age_deviation_days / nullif(days_since_first_order - days_since_order, 0)", "ratio",
        "Spread of the order days against the time from the first to the last.", "", "order rhythm",
    ),
    RowFeature(
        "order_weeks_per_order_day", "count_order_weeks / nullif(count_order_days, 0)", "ratio",
        "Weeks with an order for each order day; 1 when no week holds two.", "", "order habits",
    ),
    RowFeature(
        "order_weeks_share", "count_order_weeks / nullif(ceil(days_since_first_order / 7), 0)", "share",
        "Share of the weeks since the first order that hold one.", "of the weeks since the first order had one", "order frequency",
    ),
    RowFeature(
        "order_months_share", "count_order_months / nullif(ceil(days_since_first_order / 30), 0)", "share",
        "Share of the 30-day spans since the first order that hold one.", "of the months since the first order had one", "order frequency",
    ),
    RowFeature(
        "return_rate", "count_returns / nullif(count_orders, 0)", "ratio", "Returns for each order.", "returns for each order", "returns",
    ),
    RowFeature(
        "returned_amount_share", "returned_amount / nullif(order_amount, 0)", "share",
        "Share of the amount ordered that was sent back.", "of the amount ordered was sent back", "returns",
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
