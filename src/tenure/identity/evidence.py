"""What a record says of its person, written alike everywhere, and what many people share taken out."""

from __future__ import annotations

import duckdb

# An e-mail, phone or account on more records than a person has is a shop's or a placeholder: it identifies nobody.
MOST_RECORDS_PER_KEY = 20
KEYS = ("account", "email", "phone")
# What is compared; ``full_name`` weighs a name by how common it is as a whole.
EVIDENCE = (
    "first_name", "surname", "full_name", "birth_date", "account", "email", "phone", "street", "city", "postcode",
)  # fmt: skip

# One record, as one system had it from a moment on; SQL over staged records.
UNIQUE_ID = "system || ':' || record_id || '@' || known_at"

_PLAIN = "nullif(regexp_replace(lower(strip_accents({0})), '[^a-z0-9]+', ' ', 'g').trim(), '')"
_TIGHT = "nullif(regexp_replace(lower(strip_accents({0})), '[^a-z0-9]+', '', 'g'), '')"
# The last nine digits: +44 20 7946 0958 and 020 7946 0958 are one number.
_DIGITS = "nullif(right(regexp_replace({0}, '[^0-9]+', '', 'g'), 9), '')"


def write_evidence(connection: duckdb.DuckDBPyConnection, records: str, name: str) -> dict[str, int]:
    """Make a table of evidence from staged records.

    records (SQL)  =>  unique_id, customer_id, known_at, is_email_verified, and the columns of ``EVIDENCE``

    One row per record.
    Its ``unique_id`` is ``system:record_id@known_at``. Returns how many shared values each key column lost.
    """
    plain = {column: _PLAIN.format(column) for column in ("first_name", "surname", "street", "city")}
    tight = {column: _TIGHT.format(column) for column in ("account", "postcode")}
    columns = {
        **plain,
        **tight,
        "full_name": f"{plain['first_name']} || ' ' || {plain['surname']}",
        "birth_date": "CAST(CAST(birth_date AS DATE) AS VARCHAR)",
        "email": "nullif(lower(trim(email)), '')",
        "phone": _DIGITS.format("phone"),
    }
    listed = ", ".join(f"{columns[column]} AS {column}" for column in EVIDENCE)
    connection.execute(
        f"CREATE OR REPLACE TABLE {name} AS SELECT {UNIQUE_ID} AS unique_id, customer_id, known_at, "
        f"coalesce(is_email_verified, false) AS is_email_verified, {listed} "
        f"FROM ({records}) "
        "QUALIFY row_number() OVER (PARTITION BY system, record_id, known_at ORDER BY customer_id) = 1"
    )
    return {key: withhold_shared(connection, name, name, key) for key in KEYS}


def withhold_shared(connection: duckdb.DuckDBPyConnection, name: str, among: str, key: str) -> int:
    """Empty a key column where too many records share its value; return how many values that were."""
    shared = (
        f"SELECT {key} FROM {among} WHERE {key} IS NOT NULL GROUP BY {key} HAVING count(*) > {MOST_RECORDS_PER_KEY}"
    )
    (values,) = connection.execute(f"SELECT count(*) FROM ({shared})").fetchall()[0]
    if values:
        connection.execute(f"UPDATE {name} SET {key} = NULL WHERE {key} IN ({shared})")
    return int(values)
