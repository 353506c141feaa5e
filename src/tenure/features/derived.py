"""Tables that are derived from staged ones: definitions name them like staged tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tenure.sources.contract import staged_table

SUBSCRIPTIONS = "subscriptions"
CUSTOMER_STATES = "customer_states"
# By name: the staged table it comes from, and its columns. docs/customer-states.md says what they hold.
DERIVED = {
    SUBSCRIPTIONS: (
        "subscription_events",
        (
            "subscription_id", "state", "plan", "monthly_price", "term_days", "is_cancelling", "has_paid",
            "overdue_days", "due_ahead",
        ),
    ),
    CUSTOMER_STATES: (
        "subscription_events",
        ("state", "former_state", "next_days_ahead", "due_days_ahead"),
    ),
}  # fmt: skip


# Columns that say nothing where the staged table has no value in some other.
_MADE_OF = {"due_ahead": "term_days", "overdue_days": "term_days", "plan": "plan", "monthly_price": "monthly_price"}


def empty_columns_of(table: str, empty: Mapping[str, Collection[str]]) -> Collection[str]:
    """Name the columns of a staged or derived table without a value in any row, from those of the staged tables."""
    lacking = empty.get(staged_name(table), ())
    return {name for name, origin in _MADE_OF.items() if origin in lacking} if table in DERIVED else lacking


def table_columns(table: str) -> tuple[str, ...]:
    """Name the columns of a staged or derived table that a definition may use.

    Raises
    ------
    UnknownNameError : there is no such table.
    """
    return DERIVED[table][1] if table in DERIVED else staged_table(table).column_names


def staged_name(table: str) -> str:
    """Name the staged table that a table is, or comes from.

    >>> staged_name("customer_states"), staged_name("order_lines")
    ('subscription_events', 'order_lines')
    """
    return DERIVED[table][0] if table in DERIVED else table
