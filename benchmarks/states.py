"""Churn on 10,000 random histories against the oracle of the tests, and customer states of 12 million events.

Usage: states.py [--questions 50] [--customers 1000000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / part) for part in ("targets", "")]

from test_churn_exactly import HISTORIES, differing  # noqa: E402

from tenure.features.due_dates import DUCKDB  # noqa: E402
from tenure.features.subscription_states import StateRules  # noqa: E402
from tenure.snapshots.engines.state_tables import StateTables  # noqa: E402

EVENTS_EACH = 12


def against_the_oracle(questions: int) -> None:
    wrong = []
    for question in range(questions):
        with tempfile.TemporaryDirectory() as folder:
            wrong += differing(Path(folder), question)
    print(f"churn: {questions * HISTORIES:,} random histories, {questions} questions: {len(wrong)} customers differ")
    print("\n\n".join(wrong[:5]))


def big(customers: int) -> None:
    """Time the states of customers with a dozen events each, one in a hundred known late, on two threads."""
    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET memory_limit = '4GB'")
    connection.execute(
        f"""
        CREATE TABLE subscription_events AS
        SELECT
            'C' || lpad(c::VARCHAR, 9, '0') AS customer_id,
            'S' || lpad(c::VARCHAR, 9, '0') AS subscription_id,
            TIMESTAMP '2023-01-01' + to_days((hash(c) % 400 + 30 * k)::INTEGER)
                + to_seconds((hash(c, k) % 80000)::BIGINT) AS occurred_at,
            occurred_at + to_days(CASE WHEN hash(c, k, 1) % 100 = 0 THEN 3 ELSE 0 END) AS known_at,
            CASE
                WHEN k = 0 THEN 'started' WHEN k = 11 AND c % 3 = 0 THEN 'ended' WHEN k = 5 AND c % 10 = 0 THEN 'paused'
                WHEN k = 6 AND c % 10 = 0 THEN 'resumed' WHEN k = 8 AND c % 7 = 0 THEN 'upgraded' ELSE 'renewed'
            END AS event,
            'Solo' AS plan,
            9.99::DECIMAL(18, 4) AS monthly_price,
            30 AS term_days
        FROM range({customers}) a(c), range({EVENTS_EACH}) b(k)
        ORDER BY hash(c, k)"""
    )
    tables = StateTables(
        lambda name, query: connection.execute(f"CREATE TEMP TABLE {name} AS {query}"), lambda table: table, DUCKDB
    )
    began, cpu = time.perf_counter(), time.process_time()
    tables.states(StateRules(14), date(2024, 6, 1))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    states, of = connection.execute("SELECT count(*), count(DISTINCT customer_id) FROM states").fetchall()[0]
    print(
        f"customer states of {customers * EVENTS_EACH:,} events of {of:,} customers on two threads, 4 GB: "
        f"{seconds:.1f} s, {cpu:.1f} s of CPU; {states:,} periods"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--customers", type=int, default=1_000_000)
    given = parser.parse_args()
    if given.questions:
        against_the_oracle(given.questions)
    if given.customers:
        big(given.customers)
