"""Aggregates of floats come to the same bits in any order, and to what they are: fsum and fractions are the oracle."""

import math
import statistics
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import pytest

from tenure.features.expression import parse_expression, to_duckdb
from tenure.snapshots.engines.exact_aggregates import exactly


def asked(connection, expression):
    def type_of(sql):
        return str(connection.execute(f"DESCRIBE SELECT {sql} FROM facts").fetchall()[0][1])

    return to_duckdb(exactly(parse_expression(expression, "f"), type_of))


def taken(rows, expression):
    """Take an aggregate over rows in their order, on one thread."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.register("given", rows)
    connection.execute(
        "CREATE TABLE facts AS SELECT age_days, CAST(money AS DECIMAL(18, 4)) AS money, x, CAST(n AS BIGINT) AS n FROM given"
    )
    return connection.execute(f"SELECT {asked(connection, expression)} FROM facts").fetchall()[0][0]


@pytest.fixture(scope="module")
def rows():
    dice = np.random.default_rng(3)
    count = 5_000
    return pd.DataFrame({
        "age_days": dice.integers(1, 900, count), "money": dice.gamma(1, 40, count).round(2), "n": dice.integers(0, 24, count),
        "x": dice.normal(size=count) * 10.0 ** dice.integers(-12, 9, count),
    })  # fmt: skip


FLOATS = {
    "sum(exp(-age_days / 30.0))": lambda r: [math.exp(-age / 30) for age in r["age_days"]],
    "sum(exp(-age_days / 7.0)) filter (where n > 20)": lambda r: [math.exp(-age / 7) for age in r["age_days"][r["n"] > 20]],
    "sum(money * exp(-age_days / 90.0))": lambda r: [m * math.exp(-age / 90) for m, age in zip(r["money"], r["age_days"], strict=True)],
    "sum(x)": lambda r: r["x"],
}  # fmt: skip


@pytest.mark.parametrize("expression", FLOATS)
def test_a_sum_of_floats_is_right_to_the_last_bit_but_one_in_any_order(rows, expression):
    truth = math.fsum(FLOATS[expression](rows))
    plain = {duckdb.sql(f"SELECT {expression} FROM shuffled").fetchall()[0][0] for shuffled in orders(rows)}
    exact = {taken(shuffled, expression) for shuffled in orders(rows)}
    assert len(plain) > 1, "what is to be avoided happens"
    assert len(exact) == 1 and exact.pop() == pytest.approx(truth, rel=3e-16)


def orders(rows):
    return [rows.sample(frac=1, random_state=seed) for seed in range(8)]


def test_a_mean_of_floats_is_their_sum_by_their_count_and_unknown_where_there_is_none(rows):
    assert taken(rows, "avg(x)") == pytest.approx(math.fsum(rows["x"]) / len(rows), rel=3e-16)
    assert taken(rows, "avg(x) filter (where n > 99)") is None and taken(rows, "sum(x) filter (where n > 99)") is None


@pytest.mark.parametrize("column", ["money", "n"])
def test_a_deviation_of_exact_numbers_is_that_of_their_fractions(rows, column):
    values = [Fraction(str(value)) for value in rows[column]]
    assert taken(rows, f"stddev({column})") == pytest.approx(statistics.stdev(values), rel=1e-15)
    assert taken(rows, f"stddev_pop({column})") == pytest.approx(statistics.pstdev(values), rel=1e-15)
    assert len({taken(shuffled, f"stddev({column})") for shuffled in orders(rows)}) == 1


def test_a_deviation_of_one_value_is_unknown_or_none(rows):
    assert taken(rows.head(1), "stddev(n)") is None and taken(rows.head(1), "stddev_pop(money)") == 0


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_a_sum_with_infinity_is_infinite(rows, value):
    assert taken(rows.assign(x=[value, *rows["x"][1:]]), "sum(x)") == value


@pytest.mark.parametrize(
    "expression", ["sum(money)", "sum(n)", "avg(n)", "sum(distinct x)", "median(x)", "count(*)", "max(x)", "stddev(x)"]
)
def test_what_is_exact_already_or_cannot_be_stays_as_it_is(rows, expression):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE facts (money DECIMAL(18, 4), n BIGINT, x DOUBLE)")
    assert asked(connection, expression) == to_duckdb(parse_expression(expression, "f"))
