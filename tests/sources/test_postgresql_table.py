"""A table of a PostgreSQL server: read once per staging, and unchanged where its rows are, in whatever order."""

from datetime import date
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tables import read, write_csv
from tenure.audit.customer_replay import replay_customers
from tenure.audit.replay import replay
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.sources.identity_key import KEY
from tenure.sources.ingest import current_staging, stage_source
from tenure.sources.source import read_source

TOML = """
[order_lines]
from = "postgresql#{orders}"
customer_id = "client"
occurred_at = "day"
order_id = "no"
amount = "price"
extra = {{ note = "note" }}
"""
PEOPLE = """
[customers]
from = "people.csv"
customer_id = "client"
attributes = { region = "region" }
"""
CREATE = "CREATE TABLE {} (client text, day timestamp, no integer, price numeric, note text)"
# Short prices and no note at first: what a batch holds is not what the next one will.
MANY = (
    "INSERT INTO {} SELECT 'c' || n % 997, timestamp '2024-01-01' + n % 140 * interval '1 day', n, "
    "CASE WHEN n < 50000 THEN n % 9 ELSE n / 8.0 END, CASE WHEN n >= 50000 THEN 'late' END FROM generate_series(0, {}) n"
)


class Server:
    """A database of its own with one table of orders."""

    def __init__(self, host):
        self.name, self.orders = f"shop_{uuid4().hex[:8]}", "sales"
        with psycopg.connect(f"host={host} user=tenure dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.name}")
        self.address = f"host={host} user=tenure dbname={self.name}"
        self.run(CREATE.format(self.orders))

    def run(self, *statements):
        with psycopg.connect(self.address, autocommit=True) as connection:
            return [connection.execute(statement) for statement in statements]

    def reads(self):
        """How often the table was read from one end to the other."""
        with psycopg.connect(self.address) as connection:
            query = f"SELECT seq_scan FROM pg_stat_user_tables WHERE relname = '{self.orders}'"
            return connection.execute(query).fetchone()[0]


@pytest.fixture
def server(postgresql, monkeypatch):
    server = Server(postgresql)
    monkeypatch.setenv("TENURE_POSTGRESQL_URL", server.address)
    return server


def stage(workspace, toml=TOML):
    folder = workspace.raw("shop")
    if not (folder / "people.csv").is_file():
        write_csv(folder / "people.csv", "client region", "c1 north", "c2 south")
    (folder / "source.toml").write_text(toml.format(orders="sales") + PEOPLE)
    return stage_source(workspace, read_source(workspace, "shop"))


def few(server):
    rows = [(f"c{n}", f"2024-0{1 + n}-05", str(n), f"{n}.5") for n in range(1, 5)]
    server.run(*(f"INSERT INTO sales VALUES {row + ('by hand',)}" for row in rows))


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_table_is_read_once_per_staging_and_an_unchanged_one_is_unchanged(tmp_path, server):
    few(server)
    first = stage(Workspace(tmp_path))
    assert server.reads() == 1 and not first.reused
    before, manifest = files(tmp_path), (first.folder / "manifest.json").stat().st_ino
    again = stage(Workspace(tmp_path))
    assert server.reads() == 2 and again.reused
    assert (again.fingerprint, again.key, again.raw_hashes) == (first.fingerprint, first.key, first.raw_hashes)
    assert files(tmp_path) == before and (again.folder / "manifest.json").stat().st_ino == manifest
    assert sorted(first.raw_hashes) == ["people.csv", "postgresql#sales"]


def test_only_the_server_can_tell_whether_it_is_unchanged(tmp_path, server):
    few(server)
    workspace = Workspace(tmp_path)
    source = stage(workspace).source
    assert current_staging(workspace, source) is None and server.reads() == 1


def test_two_tables_made_of_one_are_read_together(tmp_path, server):
    few(server)
    visits = """
[engagement]
from = "postgresql#sales"
customer_id = "client"
occurred_at = "day"
kind = "note"
"""
    source = stage(Workspace(tmp_path), TOML + visits)
    assert server.reads() == 1 and source.tables["engagement"].staged == 4


