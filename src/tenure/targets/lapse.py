"""Lapse: an active buyer stops buying."""

from tenure.targets.definition import Condition, Heuristic, Target

TARGET = Target(
    name="lapse",
    question=(
        "Will a customer who ordered in the last {eligible_days} days place no order in the next {horizon_days} days?"
    ),
    eligible_in_words="placed at least one order in the {eligible_days} days before the cutoff",
    eligible=(Condition("order_lines", "count(*) filter (where quantity > 0) > 0", days="eligible_days"),),
    outcome=Condition("order_lines", "count(*) filter (where quantity > 0) = 0", when_no_rows=True),
    positive="lapsed",
    horizon_days=90,
    eligible_days=180,
    heuristic=Heuristic("days_since_order", "days since the last order"),
    revenue="order_amount_365d - returned_amount_365d",
)
