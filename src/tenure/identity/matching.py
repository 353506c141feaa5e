"""Pairs of records that may be one person: by rule where a key proves it, else by probability (Splink)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import UsageError
from tenure.core.sql import literal
from tenure.identity.evidence import EVIDENCE
from tenure.identity.settings import (
    FEWEST_RECORDS,
    MOST_PAIRS,
    MOST_PAIRS_PER_RECORD,
    RANDOM_PAIRS,
    REVIEW,
    ROUNDS,
    SEED,
    STRICT,
    STRICT_RECALL,
    TAUGHT_BY,
    matching_settings,
    usable_blocks,
)

if TYPE_CHECKING:
    from splink import Linker
    from splink.internals.blocking_rule_creator import BlockingRuleCreator

# Whom a key belongs to is plain only if nobody on it contradicts another: a household's e-mail proves no person.
_ONE_PERSON = "count(DISTINCT first_name) <= 1 AND count(DISTINCT birth_date) <= 1"
# Two first names that are neither alike, nor one the beginning of the other, nor swapped with the surname.
_OTHER_NAME = (
    "jaro_winkler_similarity(first_name_l, first_name_r) < 0.7 AND NOT starts_with(first_name_l, first_name_r) "
    "AND NOT starts_with(first_name_r, first_name_l) "
    "AND first_name_l IS DISTINCT FROM surname_r AND surname_l IS DISTINCT FROM first_name_r"
)
_OTHER_SURNAME = "jaro_winkler_similarity(surname_l, surname_r) < 0.7"
# Spouses, parents, neighbours.
_OTHER_PERSON = (
    f"{_OTHER_NAME} AND (birth_date_l IS DISTINCT FROM birth_date_r OR coalesce({_OTHER_SURNAME}, false)) "
    "AND account_l IS DISTINCT FROM account_r"
)
# Another birth date and another e-mail, and neither phone nor account in common: the name alone. Only at one address is
# a birth date taken for mistyped: among a thousand of one name two are born on days that look alike.
_NAMESAKE = (
    "email_l <> email_r AND (phone_l = phone_r) IS NOT TRUE AND (account_l = account_r) IS NOT TRUE "
    "AND (damerau_levenshtein(birth_date_l, birth_date_r) > 2 "
    "OR birth_date_l <> birth_date_r AND (street_l = street_r AND postcode_l = postcode_r) IS NOT TRUE)"
)
PAIR_COLUMNS = ", ".join(f"{column}_l, {column}_r" for column in ("unique_id", "customer_id", "known_at", *EVIDENCE))


@dataclass(frozen=True)
class Records:
    """Names of two tables of evidence: who is known, and who is new. All are new where ``known`` is empty."""

    known: str
    new: str


def exact_pairs(connection: duckdb.DuckDBPyConnection, records: Records) -> list[tuple[Any, ...]]:
    """Join each new record to the first one with the same id, account, verified e-mail or phone.

    => customer_id, customer_id, known_at of the later, 1.0, cause

    A chain per key, not every pair, so a key of n records costs n rows.
    """
    every = f"SELECT * FROM {records.new}" + (f" UNION ALL SELECT * FROM {records.known}" if records.known else "")
    rules = {
        "same account": ("account", "account IS NOT NULL"),
        "same verified e-mail": ("email", "email IS NOT NULL AND is_email_verified"),
        "same phone": ("phone", "phone IS NOT NULL"),
    }
    pairs: list[tuple[Any, ...]] = []
    for cause, (key, asked) in rules.items():
        pairs += connection.execute(
            f"WITH asked AS (SELECT * FROM ({every}) WHERE {asked} AND {key} IN (SELECT {key} FROM {records.new})), "
            f"owned AS (SELECT {key}, min_by(customer_id, (known_at, unique_id)) AS first "
            f"FROM asked GROUP BY {key} HAVING count(*) > 1 AND {_ONE_PERSON}) "
            f"SELECT DISTINCT first, customer_id, known_at, 1::DOUBLE, {literal(cause)} "
            f"FROM asked JOIN owned USING ({key}) WHERE first <> customer_id"
        ).fetchall()
    return pairs


def learn(connection: duckdb.DuckDBPyConnection, records: str, model: Path) -> Linker | None:
    """Take the model learnt before, else learn one from the records and keep it as JSON.

    None where the records are too few, lack names or birth dates, or none of them agree on these.
    """
    filled = _filled(connection, records)
    (count,) = connection.execute(f"SELECT count(*) FROM {records}").fetchall()[0]
    if count < FEWEST_RECORDS or not {column for columns in TAUGHT_BY for column in columns} <= filled:
        return None
    if model.is_file():
        return _linker(connection, records, model)
    strict = [columns for columns in STRICT if set(columns) <= filled]
    usable = usable_blocks(filled)
    pairs = {columns: _pairs(connection, records, columns) for columns in {*strict, *TAUGHT_BY, *usable}}
    if not (any(pairs[columns] for columns in strict) and all(pairs[columns] for columns in TAUGHT_BY)):
        return None
    most = min(MOST_PAIRS_PER_RECORD * count, MOST_PAIRS)
    blocks = [block for block in usable if pairs[block] <= most]
    linker = _taught(lambda rounds: _linker(connection, records, matching_settings(filled, blocks, rounds)), strict)
    with replaced_file(model) as fresh:
        linker.misc.save_model_to_json(str(fresh), overwrite=True)
    return linker


def _taught(untaught: Callable[[int], Linker], strict: Sequence[tuple[str, ...]]) -> Linker:
    """Teach a linker in as many rounds as floats can follow. ``untaught`` gives one that takes so many."""
    *many, fewest = ROUNDS
    for rounds in many:
        with suppress(ValueError):  # Splink's way to say that a probability is too small for a float
            return _teach(untaught(rounds), strict)
    return _teach(untaught(fewest), strict)


def _teach(linker: Linker, strict: Sequence[tuple[str, ...]]) -> Linker:
    """Learn, without any truth, how much each agreement says."""
    from splink import block_on

    training = linker.training
    rules: list[str | BlockingRuleCreator] = [block_on(*columns) for columns in strict]
    training.estimate_probability_two_random_records_match(rules, recall=STRICT_RECALL)
    training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS, seed=SEED)
    for columns in TAUGHT_BY:
        training.estimate_parameters_using_expectation_maximisation(block_on(*columns), max_pairs=RANDOM_PAIRS)
    return linker


def probable_pairs(connection: duckdb.DuckDBPyConnection, linker: Linker, records: Records, name: str) -> None:
    """Score the pairs in which at least one record is new, into a table.

    => both records' columns, probability, is_contradicted

    A contradicted pair is one of another person (other first names, and another birth date or surname, where the
    accounts differ) or of a namesake (another birth date and e-mail, and neither phone nor account in common): a human
    decides.
    """
    if records.known:
        api = linker._db_api
        new, known = api.register(records.new), api.register(records.known)
        for column in _weighed(linker):
            linker.table_management.compute_tf_table(column)
        found = [
            linker.inference.predict_between(known, new, threshold_match_probability=REVIEW).physical_name,
            linker.inference.predict_within(new, threshold_match_probability=REVIEW).physical_name,
        ]
    else:
        found = [linker.inference.predict(threshold_match_probability=REVIEW).physical_name]
    held = connection.execute(f"DESCRIBE {found[0]}").fetchall()
    present = {row[0] for row in held}
    listed = ", ".join(c if c in present else f"CAST(NULL AS VARCHAR) AS {c}" for c in PAIR_COLUMNS.split(", "))
    union = " UNION ALL ".join(f"SELECT {listed}, match_probability AS probability FROM {table}" for table in found)
    connection.execute(
        f"CREATE OR REPLACE TABLE {name} AS "
        f"SELECT *, coalesce({_OTHER_PERSON}, false) OR coalesce({_NAMESAKE}, false) AS is_contradicted FROM ({union})"
    )


def _weighed(linker: Linker) -> list[str]:
    return [column.unquote().name for column in linker._settings_obj._term_frequency_columns]


def _pairs(connection: duckdb.DuckDBPyConnection, records: str, block: tuple[str, ...]) -> float:
    listed = ", ".join(block)
    present = " AND ".join(f"({part}) IS NOT NULL" for part in block)
    groups = f"SELECT count(*) AS n FROM {records} WHERE {present} GROUP BY {listed}"
    (pairs,) = connection.execute(f"SELECT sum(n::DOUBLE * (n - 1)) / 2 FROM ({groups})").fetchall()[0]
    return float(pairs or 0)


def _filled(connection: duckdb.DuckDBPyConnection, records: str) -> set[str]:
    counts = ", ".join(f"count(DISTINCT {column})" for column in EVIDENCE)
    found = connection.execute(f"SELECT {counts} FROM {records}").fetchall()[0]
    return {column for column, count in zip(EVIDENCE, found, strict=True) if count > 1}


def _linker(connection: duckdb.DuckDBPyConnection, records: str, settings: Any) -> Linker:
    try:
        from splink import DuckDBAPI, Linker
    except ImportError:
        raise UsageError("Matching records needs the package splink. Install it: pip install 'splink>=5,<6'.") from None
    logging.getLogger("splink").setLevel(logging.ERROR)  # what it says is for who sets Splink up
    return Linker(DuckDBAPI(connection).register(records), settings, log_level=None)
