"""Tables and views of SQLite databases: copied to Parquet, each column as the one type that holds all of its values."""

from __future__ import annotations

from pathlib import Path

from tenure.core.errors import DataContractError, UnknownNameError
from tenure.core.sql import parquet, quoted
from tenure.sources.readers.reader import RawTable, Reader

BATCH_ROWS = 50_000
EXACT = 1 << 53  # the largest integers that a REAL holds exactly


class SqliteReader(Reader):
    """Reads SQLite.

    Any row of a column may hold any kind of value. Integers beside reals become reals; where a text, a blob or a
    large integer stands beside other kinds, all become text (reals with 15 digits, blobs in hexadecimal). An empty
    text is null.
    """

    endings = (".sqlite", ".sqlite3", ".db")

    def relation(self, raw: RawTable) -> str:
        copy = raw.copy(".parquet", lambda path: _copy_table(raw.path, raw.part, path))
        return parquet(copy)


def _copy_table(path: Path, table: str, copy: Path) -> None:
    import pyarrow.parquet as pq
    from adbc_driver_sqlite import dbapi

    try:
        with dbapi.connect(f"{path.as_uri()}?mode=ro") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
            tables = [row[0] for row in cursor.fetchall()]
            if table not in tables:
                unknown = UnknownNameError("Table", table or "(none named)", tables)
                raise DataContractError(f"{path}: {unknown} Name it as '{path.name}#table'.")
            cursor.execute(f"SELECT * FROM {quoted(table)} LIMIT 0")
            names = [column[0] for column in cursor.description or ()]
            cursor.execute(f"SELECT {', '.join(map(_kinds, names))} FROM {quoted(table)}")
            found = [set((kinds or "").split(",")) - {"", "null"} for kinds in cursor.fetchall()[0]]
            typical, selected = zip(*map(_selected, names, found), strict=True)
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})
            # The driver takes the types from the first rows, which may be null: one with a typical value leads them.
            cursor.execute(f"SELECT {', '.join(typical)} UNION ALL SELECT {', '.join(selected)} FROM {quoted(table)}")
            batches = cursor.fetch_record_batch()
            with pq.ParquetWriter(copy, batches.schema, compression="zstd") as writer:
                for number, batch in enumerate(batches):
                    writer.write_batch(batch if number else batch.slice(1))
    except (dbapi.Error, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk's, not the database's
            raise
        raise DataContractError(f"{path}: not a readable SQLite database ({str(error).splitlines()[0]}).") from None


def _kinds(name: str) -> str:
    """Return the SQL of the kinds of values in a column."""
    column = quoted(name)
    return f"""group_concat(DISTINCT CASE
        WHEN typeof({column}) = 'integer' AND {column} NOT BETWEEN -{EXACT} AND {EXACT} THEN 'large'
        ELSE typeof({column}) END)"""


def _selected(name: str, kinds: set[str]) -> tuple[str, str]:
    """Return the SQL of a typical value of a column, and of the column as one type."""
    column = quoted(name)
    if kinds and kinds <= {"integer", "large"}:
        typical, sql = "0", column
    elif kinds and kinds <= {"integer", "real"}:
        typical, sql = "0.0", f"CAST({column} AS REAL)"
    elif kinds == {"blob"}:
        typical, sql = "x'00'", column
    else:
        as_text = f"CASE typeof({column}) WHEN 'blob' THEN hex({column}) ELSE CAST({column} AS TEXT) END"
        typical, sql = "''", f"nullif({as_text}, '')"
    return f"{typical} AS {column}", sql
