"""An earlier day sees what had occurred and was known before it, though the facts end later."""

from datetime import date

import duckdb

from tenure.customers.earlier import known_before

ROWS = """
SELECT who, occurred_at::TIMESTAMP AS occurred_at, known_at::TIMESTAMP AS known_at FROM (VALUES
    ('yesterday', '2024-03-31 23:59:59', '2024-03-31 23:59:59'), ('that day', '2024-04-01', '2024-04-01'),
    ('known late', '2024-03-30', '2024-04-01'), ('long ago', '2024-03-02', '2024-03-05')) AS t(who, occurred_at, known_at)"""


def test_an_earlier_day_sees_only_what_was_known_on_it():
    found = duckdb.sql(f"SELECT who, days_ago FROM ({known_before(ROWS, date(2024, 4, 1))}) ORDER BY days_ago")
    assert found.fetchall() == [("yesterday", 1), ("long ago", 30)]
