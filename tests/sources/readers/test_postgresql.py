"""What a PostgreSQL server holds arrives as it is, whatever its types and however many batches, and no password is repeated."""

from decimal import Decimal

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest

from tenure.core.errors import DataContractError
from tenure.sources.readers import postgresql as reader
from tenure.sources.readers.postgresql import copy_postgresql_table

VARIABLE = "TENURE_POSTGRESQL_URL"


@pytest.fixture
def server(postgresql, monkeypatch, tmp_path_factory):
    """A database of its own; gives what runs statements in it."""
    name = tmp_path_factory.mktemp("db").name
    with psycopg.connect(f"host={postgresql} user=tenure dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    address = f"host={postgresql} user=tenure dbname={name}"
    monkeypatch.setenv(VARIABLE, address)

    def run(*statements):
        with psycopg.connect(address, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    return run


def copied(folder, table="t"):
    """Copy a table; gives its types and its rows."""
    path = folder / "copy.parquet"
    copy_postgresql_table(VARIABLE, table, path)
    assert [file.name for file in folder.iterdir()] == ["copy.parquet"]
    duckdb.sql("SET TimeZone = 'UTC'")
    relation = duckdb.sql(f"SELECT * FROM '{path}'")
    return dict(zip(relation.columns, map(str, relation.types), strict=True)), relation


def test_what_comes_late_in_a_table_decides_as_what_comes_first(tmp_path, server, monkeypatch):
    monkeypatch.setattr(reader, "BATCH_BYTES", 1 << 20)
    server(
        "CREATE TABLE t (n integer, price numeric, note text, score double precision, total numeric(12, 2))",
        "INSERT INTO t SELECT n, CASE WHEN n < 60000 THEN n % 9 ELSE n * 1000000::numeric + 0.125 END, "
        "CASE WHEN n >= 60000 THEN 'late' END, CASE WHEN n >= 60000 THEN 0.5 END, n / 4.0 FROM generate_series(0, 120000) n",
    )
    kinds, relation = copied(tmp_path)
    rows = relation.fetchall()
    assert kinds == {"n": "INTEGER", "price": "DECIMAL(15,3)", "note": "VARCHAR", "score": "DOUBLE", "total": "DECIMAL(12,2)"}  # fmt: skip
    assert len(rows) == 120_001
    expected = [
        (n, Decimal(n % 9) if n < 60_000 else n * 1_000_000 + Decimal("0.125"), *([None, None] if n < 60_000 else ["late", 0.5]))
        for n in range(120_001)
    ]  # fmt: skip
    assert [row[:4] for row in sorted(rows)] == expected
    assert sum(row[4] for row in rows) == Decimal(sum(range(120_001))) / 4


def test_a_large_table_comes_in_several_batches(tmp_path, server, monkeypatch):
    seen = []

    class Writer(pq.ParquetWriter):
        def write_batch(self, batch):
            seen.append(batch.nbytes)
            super().write_batch(batch)

    monkeypatch.setattr(pq, "ParquetWriter", Writer)
    server("CREATE TABLE t AS SELECT n, repeat('x', 400) AS filling FROM generate_series(0, 120000) n")
    assert len(copied(tmp_path)[1].fetchall()) == 120_001
    assert len(seen) > 2 and max(seen) < 2 * reader.BATCH_BYTES


TYPES = {
    "1::smallint": ("SMALLINT", "1"),
    "9007199254740993::bigint": ("BIGINT", "9007199254740993"),
    "true": ("BOOLEAN", "true"),
    "1.5::real": ("FLOAT", "1.5"),
    "'00017'::text": ("VARCHAR", "00017"),
    "''::varchar(5)": ("VARCHAR", ""),
    "date '2024-02-29'": ("DATE", "2024-02-29"),
    "timestamp '2024-03-31 02:30:00.123456'": ("TIMESTAMP", "2024-03-31 02:30:00.123456"),
    "timestamptz '2024-03-31 02:30:00+02'": ("TIMESTAMP WITH TIME ZONE", "2024-03-31 00:30:00+00"),
    "time '10:30'": ("TIME", "10:30:00"),
    "'{\"a\": [1, 2]}'::json": ("VARCHAR", '{"a": [1, 2]}'),
    "'{\"a\":1}'::jsonb": ("VARCHAR", '{"a": 1}'),
    "ARRAY['tea', NULL]": ("VARCHAR", "{tea,NULL}"),
    "interval '90 minutes'": ("VARCHAR", "01:30:00"),
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid": ("VARCHAR", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "'10.0.0.1'::inet": ("VARCHAR", "10.0.0.1/32"),
    "'\\xdead'::bytea": ("BLOB", "\\xDE\\xAD"),
    "4294967295::oid": ("VARCHAR", "4294967295"),
    "12.50::money": ("DECIMAL(4,2)", "12.50"),
    "0.10::numeric": ("DECIMAL(3,2)", "0.10"),
    "-12345678901234567890.123::numeric": ("DECIMAL(23,3)", "-12345678901234567890.123"),
    "7::numeric(38, 4)": ("DECIMAL(38,4)", "7.0000"),
    "0::numeric": ("DECIMAL(1,0)", "0"),
    "NULL::numeric": ("DECIMAL(18,3)", None),
    "NULL::timestamp": ("TIMESTAMP", None),
    "1e40::numeric": ("VARCHAR", "1" + "0" * 40),
    "'NaN'::numeric(9, 2)": ("VARCHAR", "NaN"),
    "'-Infinity'::numeric": ("VARCHAR", "-Infinity"),
}


def test_each_type_arrives_as_what_it_is_and_money_never_as_a_float(tmp_path, server):
    columns = ", ".join(f'{sql} AS "c{n}"' for n, sql in enumerate(TYPES))
    server(f"CREATE TABLE t AS SELECT {columns}")
    kinds, relation = copied(tmp_path)
    texts = relation.aggregate(", ".join(f"any_value({name})::VARCHAR" for name in kinds)).fetchall()[0]
    found = dict(zip(TYPES, zip(kinds.values(), texts, strict=True), strict=True))
    assert found == TYPES


def test_views_other_schemas_domains_and_odd_names_are_read(tmp_path, server):
    server(
        'CREATE SCHEMA "My Shop"',
        "CREATE DOMAIN cash AS numeric(10, 2)",
        'CREATE TABLE "My Shop"."Sales ""24""" ("Größe" cash, "order" integer, gone integer)',
        'ALTER TABLE "My Shop"."Sales ""24""" DROP COLUMN gone',
        'INSERT INTO "My Shop"."Sales ""24""" VALUES (1.5, 2)',
        'CREATE VIEW seen AS SELECT * FROM "My Shop"."Sales ""24"""',
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM seen",
    )
    for table in ('My Shop.Sales "24"', "seen", "kept"):
        kinds, relation = copied(tmp_path, table)
        assert kinds == {"Größe": "DECIMAL(10,2)", "order": "INTEGER"}
        assert relation.fetchall() == [(Decimal("1.50"), 2)]


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
@pytest.mark.parametrize("day", ["infinity", "-infinity", "0044-03-15 BC"])
def test_a_date_of_no_calendar_is_refused_and_never_another_date(tmp_path, server, kind, day):
    server(f"CREATE TABLE t AS SELECT {kind} '2024-01-01' AS since UNION ALL SELECT '{day}'")
    with pytest.raises(DataContractError, match=r"postgresql#t: column 'since' holds infinity.*nullif\(since"):
        copied(tmp_path)


def test_an_empty_table_is_refused(tmp_path, server):
    server("CREATE TABLE t (n integer, price numeric)")
    with pytest.raises(DataContractError, match="postgresql#t: holds no rows"):
        copied(tmp_path)


def test_a_table_that_is_missing_is_named_with_those_that_are_there(tmp_path, server):
    server("CREATE SCHEMA crm", "CREATE TABLE crm.people (n integer)", "CREATE VIEW sales AS SELECT 1 AS n")
    with pytest.raises(
        DataContractError, match=r"Table 'sale' is not defined. Defined: crm.people, sales. Did you mean"
    ):
        copied(tmp_path, "sale")


def test_a_query_that_fails_in_its_midst_is_told_in_the_servers_words(tmp_path, server, monkeypatch):
    monkeypatch.setattr(reader, "BATCH_BYTES", 1 << 16)
    server("CREATE VIEW t AS SELECT n, 1 / (60000 - n) AS share FROM generate_series(1, 120000) n")
    with pytest.raises(DataContractError, match=rf"^postgresql#t: division by zero\. Check {VARIABLE}"):
        copied(tmp_path)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql://ana:hunter22@127.0.0.1:9/shop", "Connection refused"),
        ("host=127.0.0.1 port=9 user=ana password=hunter22", "Connection refused"),
        ("hunter22://nowhere", "PostgreSQL cannot read the address"),
        ("postgresql://ana:hunter 22@127.0.0.1/shop", "PostgreSQL cannot read the address"),
        ("postgresql://ana:x@hunter22@127.0.0.1:9/shop", "Check TENURE"),
        ("host=127.0.0.1 hunter22", "PostgreSQL cannot read the address"),
    ],
)
def test_an_address_that_does_not_answer_is_told_without_its_password(tmp_path, monkeypatch, address, words):
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(DataContractError, match=words) as told:
        copied(tmp_path)
    assert "hunter" not in str(told.value)


def test_a_refused_login_is_told_without_the_password(tmp_path, server, monkeypatch, postgresql):
    monkeypatch.setenv(VARIABLE, f"postgresql://nobody:hunter22@/postgres?host={postgresql}")
    with pytest.raises(DataContractError, match='role "nobody" does not exist') as told:
        copied(tmp_path)
    assert "hunter22" not in str(told.value)
