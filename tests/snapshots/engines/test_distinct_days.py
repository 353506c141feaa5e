"""Rows to days, then days to numbers: what comes out is what the expression over the rows says."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from tenure.features.expression import parse_expression
from tenure.snapshots.engines.distinct_days import is_over_days, over_days

OVER_DAYS = (
    "sum(distinct exp(-age_days / 7.0)) filter (where quantity > 0)",
    "sum(distinct exp(-age_days / 180.0))",
    "sum(distinct exp(age_days * 0))",
    "count(distinct floor((age_days - 1) / 7)) filter (where quantity > 0)",
    "count(distinct age_days) filter (where quantity > 0 and age_days > 275)",
    "avg(distinct age_days) filter (where amount is null)",
    "stddev_pop(distinct (age_days))",
    "max(distinct age_days) - min(distinct age_days) filter (where quantity < 0)",
    "case when count(distinct age_days) > 3 then avg(distinct age_days % 2) else 0 end",
)
OVER_ROWS = (
    "sum(amount)", "count(distinct quantity)", "count(distinct age_days) + max(amount)", "sum(exp(-age_days / 7.0))",
    "latest(age_days)", "count(*)", "count(distinct age_days + quantity)", "sum(distinct age_days) / latest(quantity)",
)  # fmt: skip


def as_it_is(parsed):
    return parsed


@pytest.mark.parametrize("expression", OVER_DAYS)
def test_what_needs_nothing_but_the_days_is_read_off_the_expression(expression):
    assert is_over_days(parse_expression(expression, "f"))


@pytest.mark.parametrize("expression", OVER_ROWS)
def test_what_needs_the_rows_is_read_off_the_expression(expression):
    assert not is_over_days(parse_expression(expression, "f"))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_days_first_comes_to_what_the_rows_come_to(seed):
    dice = np.random.default_rng(seed)
    rows = pd.DataFrame({
        "customer_id": dice.integers(0, 60, 4000), "cutoff": dice.integers(0, 2, 4000), "age_days": dice.integers(1, 500, 4000) // dice.choice([1, 40]),
        "quantity": dice.choice([-1, 1, 2], 4000), "amount": dice.choice([np.nan, 1.5], 4000),
    })  # fmt: skip
    asked = {f"f{n}": parse_expression(expression, "f") for n, expression in enumerate(OVER_DAYS)}
    connection = duckdb.connect()
    connection.register("facts", rows)
    plainly = ", ".join(f"{expression} AS f{n}" for n, expression in enumerate(OVER_DAYS))
    expected = connection.sql(
        f"SELECT customer_id, cutoff, {plainly} FROM facts GROUP BY customer_id, cutoff ORDER BY ALL"
    ).df()
    found = connection.sql(f"SELECT * FROM ({over_days(asked, 'SELECT * FROM facts', as_it_is)}) ORDER BY ALL").df()
    assert len(expected) > 100
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12, check_dtype=False)


def test_decays_too_slow_for_floats_to_tell_days_apart_stay_distinct():
    slow = {"f": parse_expression("sum(distinct exp(-age_days / 1e18))", "f")}
    two_days = "SELECT 1 AS customer_id, 1 AS cutoff, unnest([1, 2, 2]) AS age_days"
    assert duckdb.sql(over_days(slow, two_days, as_it_is)).fetchall() == [(1, 1, 1.0)]
