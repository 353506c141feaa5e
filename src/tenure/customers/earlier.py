"""The same facts on an earlier day: what compares two days sees on each only what was known on it."""

from __future__ import annotations

from datetime import date

from tenure.core.errors import NotEnoughDataError
from tenure.features.payments import NET_AMOUNT
from tenure.snapshots.engines.facts_at import FactsAt

_ORDER_LINES = """
SELECT
    customer_id,
    occurred_at,
    known_at,
    order_id AS purchase_id,
    CAST(amount AS DOUBLE) AS amount,
    quantity > 0 AS is_purchase
FROM order_lines"""
_PAYMENTS = f"""
SELECT
    customer_id,
    occurred_at,
    known_at,
    CAST(occurred_at AS VARCHAR) AS purchase_id,
    CAST({NET_AMOUNT} AS DOUBLE) AS amount,
    status = 'succeeded' AS is_purchase
FROM payments
WHERE status <> 'failed'"""


def known_before(rows: str, day: date) -> str:
    """Give the SQL of rows that had occurred and were known before a day, with ``days_ago``: 1 = the day before it.

    ``rows`` is SQL over the views of ``FactsAt``, with ``occurred_at`` and ``known_at``; they end at its as-of.
    """
    return (
        f"SELECT *, date_diff('day', CAST(occurred_at AS DATE), DATE '{day}') AS days_ago FROM ({rows}) "
        f"WHERE occurred_at < DATE '{day}' AND known_at < DATE '{day}'"
    )


def purchases(facts: FactsAt) -> str:
    """Give the SQL of what was bought: order lines, or payments where the source has no orders.

    => customer_id, occurred_at, known_at, purchase_id, amount (in the source's currency; negative when given back),
       is_purchase

    Raises
    ------
    NotEnoughDataError : the source has neither.
    """
    if "order_lines" in facts.tables:
        return _ORDER_LINES
    if "payments" in facts.tables:
        return _PAYMENTS
    raise NotEnoughDataError("needs order_lines or payments, and the source has neither")
