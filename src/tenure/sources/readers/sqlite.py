"""Tables and views of SQLite databases: copied to delimited text."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tenure.core.errors import DataContractError, UnknownNameError
from tenure.core.sql import quoted
from tenure.sources.readers.delimited import read_csv, write_csv
from tenure.sources.readers.reader import RawTable, Reader


class SqliteReader(Reader):
    """Reads SQLite."""

    endings = (".sqlite", ".sqlite3", ".db")
    guesses_types = True

    def relation(self, raw: RawTable) -> str:
        return read_csv(raw.copy(".csv", lambda copy: _copy_table(raw.path, raw.part, copy)), raw.text_columns)


def _copy_table(path: Path, table: str, copy: Path) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        ]
        if table not in tables:
            raise DataContractError(
                f"{path}: {UnknownNameError('Table', table or '(none named)', tables)} Name it as '{path.name}#table'."
            )
        cursor = connection.execute(f"SELECT * FROM {quoted(table)}")
        write_csv(copy, [d[0] for d in cursor.description], cursor)
    except sqlite3.DatabaseError as error:
        raise DataContractError(f"{path}: not a readable SQLite database ({error}).") from None
    finally:
        connection.close()
