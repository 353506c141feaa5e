"""The staged tables: what each holds, at which grain, in which types. Every source is mapped to these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tenure.core.errors import UnknownNameError

Kind = Literal["text", "decimal", "integer", "flag", "date"]

SQL_TYPE: dict[Kind, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "flag": "BOOLEAN",
    "date": "DATE",
}


@dataclass(frozen=True)
class Column:
    """One column of a staged table.

    ``allowed`` lists the values of an enumeration; ``absent`` is SQL over the table's other columns for what a missing
    value means, where it means something. ``decimals`` of a number are kept.
    """

    name: str
    kind: Kind
    meaning: str
    allowed: tuple[str, ...] = ()
    required: bool = False
    absent: str = ""
    decimals: int = 4


def sql_type(column: Column) -> str:
    # DECIMAL, not DOUBLE: sums of it do not depend on the number of threads.
    return f"DECIMAL(18,{column.decimals})" if column.kind == "decimal" else SQL_TYPE[column.kind]


@dataclass(frozen=True)
class StagedTable:
    """One staged table. All but ``products`` are dated facts with ``customer_id, occurred_at, known_at``.

    ``rules`` says what makes a row impossible beyond its single columns: a sentence, and SQL over the table's columns.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    is_dated: bool = True
    rules: tuple[tuple[str, str], ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise UnknownNameError(f"Column of {self.name}", name, self.column_names)


def _text(name: str, meaning: str, *allowed: str, required: bool = False, absent: str = "") -> Column:
    return Column(name, "text", meaning, allowed, required, absent)


def _decimal(name: str, meaning: str, *, required: bool = False, absent: str = "", decimals: int = 4) -> Column:
    return Column(name, "decimal", meaning, required=required, absent=absent, decimals=decimals)


SUBSCRIPTION_EVENTS = (
    "trial_started", "started", "renewed", "upgraded", "downgraded",
    "addon_bought", "paused", "resumed", "cancel_requested", "ended",
)  # fmt: skip

# What a channel reports of a contact, each at its own moment.
STATUSES = ("sent", "bounced", "opened", "clicked", "replied", "taken", "complained", "unsubscribed")

# The table that describes persons: matched where it is whole, kept apart under pseudonyms.
RECORDS = "records"

STAGED_TABLES: dict[str, StagedTable] = {
    table.name: table
    for table in (
        StagedTable("customers", "one row per customer and change", ()),
        StagedTable(
            "subscription_events",
            "one event of one subscription",
            (
                _text("subscription_id", "which subscription; the customer's only one where the source has no ids"),
                _text("event", "what happened", *SUBSCRIPTION_EVENTS, required=True),
                _text("plan", "the plan from this event on"),
                _decimal("monthly_price", "price a month, in the source's currency"),
                _decimal("allowance", "usage included a month, in the unit of the usage metric"),
                Column("term_days", "integer", "days until the next renewal, as agreed at this event"),
                _text("end_reason", "why it ended"),
            ),
        ),
        StagedTable(
            "payments",
            "one attempt",
            (
                _text("payment_id", "the attempt's id"),
                _decimal("amount", "in the source's currency", required=True),
                _text("status", "how it went", "succeeded", "failed", "refunded", "charged_back", required=True),
                _text("failure_reason", "as the processor says"),
            ),
        ),
        StagedTable(
            "usage",
            "one metric of one customer on one day",
            (_text("metric", "what is counted"), _decimal("quantity", "how much of it", required=True, decimals=6)),
        ),
        StagedTable(
            "engagement",
            "one act of the customer",
            (
                _text("channel", "where"),
                _text("kind", "open, click, visit, login, search, view, try_on, scan, ...", required=True),
                _text("product_id", "the product it was about"),
                _text("category", "the category it was about"),
                _text("place", "the shop, page or screen"),
            ),
        ),
        StagedTable(
            "order_lines",
            "one line of one order; a return has a negative quantity",
            (
                _text("order_id", "the order", required=True),
                _text("product_id", "the product"),
                _decimal(
                    "quantity",
                    "pieces; negative for a return; where unknown one, by the sign of the amount",
                    absent="CASE WHEN {amount} < 0 THEN -1 ELSE 1 END",
                ),
                _decimal("amount", "of the line, in the source's currency", required=True),
                _decimal("discount", "given on the line, in the source's currency"),
                _text("channel", "where it was ordered"),
                _text("brand", "of the product, as sold"),
            ),
        ),
        StagedTable(
            "products",
            "one product",
            (
                _text("product_id", "the product", required=True),
                _text("category", "of the product"),
                _text("brand", "of the product"),
                _decimal("price", "list price, in the source's currency", decimals=6),
                Column("available_from", "date", "the first day it can be had; empty means it could always"),
                Column("available_until", "date", "the last day it can be had; empty means none is known"),
            ),
            is_dated=False,
        ),
        StagedTable(
            "contacts",
            "one message or offer we sent, or withheld from a control group",
            (
                _text("campaign_id", "the campaign"),
                _text("channel", "how it was sent"),
                _text("offer", "what was offered"),
                _decimal("cost", "of this contact, in the source's currency"),
                _text("arm", "of the test", "treated", "control"),
                _text("decision_id", "the decision it carries out"),
                _text(
                    "assigned", "what chance and plan said; by default the arm", "treated", "control", absent="{arm}"
                ),
                _text("status", "what the channel reports, each in a row of its own; empty means sent", *STATUSES),
            ),
        ),
        StagedTable(
            "support_tickets",
            "one event of one ticket",
            (
                _text("ticket_id", "the ticket"),
                _text("topic", "what it is about"),
                _text("severity", "how grave"),
                _text("event", "what happened to the ticket", "opened", "resolved", "reopened", required=True),
            ),
        ),
        StagedTable(
            "loyalty",
            "one event of the programme",
            (
                _text(
                    "event", "what happened", "earned", "redeemed", "tier_up", "tier_down", "referred", required=True
                ),
                _decimal("points", "earned or redeemed, never negative"),
                _text("tier", "from this event on"),
                _text("referred_id", "which customer was referred, by the customer of the row"),
            ),
        ),
        StagedTable(
            "declared",
            "one answer of the customer",
            (_text("key", "the question", required=True), _text("value", "the answer")),
        ),
        StagedTable(
            RECORDS,
            "one person as one system knows them; a change is a new row",
            (
                _text("system", "which system keeps the record", required=True),
                _text("record_id", "the record's id there", required=True),
                _text("account", "an id the person carries from system to system: loyalty card, national id"),
                _text("first_name", "of the person"),
                _text("surname", "of the person"),
                Column("birth_date", "date", "of the person"),
                _text("email", "of the person, or of a household"),
                Column("is_email_verified", "flag", "the person has proven that the e-mail is theirs"),
                _text("phone", "of the person, or of a household"),
                _text("street", "with house number"),
                _text("city", "or another place that stays with the person"),
                _text("postcode", "of the address"),
            ),
            rules=(
                ("birth_date is after the record", "{birth_date} > CAST({occurred_at} AS DATE)"),
                (
                    "nothing but a name: no birth date, e-mail, phone, account or address",
                    "coalesce({birth_date}::VARCHAR, {email}, {phone}, {account}, {street}, {city}, {postcode}) "
                    "IS NULL",
                ),
            ),
        ),
    )
}


def staged_table(name: str) -> StagedTable:
    """Look a staged table up by name.

    Raises
    ------
    UnknownNameError : no such table in the contract.
    """
    if name not in STAGED_TABLES:
        raise UnknownNameError("Staged table", name, STAGED_TABLES)
    return STAGED_TABLES[name]


# Columns, extra ones too, that name one fact of a person; under pseudonyms they are hashed. Products and campaigns are
# shared; a decision's id is made here, of the customer's name as it is here, and is what the ledger is matched by.
FACT_IDS = ("subscription_id", "payment_id", "order_id", "ticket_id")
# Columns that name another customer: they are called and merged as customer_id is.
PERSON_IDS = ("referred_id",)
# How the attributes of a customer that are consent begin; they are no features.
CONSENT = "consent_"
# Columns every dated table has; a feature's expression may name none of them.
DATE_COLUMNS = ("occurred_at", "known_at")
# What customers without a date are dated: before any cutoff. A table dated so is static, so unproven by a replay.
STATIC_DATE = "1900-01-01"
# SQL of the last day on which a row was unknown, just as the engine cuts: it is seen once it has both occurred and
# become known.
# The day of a row without dates: as text it sorts before every cutoff, so that its table counts whole.
SEEN_AFTER, UNDATED = "greatest(occurred_at, known_at)::DATE::VARCHAR", ""
# A larger share of rejected rows is a warning.
TOLD_SHARE = 0.001
