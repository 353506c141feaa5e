"""A table of a PostgreSQL server as a raw table: copied to Parquet, staged like any file."""

from __future__ import annotations

import os
from pathlib import Path

from tenure.core.errors import DataContractError

# Where the address stands unless the source names another variable.
URL_VARIABLE = "TENURE_POSTGRESQL_URL"
BATCH = 50_000


def copy_postgresql_table(variable: str, table: str, folder: Path) -> None:
    """Copy a table of the server whose address stands in an environment variable into a folder, in one query. Each file has the types of its own rows: read them by name, as one.

    Raises
    ------
    DataContractError : no address, no answer, no such table, or no rows in it.
    """
    import psycopg
    import pyarrow as pa
    import pyarrow.parquet as pq

    url = os.environ.get(variable)
    if not url:
        raise DataContractError(
            f"postgresql#{table}: the environment variable {variable} is not set. Expected a connection address; "
            'set it, or name another variable with [raw."postgresql"] url_env.'
        )
    folder.mkdir(parents=True)
    identifier = psycopg.sql.Identifier(*table.split("."))
    try:
        with psycopg.connect(url, connect_timeout=10) as connection, connection.cursor("tenure") as cursor:
            cursor.itersize = BATCH
            cursor.execute(psycopg.sql.SQL("SELECT * FROM {}").format(identifier))
            files = 0
            while rows := cursor.fetchmany(BATCH):
                names = [d.name for d in cursor.description or ()]
                batch = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
                # A column of nothing, or of short numbers, in one batch may hold others in the next: no batch rules the types of all.
                pq.write_table(batch, folder / f"{files:06d}.parquet", compression="zstd")
                files += 1
    except psycopg.Error as error:
        # The address may hold a password, so only the server's own words are repeated.
        raise DataContractError(
            f"postgresql#{table}: {str(error).splitlines()[0]}. Check {variable} and the table's name."
        ) from None
    if not files:
        raise DataContractError(f"postgresql#{table}: holds no rows. Expected at least one.")
