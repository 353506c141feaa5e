"""SQLite lets any row of a column hold anything: nothing of it is lost, and nothing ends the run."""

import sqlite3

import duckdb
import pytest

from tenure.core.errors import DataContractError
from tenure.sources.readers.reader import RawTable
from tenure.sources.readers.sqlite import BATCH_ROWS, SqliteReader

ROWS = 2 * BATCH_ROWS + 20_001
LATE = BATCH_ROWS + 10_000


def database(folder, *statements, rows=()):
    path = folder / "a shop? 100%.sqlite"
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
        if rows:
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.close()
    return path


def read(path, folder, table="t"):
    relation = duckdb.sql(f"SELECT * FROM {SqliteReader().relation(RawTable('x', path, table, folder / 'scratch'))}")
    return dict(zip(relation.columns, map(str, relation.types), strict=True)), relation.fetchall()


def test_what_comes_late_in_a_table_decides_as_what_comes_first(tmp_path):
    late = [n >= LATE for n in range(ROWS)]
    rows = [
        (n, n if not is_late else f"t{n}", None if not is_late else "note", n if not is_late else n / 8, 1 if not is_late else None)
        for n, is_late in enumerate(late)
    ]  # fmt: skip
    kinds, found = read(
        database(tmp_path, "CREATE TABLE t (n INTEGER, mixed, late TEXT, price, early)", rows=rows), tmp_path
    )
    assert kinds == {"n": "BIGINT", "mixed": "VARCHAR", "late": "VARCHAR", "price": "DOUBLE", "early": "BIGINT"}
    assert found == [(n, str(mixed), late, float(price), early) for n, mixed, late, price, early in rows]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None, 9007199254740993], "BIGINT", [1, None, 9007199254740993]),
        ([-(2**63), 2**63 - 1], "BIGINT", [-(2**63), 2**63 - 1]),
        ([1, 2.5], "DOUBLE", [1.0, 2.5]),
        ([9007199254740993, 0.5], "VARCHAR", ["9007199254740993", "0.5"]),
        (["00017", "18"], "VARCHAR", ["00017", "18"]),
        (["00017", 18, 1.25], "VARCHAR", ["00017", "18", "1.25"]),
        (["2024-02-29", None, ""], "VARCHAR", ["2024-02-29", None, None]),
        ([b"\xde\xad\x00", None], "BLOB", [b"\xde\xad\x00", None]),
        ([b"\xde\xad", "tea", 3], "VARCHAR", ["DEAD", "tea", "3"]),
        ([None, None], "VARCHAR", [None, None]),
        ([float("inf"), 1.5], "DOUBLE", [float("inf"), 1.5]),
    ],
)
def test_a_column_is_the_one_type_that_holds_all_of_its_values(tmp_path, values, kind, expected):
    kinds, rows = read(database(tmp_path, "CREATE TABLE t (x)", rows=[(value,) for value in values]), tmp_path)
    assert (kinds, [row[0] for row in rows]) == ({"x": kind}, expected)


def test_views_odd_names_and_an_empty_table_are_read(tmp_path):
    path = database(
        tmp_path,
        'CREATE TABLE "my ""Sales" ("Größe" REAL, "order" INTEGER)',
        'INSERT INTO "my ""Sales" VALUES (1.5, 2), (NULL, 3)',
        'CREATE VIEW seen AS SELECT "order" + 1 AS next, "Größe" FROM "my ""Sales"',
        "CREATE TABLE t (x INTEGER)",
    )
    assert read(path, tmp_path, 'my "Sales') == ({"Größe": "DOUBLE", "order": "BIGINT"}, [(1.5, 2), (None, 3)])
    (tmp_path / "scratch" / "converted").rename(tmp_path / "first")
    assert read(path, tmp_path, "seen") == ({"next": "BIGINT", "Größe": "DOUBLE"}, [(3, 1.5), (4, None)])
    (tmp_path / "scratch" / "converted").rename(tmp_path / "second")
    assert read(path, tmp_path) == ({"x": "VARCHAR"}, [])


def test_what_is_no_database_is_refused_and_a_database_is_never_made(tmp_path):
    (tmp_path / "no.sqlite").write_text("client,day\n" * 500)
    with pytest.raises(DataContractError, match=r"no\.sqlite: not a readable SQLite database \(.*not a database"):
        read(tmp_path / "no.sqlite", tmp_path)
    with pytest.raises(DataContractError, match=r"none\.sqlite: not a readable SQLite database"):
        read(tmp_path / "none.sqlite", tmp_path)
    assert not (tmp_path / "none.sqlite").exists()
