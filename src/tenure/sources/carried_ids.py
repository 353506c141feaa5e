"""Customers' ids within longer words, as in the order Oc000276-4: no pseudonym takes their place, so they are told of."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.sql import describe, literal, parquet, quoted
from tenure.sources.contract import FACT_IDS, PERSON_IDS, STAGED_TABLES
from tenure.sources.mapping import MappedTable

# As many rows may look so by chance; of a larger share no analyst should read on.
FEW, MOST_SHARE = 5, 0.05
# An id that is surely one wherever it stands, though glued to letters: three digits and a letter, and no address.
TELLING = r"[\p{L}\p{N}_-]*"
# What ids differ in; a source that writes them in more forms than so many has none by which they could be found.
MOST_FORMS = 20
_PSEUDONYM = "[pi][0-9a-f]{24}"


def is_telling(customer: str) -> bool:
    """Say whether an id is one also where letters are glued to it.

    >>> [is_telling(customer) for customer in ("c000276", "c1", "ana", "4711", "ana1234@shop.org")]
    [True, False, False, False, False]
    """
    digits = sum(letter.isdecimal() for letter in customer)
    return digits >= 3 and any(map(str.isalpha, customer)) and re.fullmatch(r"[\w-]+", customer) is not None


def glued_to_letters(customer: str) -> str:
    """Give the pattern of an id that letters may be glued to, and nothing else; group 1 are those before it.

    >>> [bool(re.search(glued_to_letters("c012"), text)) for text in ("Oc012-4", "c0123", "1c012", "a1c012")]
    [True, False, False, False]
    """
    return rf"(?<![^\W_])([^\W\d_]*){re.escape(customer)}(?=[^\W\d_]*(?![^\W_]))"


def forms_of(connection: duckdb.DuckDBPyConnection, condition: str = "true") -> str:
    """Give the pattern (RE2; group 1 is the id) of what may be an id of ``identity``; empty where none is telling."""
    forms = connection.execute(
        r"SELECT DISTINCT regexp_replace(customer_id, '[0-9]+', '0', 'g') FROM identity "
        rf"WHERE {condition} AND regexp_matches(customer_id, '[0-9].*[0-9].*[0-9]') "
        rf"AND regexp_matches(customer_id, '\p{{L}}') AND regexp_full_match(customer_id, {literal(TELLING)}) "
        f"ORDER BY 1 DESC LIMIT {MOST_FORMS + 1}"
    ).fetchall()
    if not 0 < len(forms) <= MOST_FORMS:
        return ""
    any_of = "|".join("[0-9]+".join(map(re.escape, form.split("0"))) for (form,) in forms)
    return rf"(?:^|[^\p{{L}}\p{{N}}])\p{{L}}*?({any_of})\p{{L}}*(?:$|[^\p{{L}}\p{{N}}])"


def own_id_in(text: str, customer: str) -> str:
    """Give the SQL of whether a text of the customer's own row carries the id, and not as a part of a longer number."""
    is_id = rf"regexp_matches({customer}, '[0-9]') AND regexp_matches({customer}, '\p{{L}}|[0-9]{{5}}')"
    return f"(contains({text}, {customer}) AND {is_id} AND regexp_matches({text}, {_whole(customer)}))"


def own_id_replaced(text: str) -> str:
    """Give the SQL of such a text with the pseudonym in the place of the id."""
    return rf"regexp_replace({text}, {_whole('fact.customer_id')}, '\1' || pseudonym || '\2', 'g')"


def _whole(customer: str) -> str:
    return f"'(^|[^0-9])' || regexp_escape({customer}) || '($|[^0-9])'"


def warn_of_carried(connection: duckdb.DuckDBPyConnection, mapped: MappedTable, staged: Path) -> list[str]:
    """Say which columns of a staged table carry ids of the table ``identity`` in more than a few rows, one line each.

    Raises
    ------
    DataContractError : a good share of a column's texts carry one.
    """
    enumerations = {column.name for column in STAGED_TABLES[mapped.name].columns if column.allowed}
    kinds = describe(connection, parquet(staged))
    skipped = {"customer_id", *FACT_IDS, *PERSON_IDS, *enumerations}
    forms, warned = forms_of(connection), []
    for name in (name for name, kind in kinds.items() if kind == "VARCHAR" and name not in skipped):
        filled, count = _carried(connection, staged, name, forms, with_own="customer_id" in kinds)
        if count <= FEW:
            continue
        found = f"{count:,} of {filled:,} rows carry customers' ids in {name}, which pseudonymise leaves as they are"
        if count > MOST_SHARE * filled:
            raise DataContractError(f"{mapped.place}: {found}. {_what_to_write(mapped, name)}")
        warned.append(f"{mapped.name}: {found}")
    return warned


def _what_to_write(mapped: MappedTable, name: str) -> str:
    customer, raw = (" || ".join(mapped.raw_columns.get(of, ())) or of for of in ("customer_id", name))
    return (
        f"Expected a text that names nobody: leave {name} out, or take the id out of it, as in "
        f"{name} = \"replace({raw}, {customer}, '')\". Ids of facts ({', '.join(FACT_IDS)}) are hashed."
    )


def _carried(
    connection: duckdb.DuckDBPyConnection, staged: Path, name: str, forms: str, *, with_own: bool
) -> tuple[int, int]:
    """Count the rows that fill a column, and those of them that carry an id: the row's own, or one that is telling."""
    text = f"regexp_replace({quoted(name)}, '{_PSEUDONYM}', '', 'g')"
    customer = "customer_id" if with_own else "''"
    own = own_id_in("text", "own.customer_id") if with_own else "false"
    found = f"regexp_extract_all(text, {literal(forms)}, 1)" if forms else "[]::VARCHAR[]"
    return connection.execute(
        f"WITH told AS (SELECT {text} AS text, {customer} AS pseudonym FROM {parquet(staged)} "
        f"WHERE regexp_matches({quoted(name)}, '[0-9]')), "
        f"words AS (SELECT text, unnest({found}) AS customer_id FROM (SELECT DISTINCT text FROM told)), "
        # A product may have a number that some customer has, too.
        "others AS (SELECT text FROM words SEMI JOIN identity USING (customer_id) WHERE text <> customer_id) "
        f"SELECT (SELECT count({quoted(name)}) FROM {parquet(staged)}), count(*) "
        "FROM told LEFT JOIN identity own USING (pseudonym) WHERE text IN (SELECT text FROM others) OR " + own
    ).fetchall()[0]
