"""A whole run on a table of a PostgreSQL server: it is asked once, and where its rows are as they were nothing is done again."""

import psycopg
import pyarrow.parquet as pq
import pytest

from shop import place_shop
from tenure.core.workspace import Workspace
from tenure.runs.run import run_flow

COLUMNS = ("customer_id", "occurred_at", "known_at", "order_id", "product_id", "quantity", "amount")
TYPES = ("text", "timestamp", "timestamp", "text", "text", "numeric", "numeric")


@pytest.fixture
def shop(tmp_path, postgresql, monkeypatch):
    """A shop whose orders lie on the server; gives its workspace, and how often they were read."""
    workspace = Workspace(tmp_path)
    place_shop(workspace)
    path = workspace.raw("shop") / "order_lines.parquet"
    rows = pq.read_table(path, columns=list(COLUMNS)).to_pylist()
    path.unlink()
    mapped = "".join(f'{name} = "{name}"\n' for name in COLUMNS)
    (workspace.raw("shop") / "source.toml").write_text(f'[order_lines]\nfrom = "postgresql#orders"\n{mapped}')
    address = f"host={postgresql} user=tenure dbname=whole_run"
    with psycopg.connect(address.replace("whole_run", "postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE whole_run")
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE orders ({', '.join(f'{n} {kind}' for n, kind in zip(COLUMNS, TYPES, strict=True))})"
        )
        with cursor.copy("COPY orders FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[name] for name in COLUMNS])
    monkeypatch.setenv("TENURE_POSTGRESQL_URL", address)

    def reads():
        with psycopg.connect(address) as connection:
            return connection.execute("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'orders'").fetchone()[0]

    return workspace, reads


def test_a_run_asks_the_server_once_and_an_unchanged_repeat_once_more_and_reuses_everything(shop, here):
    workspace, reads = shop
    first = run_flow("shop", targets=["lapse"], quick=True, workspace=str(workspace.root))
    assert first.performed.executed
    assert reads() == 1
    again = run_flow("shop", targets=["lapse"], quick=True, workspace=str(workspace.root))
    assert again.performed.executed == [] and again.run_json["run_id"] == first.run_json["run_id"]
    assert reads() == 2
