"""Ratios, rates and trends over other features: the second, row-wise kind. A feature may use those above it."""

from tenure.features.definition import FeatureColumn, row_feature

PACE_WINDOWS = (7, 14, 28, 56, 90, 180)


def _pace(days: int) -> FeatureColumn:
    return row_feature(
        f"order_pace_{days}d", f"count_order_days_{days}d / nullif(least({days}, days_since_first_order), 0)",
        unit="ratio", meaning=f"Order days a day over {days} days, or since the first order if that is shorter.",
        driver="order frequency",
    )  # fmt: skip


def _pace_trend(days: int) -> FeatureColumn:
    return row_feature(
        f"order_pace_trend_{days}d", f"order_pace_{days}d / nullif(order_pace, 0)",
        unit="ratio",
        meaning=f"Pace of ordering over {days} days against the customer's own since the first order; "
        "below 1 it slows down.",
        noun=f"times the customer's own pace of ordering over {days} days", driver="order trend",
    )  # fmt: skip


def _basket(days: int) -> tuple[FeatureColumn, FeatureColumn]:
    return (
        row_feature(
            f"mean_order_amount_{days}d", f"order_amount_{days}d / nullif(count_orders_{days}d, 0)",
            unit="currency", meaning=f"Mean amount of an order over {days} days.",
            noun=f"an order on average over {days} days", driver="order value",
        ),
        row_feature(
            f"products_per_order_{days}d", f"count_products_{days}d / nullif(count_orders_{days}d, 0)",
            unit="ratio", meaning=f"Different products for each order over {days} days.",
            noun=f"different products an order over {days} days", driver="assortment",
        ),
    )  # fmt: skip


def _momentum(days: int, longer: int) -> FeatureColumn:
    return row_feature(
        f"order_momentum_{days}_{longer}", f"recent_order_days_{days} / nullif(recent_order_days_{longer}, 0)",
        unit="ratio",
        meaning=f"Order days weighted by exp(-age / {days} days) against those weighted by exp(-age / {longer} days).",
        driver="order trend",
    )  # fmt: skip


def _weighted_pace(days: int) -> FeatureColumn:
    return row_feature(
        f"recent_order_pace_{days}",
        f"recent_order_days_{days} / ({days} * (1 - exp(-days_since_first_order / {days}.0)))",
        unit="ratio",
        meaning=f"Order days weighted by exp(-age / {days} days), for each day so weighted since the first order.",
        driver="order frequency",
    )  # fmt: skip


# Expected purchases of a customer of whom little is known: a prior of half an order day in 30 days, and of dying after
# an order with odds 1 to 2.5. Weak, so that a few orders outweigh them.
PRIOR_DAYS, PRIOR_ORDERS, DEATH, SURVIVAL = 30, 0.5, 1, 2.5

