"""Customers' ids in other texts of staged facts: a note about somebody, an order number made from an id, a referral."""

from __future__ import annotations

import re
from collections import defaultdict

import duckdb

from tenure.core.sql import describe, literal, quoted
from tenure.sources.carried_ids import forms_of, glued_to_letters, is_telling
from tenure.sources.contract import STAGED_TABLES

# A whole word, as a reader would say: not part of a longer one, of a decimal or of an address. For RE2, and for Python.
WORD = r"[\p{L}\p{N}_]+(?:[-.@][\p{L}\p{N}_]+)*"
_WORD = re.compile(r"\w+(?:[-.@]\w+)*")
_PLAIN_NUMBER = r"\d+"
# Of a plain number inside a text of the customer's own row, only one this long is more likely the id than a count.
_SHORT_NUMBER = r"\d{1,4}"
# Ids of other things, which other tables know them by.
_OWN_IDS = ("customer_id", "product_id", "rule")


def text_columns(connection: duckdb.DuckDBPyConnection, table: str, relation: str) -> list[str]:
    """List the columns of a relation in which an id may stand: texts, but for enumerations and the ids of products."""
    enumerations = {column.name for column in STAGED_TABLES[table].columns if column.allowed}
    kinds = describe(connection, f"({relation})")
    return [
        name for name, kind in kinds.items() if kind == "VARCHAR" and name not in enumerations and name not in _OWN_IDS
    ]


def find_mentions(connection: duckdb.DuckDBPyConnection, texts: str, *, of_forgotten: bool = False) -> int:
    """Fill the table ``renamed`` (text, renamed) with the texts that name a customer who is named otherwise now.

    Return how many there are.

    ``texts`` is SQL that gives a column ``text``; the connection's table ``identity`` knows the customers, of whom
    ``of_forgotten`` asks for the forgotten alone. A plain number
    names a customer only where it is the customer_id: elsewhere a 12 is a count or a price.
    """
    forms = forms_of(connection, "is_forgotten")
    # Whoever is forgotten is found with letters glued to the id, too; a text that is another's id stays.
    glued = f"""
        UNION SELECT text, unnest(regexp_extract_all(text, {literal(forms)}, 1))
        FROM told ANTI JOIN identity ON text = customer_id
    """
    rows = connection.execute(
        f"WITH told AS (SELECT DISTINCT text FROM ({texts}) WHERE text IS NOT NULL), "
        f"words AS (SELECT text, unnest(regexp_extract_all(text, {literal(WORD)})) AS word FROM told "
        f"UNION SELECT text, text FROM told {glued if forms else ''}) "
        "SELECT text, customer_id, pseudonym FROM words JOIN identity ON word = customer_id "
        f"WHERE (is_forgotten OR {not of_forgotten}) AND customer_id <> pseudonym "
        f"AND NOT regexp_full_match(customer_id, {literal(_PLAIN_NUMBER)})"
    ).fetchall()
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for text, customer, name in rows:
        names[text][customer] = name
    connection.execute("CREATE OR REPLACE TEMP TABLE renamed (text VARCHAR, renamed VARCHAR)")
    if names:
        connection.executemany(
            "INSERT INTO renamed VALUES (?, ?)", [(text, rename(text, known)) for text, known in names.items()]
        )
    return len(names)


def rename(text: str, names: dict[str, str]) -> str:
    """Put each customer's new name in the place of the id.

    >>> rename("c1 came with c12, not c1-7", {"c1": "p1"})
    'p1 came with c12, not c1-7'
    """
    if text in names:
        return names[text]
    text = _WORD.sub(lambda word: names.get(word.group(), word.group()), text)
    for customer in filter(is_telling, names):
        text = re.sub(glued_to_letters(customer), rf"\1{names[customer]}", text)
    return text


def renamed_sql(column: str, joined: str) -> str:
    """Give the SQL of a column of ``fact``, where ``joined`` is its row of ``renamed``."""
    return f"coalesce({joined}.renamed, fact.{quoted(column)})"


def without_own_id_sql(column: str, joined: str) -> str:
    """Give the SQL of ``renamed_sql``, with the pseudonym for the customer's own id wherever that stands.

    In a row of its customer an id is taken for one even within a longer one: order c1-7 is the seventh of c1.
    """
    text, told = f"fact.{quoted(column)}", renamed_sql(column, joined)
    is_within = (
        f"contains({told}, fact.customer_id) AND NOT regexp_full_match(fact.customer_id, {literal(_SHORT_NUMBER)})"
    )
    within = rf"regexp_replace({told}, '\b' || regexp_escape(fact.customer_id) || '\b', pseudonym, 'g')"
    return f"CASE WHEN {text} = fact.customer_id THEN pseudonym WHEN {is_within} THEN {within} ELSE {told} END"
