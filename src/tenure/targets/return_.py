"""Return: a customer who stopped, ended or silent for long, comes back."""

from tenure.targets.definition import Condition, Heuristic, Target

# Who has been gone longer than gone_days hardly ever comes back, and would only dilute the question.
OPTIONS = {"gone_days": 540}

# A shop knows no end: who has been silent as long as lapse asks no more may return.
BUYS_AGAIN = Target(
    name="return",
    question=(
        "Will a customer who ordered before, but not in the last {eligible_days} days, order again in the next "
        "{horizon_days} days?"
    ),
    eligible_in_words="ordered last more than {eligible_days} and at most {gone_days} days before the cutoff",
    eligible=(
        Condition(
            "order_lines",
            "min(age_days) filter (where quantity > 0) between {eligible_days} + 1 and {gone_days}",
        ),
    ),
    outcome=Condition("order_lines", "count(*) filter (where quantity > 0) > 0"),
    positive="came back",
    horizon_days=60,
    eligible_days=180,
    options=OPTIONS,
    contact_cost=0.5,
    stake="first_year",
    heuristic=Heuristic("-days_since_order", "the fewest days since the last order"),
    by_default=False,
)

# Where there are subscriptions their ends are told, so they are asked about, also where there is a shop beside them.
TARGET = Target(
    name="return",
    question=("Will a customer whose last paid subscription ended pay for one again in the next {horizon_days} days?"),
    eligible_in_words=(
        "paid before, has nothing paid or paused, and what was paid for ended more than {eligible_days} and at most "
        "{gone_days} days before the cutoff"
    ),
    eligible=(
        Condition(
            "subscriptions",
            "count(*) filter (where state in ('paid', 'paused')) = 0 "
            "and min(age_days) filter (where has_paid) between {eligible_days} + 1 and {gone_days}",
        ),
    ),
    outcome=Condition(
        "customer_states", "count(*) filter (where state = 'paying' and days_ahead < {horizon_days}) > 0"
    ),
    positive="came back",
    horizon_days=60,
    eligible_days=14,  # churn's grace: a restart within it undoes the end
    options=OPTIONS,
    contact_cost=0.5,
    stake="first_year",
    heuristic=(
        Heuristic("coalesce(count_acts_30d, 0)", "activities on any channel in the last 30 days"),
        Heuristic("-days_since_payment", "the fewest days since the last payment"),
        Heuristic("count_former_ends", "how often they had left before"),
    ),
    by_default=False,
    otherwise=BUYS_AGAIN,
)