ROW_FEATURES = (
    row_feature(
        "order_gap_ratio", "days_since_order / nullif(usual_order_gap_days, 0)",
        unit="ratio", meaning="Days since the last order against the customer's usual gap between orders.",
        noun="times the usual gap between orders has passed", driver="order rhythm",
    ),
    row_feature(
        "smoothed_order_gap_days", "(days_since_first_order - days_since_order + 30) / nullif(count_order_days, 0)",
        unit="days",
        meaning="Mean days between orders with 30 days added, so that it is known from the first order on.",
        driver="order rhythm",
    ),
    row_feature(
        "smoothed_order_gap_ratio", "days_since_order / smoothed_order_gap_days",
        unit="ratio", meaning="Days since the last order against the smoothed gap.",
        driver="order rhythm",
    ),
    row_feature(
        "order_silence_share", "days_since_order / nullif(days_since_first_order, 0)",
        unit="share", meaning="Share of the time since the first order that has passed since the last.",
        noun="of the time since the first order has passed since the last", driver="order recency",
    ),
    row_feature(
        "order_silence_log_probability",
        "count_order_days * ln((days_since_first_order - days_since_order + 1) / (days_since_first_order + 1))",
        unit="number",
        meaning="Log-probability of so long a silence had the customer kept a steady pace: n log(t / T).",
        driver="order rhythm",
    ),
    row_feature(
        "still_buying_probability",
        f"1 / (1 + {DEATH} / ({SURVIVAL} + count_order_days - 1) * power(({PRIOR_DAYS} + days_since_first_order) / "
        f"({PRIOR_DAYS} + days_since_first_order - days_since_order), {PRIOR_ORDERS} + count_order_days - 1))",
        unit="share", meaning="P(alive) of the BG/NBD model with fixed, weak priors (Fader, Hardie and Lee 2005).",
        noun="is the chance that they are still buying, by their rhythm alone", driver="order rhythm",
    ),
    row_feature(
        "silence_probability_28d",
        f"1 - still_buying_probability * (1 - power(({PRIOR_DAYS} + days_since_first_order) / "
        f"({PRIOR_DAYS} + 28 + days_since_first_order), {PRIOR_ORDERS} + count_order_days))",
        unit="share", meaning="Chance of no order within 28 days: still buying or not, at a gamma-Poisson pace.",
        driver="order rhythm",
    ),
    row_feature(
        "order_pace", "count_order_days / nullif(days_since_first_order, 0)",
        unit="ratio", meaning="Order days a day since the first order.",
        driver="order frequency",
    ),
    row_feature(
        "smoothed_order_pace", f"({PRIOR_ORDERS} + count_order_days) / ({PRIOR_DAYS} + days_since_first_order)",
        unit="ratio", meaning="Order days a day since the first order, drawn towards half an order in 30 days.",
        driver="order frequency",
    ),
    *(_pace(days) for days in PACE_WINDOWS),
    *(_pace_trend(days) for days in PACE_WINDOWS[1:]),
    *(_momentum(days, longer) for days, longer in ((7, 30), (14, 60), (30, 90))),
    *(_weighted_pace(days) for days in (30, 90)),
    *(feature for days in (28, 56, 90, 180) for feature in _basket(days)),
    row_feature(
        "mean_order_amount", "order_amount / nullif(count_orders, 0)",
        unit="currency", meaning="Mean amount of an order.",
        noun="an order on average", driver="order value",
    ),
    row_feature(
        "products_per_order", "count_products / nullif(count_orders, 0)",
        unit="ratio", meaning="Different products for each order.",
        noun="different products an order", driver="assortment",
    ),
    row_feature(
        "lines_per_order", "count_order_lines / nullif(count_orders, 0)",
        unit="ratio", meaning="Lines of an order.",
        noun="lines an order", driver="assortment",
    ),
    row_feature(
        "order_amount_per_day", "order_amount / nullif(days_since_first_order, 0)",
        unit="currency", meaning="Amount ordered a day since the first order.",
        noun="ordered a day since the first order", driver="order value",
    ),
    row_feature(
        "recent_order_amount_per_order_day", "recent_order_amount_30 / nullif(recent_order_days_30, 0)",
        unit="currency", meaning="Amount of an order day, the recent ones weighing more.",
        driver="order value",
    ),
    row_feature(
        "order_amount_trend", "recent_order_amount_per_order_day / nullif(mean_order_amount, 0)",
        unit="ratio", meaning="Amount of the recent order days against the customer's own mean order.",
        noun="times the usual amount in recent orders", driver="order value",
    ),
    row_feature(
        "order_centre",
        "(mean_order_age_days - days_since_order) / nullif(days_since_first_order - days_since_order, 0)",
        unit="share",
        meaning="Where between the last order (0) and the first (1) the mean order lies; "
        "above a half they came early and thinned out.",
        driver="order rhythm",
    ),
    row_feature(
        "order_spread", "order_age_deviation_days / nullif(days_since_first_order - days_since_order, 0)",
        unit="ratio", meaning="Spread of the order days against the time from the first to the last.",
        driver="order rhythm",
    ),
    row_feature(
        "order_weeks_per_order_day", "count_order_weeks / nullif(count_order_days, 0)",
        unit="ratio", meaning="Weeks with an order for each order day; 1 when no week holds two.",
        driver="order habits",
    ),
    row_feature(
        "order_weeks_share", "count_order_weeks / nullif(ceil(days_since_first_order / 7), 0)",
        unit="share", meaning="Share of the weeks since the first order that hold one.",
        noun="of the weeks since the first order had one", driver="order frequency",
    ),
    row_feature(
        "order_months_share", "count_order_months / nullif(ceil(days_since_first_order / 30), 0)",
        unit="share", meaning="Share of the 30-day spans since the first order that hold one.",
        noun="of the months since the first order had one", driver="order frequency",
    ),
    row_feature(
        "return_rate", "count_returns / nullif(count_orders, 0)",
        unit="ratio", meaning="Returns for each order.",
        noun="returns for each order", driver="returns",
    ),
    row_feature(
        "returned_amount_share", "returned_amount / nullif(order_amount, 0)",
        unit="share", meaning="Share of the amount ordered that was sent back.",
        noun="of the amount ordered was sent back", driver="returns",
    ),
    row_feature(
        "usage_of_allowance_30d", "usage_30d / nullif(allowance, 0)",
        unit="share",
        meaning="Usage of the last 30 days against the month's allowance; from 80 % on, more may be needed.",
        noun="of the month's allowance used in 30 days", driver="allowance",
    ),
    row_feature(
        "usage_of_allowance_90d", "usage_90d / nullif(3 * allowance, 0)",
        unit="share", meaning="Usage of the last 90 days against three months' allowance.",
        noun="of the allowance used in 90 days", driver="allowance",
    ),
    row_feature(
        "usage_trend_30d", "usage_30d / nullif(usage_90d / 3, 0)",
        unit="ratio",
        meaning="Usage of the last 30 days against the customer's own mean of 90 days; below 1 it declines.",
        noun="times the usual usage", driver="usage trend",
    ),
    row_feature(
        "usage_trend_7d", "usage_7d / nullif(usage_30d * 7 / 30, 0)",
        unit="ratio", meaning="Usage of the last 7 days against the customer's own mean of 30 days.",
        noun="times the month's usage, last week", driver="usage trend",
    ),
    row_feature(
        "usage_trend_90d", "usage_90d / nullif(usage_180d / 2, 0)",
        unit="ratio", meaning="Usage of the last 90 days against the customer's own mean of 180 days.",
        noun="times the half-year's usage, last quarter", driver="usage trend",
    ),
    row_feature(
        "engagement_trend_30d", "count_acts_30d / nullif(count_acts_90d / 3, 0)",
        unit="ratio", meaning="Acts of the last 30 days against the customer's own mean of 90 days.",
        noun="times the usual engagement", driver="engagement trend",
    ),
    row_feature(
        "usage_per_price_30d", "usage_30d / nullif(monthly_price, 0)",
        unit="ratio", meaning="Usage of the last 30 days for each unit of the monthly price.",
        noun="used per unit of price", driver="value for money",
    ),
    row_feature(
        "points_balance_365d", "points_earned_365d - points_redeemed_365d",
        unit="number", meaning="Points earned and not redeemed within a year.",
        noun="points left", driver="loyalty",
    ),
)  # fmt: skip