@pytest.mark.parametrize("rows", [50_001, 200_001])
def test_rows_in_another_order_on_the_server_are_unchanged_and_one_changed_cell_changes_its_table_alone(
    tmp_path, server, rows
):
    server.run(MANY.format("sales", rows - 1), "CREATE INDEX by_client ON sales (client, no DESC)")
    workspace = Workspace(tmp_path)
    first = stage(workspace)
    assert first.tables["order_lines"].staged == rows
    expected = sum((n % 9 if n < 50_000 else n / 8) for n in range(rows))
    assert float(read(first.path("order_lines"), "sum(amount)")[0][0]) == pytest.approx(expected, rel=1e-9)
    assert read(first.path("order_lines"), "count(note)") == [(rows - 50_000,)]
    server.run("CLUSTER sales USING by_client", "UPDATE sales SET price = price WHERE no % 7 = 0")
    assert stage(workspace).reused
    people = first.path("customers").stat().st_ino
    server.run(f"UPDATE sales SET note = 'mended' WHERE no = {rows - 1}")
    changed = stage(workspace)
    assert not changed.reused and changed.fingerprint != first.fingerprint
    assert changed.path("customers").stat().st_ino == people
    server.run(f"UPDATE sales SET note = 'late' WHERE no = {rows - 1}")
    assert stage(workspace).fingerprint == first.fingerprint


def test_a_table_delivered_as_a_file_is_the_same_staging(tmp_path, server):
    few(server)
    on_server = stage(Workspace(tmp_path / "server"))
    workspace = Workspace(tmp_path / "file")
    rows = (f"c{n} 2024-0{1 + n}-05 {n} {n}.5 by" for n in range(4, 0, -1))
    write_csv(workspace.raw("shop") / "sales.csv", "client day no price note", *rows)
    text = (workspace.raw("shop") / "sales.csv").read_text().replace(",by\n", ",by hand\n")
    (workspace.raw("shop") / "sales.csv").write_text(text)
    in_a_file = stage(workspace, TOML.replace("postgresql#{orders}", "sales.csv"))
    assert in_a_file.fingerprint == on_server.fingerprint and in_a_file.key != on_server.key


def test_the_audit_never_asks_the_server_and_cuts_the_files_beside_it(tmp_path, server, monkeypatch):
    server.run(MANY.format("sales", 3_000))
    lapse = "\n[targets.lapse]\nhorizon_days = 14\neligible_days = 30\n"
    usage = [f"c{n % 997} 2024-0{1 + n % 5}-1{n % 9} hours {n % 7}" for n in range(2_000)]
    write_csv(Workspace(tmp_path).raw("shop") / "usage.csv", "customer_id occurred_at metric quantity", *usage)
    source = stage(Workspace(tmp_path), TOML + lapse)
    monkeypatch.delenv("TENURE_POSTGRESQL_URL")
    snapshots = Snapshots(Workspace(tmp_path), source, source.default_as_of)
    for check in (replay, replay_customers):
        found = check(snapshots, date(2024, 4, 1))
        assert found.customers > 400 and found.differing.empty
        assert found.left_out == sum(row.split()[1] >= "2024-04-01" for row in usage)
    assert server.reads() == 1


def test_no_copy_of_a_servers_table_is_kept_that_would_hold_real_ids(tmp_path, server, monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    few(server)
    source = stage(Workspace(tmp_path), "pseudonymise = true\n" + TOML)
    assert stage(Workspace(tmp_path), "pseudonymise = true\n" + TOML).reused and server.reads() == 2
    made_of = {"manifest.json"} | {
        str(path.relative_to(source.folder)) for name in source.tables for path in source.files(name)
    }
    assert set(files(source.folder)) == made_of
    assert {Path(name).parts[1] for name in files(tmp_path)} == {"raw", "staged", "identities", ".locks"}
    assert all(row[0].startswith("p") for row in read(source.path("order_lines"), "customer_id"))


def test_a_table_that_fails_leaves_what_was_staged(tmp_path, server):
    few(server)
    first = stage(Workspace(tmp_path))
    before = files(tmp_path)
    server.run("DELETE FROM sales")
    with pytest.raises(DataContractError, match="postgresql#sales: holds no rows"):
        stage(Workspace(tmp_path))
    assert files(tmp_path) == before and (first.folder / "manifest.json").is_file()
