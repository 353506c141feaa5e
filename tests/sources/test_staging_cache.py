"""What has not changed is not staged again, and what is taken over is what staging from scratch would write."""

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawn import drawn
from shop import BARE
from tables import read, staged, write_csv
from tenure.core.errors import DataContractError, RunError, StoredFormatError
from tenure.core.workspace import Workspace
from tenure.sources import inputs
from tenure.sources.identities import Identities
from tenure.sources.identity_key import KEY
from tenure.sources.ingest import current_staging, read_staging, stage_source
from tenure.sources.provenance import stage_as_known
from tenure.sources.source import parse_source, read_source
from tenure.sources.staged_source import MANIFEST

CLOCK = datetime(2024, 6, 15, 12, tzinfo=UTC)
TOML = """
[order_lines]
from = "orders.csv"
customer_id = "client"
occurred_at = "day"
order_id = "no"
amount = "price"

[products]
query = "SELECT no AS product_id, label AS category FROM goods JOIN Labels USING (label_no)"
"""
FILES = {
    "orders.csv": ("client day no price", "ana 2024-01-05 1 10", "bo 2024-02-05 2 20", "ana 2024-03-05 3 x", "cy 2024-03-06 4 7.5"),
    "usage.csv": ("customer_id occurred_at metric quantity", "ana 2024-01-07 hours 3", "bo 2024-02-09 hours 1", "cy 2999-01-01 hours 1"),
    "goods.csv": ("no label_no", "p1 1", "p2 2"),
    "labels.csv": ("label_no label", "1 tea", "2 coffee"),
    "other.csv": ("a b", "1 2"),
}  # fmt: skip


def shop(root, toml=TOML, **changed):
    """Write the raw files of a small shop; ``changed`` gives other rows, by the file's stem."""
    workspace = Workspace(root)
    for name, rows in FILES.items():
        write_csv(workspace.raw("shop") / name, *changed.get(name.split(".")[0], rows))
    (workspace.raw("shop") / "source.toml").write_text(toml, encoding="utf-8")
    return workspace


def stage(workspace, clock=CLOCK):
    return stage_source(workspace, read_source(workspace, "shop"), clock=clock)


def contents(source):
    """Everything that is staged: the manifest, and of each table its facts, its rejected rows and its digests.

    What is on record of earlier deliveries is none of it.
    """
    tables = {
        name: (
            *(read(path) for path in (source.path(name), source.rejected_path(name), source.parts_path(name))),
            json.loads(source.known_path(name).read_text()),
        )
        for name in source.tables
    }
    manifest = json.loads((source.folder / MANIFEST).read_text())
    for table in manifest["tables"].values():
        table.pop("delivered_until")
    return manifest, tables


def inodes(source):
    return {name: source.path(name).stat().st_ino for name in source.tables}


def staged_anew(before, source):
    return {name for name, inode in inodes(source).items() if inode != before.get(name)}


def hidden(root):
    """List what is left of work that never ended."""
    return [path for path in root.rglob(".*") if path.name != ".locks"]


def test_a_changed_file_stages_the_tables_made_of_it_and_no_other(tmp_path):
    before = inodes(stage(shop(tmp_path)))
    for file, tables in {"orders": {"order_lines"}, "usage": {"usage"}, "labels": {"products"}, "other": set()}.items():
        rows = (*FILES[f"{file}.csv"][:-1], FILES[f"{file}.csv"][-1].replace("7.5", "8").replace("coffee", "cocoa"))
        again = stage(shop(tmp_path, **{file: (*rows, rows[1])}))
        assert staged_anew(before, again) >= tables and again.reused == (file == "other")
        shop(tmp_path)
        before = inodes(stage(Workspace(tmp_path)))
    again = stage(shop(tmp_path, usage=(*FILES["usage.csv"], "ana 2024-03-01 hours 2")))
    assert staged_anew(before, again) == {"usage"}
    assert all(again.path(name).stat().st_nlink == 1 for name in again.tables)
    assert contents(again) == contents(stage(shop(tmp_path / "scratch", usage=(*FILES["usage.csv"], "ana 2024-03-01 hours 2"))))  # fmt: skip


def test_where_the_file_system_knows_no_links_tables_are_copied(tmp_path, monkeypatch):
    stage(shop(tmp_path))

    def refuse(self, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    orders = (*FILES["orders.csv"], "bo 2024-04-01 9 1")
    again = stage(shop(tmp_path, orders=orders))
    assert contents(again) == contents(stage(shop(tmp_path / "scratch", orders=orders)))


EDITS = st.lists(
    st.tuples(
        st.sampled_from([*FILES, "customers.csv"]),
        st.sampled_from(["add", "drop", "change", "turn", "break", "remove", "comment"]),
        st.integers(0, 3),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
NEW = {
    "orders.csv": "dora 2024-05-0{n} {n} {n}", "usage.csv": "ana 2024-06-1{n} hours {n}", "goods.csv": "p{n} 1", "labels.csv": "{n} mate",
    "other.csv": "{n} 1", "customers.csv": "ana 2024-01-0{n} north",
}  # fmt: skip


def edit(folder, file, how, n):
    path = folder / file
    lines = path.read_text().splitlines() if path.is_file() else ["customer_id,occurred_at,region"]
    row = NEW[file].format(n=n + 1).replace(" ", ",")
    if how == "remove":
        return path.unlink(missing_ok=True)
    if how == "comment":
        (folder / "source.toml").write_text(f"# edit {n}\n{TOML}")
    elif how == "add":
        lines.append(row)
    elif how == "break":
        lines.append(row + ",too,many")
    elif how == "turn":
        lines[1:] = lines[:0:-1]
    elif len(lines) > 1:
        lines[1 + n % (len(lines) - 1)] = row if how == "change" else ""
    return path.write_text("\n".join(line for line in lines if line) + "\n")


def outcome(workspace, clock):
    try:
        return contents(stage(workspace, clock))
    except DataContractError as error:
        return str(error).replace(str(workspace.root), "")


@drawn(4)
@given(rounds=st.lists(EDITS, min_size=1, max_size=3), days=st.lists(st.integers(0, 40), min_size=3, max_size=3))
def test_after_any_edits_what_is_staged_is_what_staging_from_scratch_would_write(rounds, days):
    """Files of every table are edited at random, while the clock moves on and back past their last facts."""
    with TemporaryDirectory() as root:
        kept = shop(Path(root) / "kept")
        stage(kept)
        for number, (edits, day) in enumerate(zip(rounds, days, strict=False)):
            for file, how, n in edits:
                edit(kept.raw("shop"), file, how, n)
            fresh = shop(Path(root) / f"fresh{number}")
            for path in fresh.raw("shop").iterdir():
                path.unlink()
            for path in kept.raw("shop").iterdir():
                (fresh.raw("shop") / path.name).write_bytes(path.read_bytes())
            clock = (
                datetime(2024, 5, 25 - day % 25, tzinfo=UTC)
                if day > 30
                else datetime(2024, 6, 1 + day % 30, tzinfo=UTC)
            )
            assert outcome(kept, clock) == outcome(fresh, clock)
        assert hidden(kept.root) == []


def test_the_same_facts_in_another_order_file_or_format_are_the_same_staging_made_of_something_else(tmp_path):
    first = stage(shop(tmp_path / "a"))
    header, *rows = FILES["orders.csv"]
    turned = stage(shop(tmp_path / "b", orders=(header, *reversed(rows))))
    workspace = shop(tmp_path / "c", TOML.replace("orders.csv", "sales.jsonl"))
    lines = [dict(zip(header.split(), row.split(), strict=True)) for row in rows]
    (workspace.raw("shop") / "sales.jsonl").write_text("\n".join(map(json.dumps, lines)))
    otherwise = stage(workspace)
    assert first.fingerprint == turned.fingerprint == otherwise.fingerprint
    assert len({first.key, turned.key, otherwise.key}) == 3


@pytest.mark.parametrize(
    "orders",
    [
        (*FILES["orders.csv"], "ana 2024-03-07 5 1"),
        (*FILES["orders.csv"], FILES["orders.csv"][1]),
        FILES["orders.csv"][:-1],
        (*FILES["orders.csv"][:-1], "cy 2024-03-06 4 7.6"),
    ],
)
def test_one_fact_more_doubled_less_or_changed_is_another_staging(tmp_path, orders):
    assert stage(shop(tmp_path / "a")).fingerprint != stage(shop(tmp_path / "b", orders=orders)).fingerprint


def test_a_row_that_is_rejected_as_before_changes_no_fact(tmp_path):
    """What cannot be read is no fact: what is made of facts alone stays, and the audit, which reads raw files, knows."""
    first, second = stage(shop(tmp_path)), stage(shop(tmp_path, orders=(*FILES["orders.csv"], "bo 2024-03-05 5 y")))
    assert first.fingerprint == second.fingerprint and first.key != second.key
    assert second.tables["order_lines"].rejected == first.tables["order_lines"].rejected + 1


def test_a_comment_in_the_toml_changes_nothing_and_a_setting_that_staging_does_not_read_no_table(tmp_path):
    plain = parse_source(TOML, name="shop", where="here")
    told = parse_source("# ours\n\n" + TOML.replace(" = ", "="), name="shop", where="there")
    other = parse_source("margin_rate = 0.5\n" + TOML, name="shop", where="here")
    assert plain.meaning == told.meaning != other.meaning
    stage(shop(tmp_path))
    assert stage(shop(tmp_path, "# ours\n" + TOML)).reused
    again = stage(shop(tmp_path, "margin_rate = 0.5\n" + TOML))
    assert again.reused and again.source.margin_rate == 0.5


def test_another_mapping_stages_its_table_alone_and_another_time_zone_all(tmp_path):
    before = inodes(stage(shop(tmp_path)))
    again = stage(shop(tmp_path, TOML.replace('"price"', '"TRY_CAST(price AS DOUBLE) * 2"')))
    assert staged_anew(before, again) == {"order_lines"}
    before = inodes(again)
    assert staged_anew(before, stage(shop(tmp_path, 'timezone = "Asia/Tokyo"\n' + TOML))) == set(before)


def test_what_is_said_of_a_raw_file_counts_for_the_tables_made_of_it(tmp_path):
    before = inodes(stage(shop(tmp_path)))
    again = stage(shop(tmp_path, TOML + '[raw."orders.csv"]\nknown_at = "day"\n'))
    assert (
        staged_anew(before, again) == {"order_lines"} and again.fingerprint == stage(shop(tmp_path / "a")).fingerprint
    )


def test_a_mapping_that_reads_another_table_is_staged_anew_with_it(tmp_path):
    """Which files its SQL reads cannot be told, so it is made of all of them."""
    across = TOML.replace('"price"', '"1 + (SELECT count(*) FROM raw__usage)"')

    def amounts(source):
        return read(source.path("order_lines"), "DISTINCT amount::INTEGER")

    assert amounts(stage(shop(tmp_path, across))) == [(4,)]
    assert stage(Workspace(tmp_path)).reused
    assert amounts(stage(shop(tmp_path, across, usage=FILES["usage.csv"][:-1]))) == [(3,)]


def test_a_file_is_hashed_once_however_many_tables_are_made_of_it(tmp_path, monkeypatch):
    hashed, hash_file = [], inputs.fingerprint_file
    monkeypatch.setattr(inputs, "fingerprint_file", lambda path: hashed.append(path.name) or hash_file(path))
    told = "SELECT client AS customer_id, day AS occurred_at, 'no' AS key, no AS value FROM orders"
    stage(shop(tmp_path, f'{TOML}[declared]\nquery = "{told}"\n'))
    assert sorted(hashed) == ["goods.csv", "labels.csv", "orders.csv", "usage.csv"]


def test_a_fact_of_the_future_is_staged_once_the_clock_has_come_to_it_and_with_it_its_table_alone(tmp_path):
    usage = (*FILES["usage.csv"], "ana 2024-06-20 hours 5")
    first = stage(shop(tmp_path, usage=usage))
    assert first.tables["usage"].rules == {"occurred_at is after the ingest clock": 2}
    assert stage(Workspace(tmp_path), datetime(2024, 6, 19, 23, 59, tzinfo=UTC)).reused
    later = stage(Workspace(tmp_path), datetime(2024, 6, 20, tzinfo=UTC))
    assert later.tables["usage"].rejected == 1 and staged_anew(inodes(first), first) == set()
    assert stage(Workspace(tmp_path), datetime(2025, 1, 1, tzinfo=UTC)).reused
    assert stage(Workspace(tmp_path), CLOCK).tables == first.tables


def test_a_line_that_cannot_be_read_counts_for_its_own_table_where_a_fact_of_the_future_has_it_read_again(tmp_path):
    source = stage(shop(tmp_path, usage=(*FILES["usage.csv"], "ana 2024-03-01 hours 2 too many")))
    assert {name: table.unreadable for name, table in source.tables.items()} == {
        "usage": 1,
        "order_lines": 0,
        "products": 0,
    }


def test_retention_that_moves_on_stages_the_table_anew_of_which_it_takes_something(tmp_path):
    toml = TOML + "[retention]\nusage = 60\n"
    before = inodes(stage(shop(tmp_path, toml, usage=("customer_id occurred_at metric quantity", "ana 2024-05-07 hours 3", "bo 2024-06-01 hours 1"))))  # fmt: skip
    assert stage(Workspace(tmp_path), datetime(2024, 6, 28, tzinfo=UTC)).reused
    july = stage(Workspace(tmp_path), datetime(2024, 7, 15, tzinfo=UTC))
    assert staged_anew(before, july) == {"usage"} and july.tables["usage"].staged == 1


def test_under_pseudonyms_each_table_is_made_of_all_files_for_a_text_may_name_anybody(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    notes = ("customer_id occurred_at key value", "ana 2024-01-05 note by_c-9")
    tables = {"order_lines": ("customer_id occurred_at order_id amount", "ana 2024-01-05 o1 1"), "declared": notes}
    source = staged(tmp_path, "pseudonymise = true\n", **tables)
    assert staged(tmp_path, "pseudonymise = true\n", **tables).reused
    assert read(source.path("declared"), "value") == [("by_c-9",)]
    tables["declared"] = ("customer_id occurred_at key value", "ana 2024-01-05 note c-9")
    assert read(staged(tmp_path, "pseudonymise = true\n", **tables).path("declared"), "value") == [("c-9",)]
    tables["order_lines"] = (*tables["order_lines"], "c-9 2024-01-06 o2 1")
    again = staged(tmp_path, "pseudonymise = true\n", **tables)
    assert read(again.path("declared"), "value") == [(Identities("shop", tmp_path / "data/identities/shop", True).pseudonyms.of("c-9"),)]  # fmt: skip
    assert contents(again) == contents(staged(tmp_path / "fresh", "pseudonymise = true\n", **tables))


def test_who_is_forgotten_leaves_every_table_even_those_whose_files_are_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    workspace = shop(tmp_path)
    stage(workspace)
    Identities.of(workspace, read_source(workspace, "shop")).forget("ana")
    again = stage(workspace)
    assert not again.reused and stage(workspace).reused
    assert sorted(read(again.path("order_lines"), "DISTINCT customer_id")) == [("bo",), ("cy",)]
    assert read(again.path("usage"), "DISTINCT customer_id") == [("bo",)]


def test_whole_records_that_belong_to_another_staging_are_written_anew(tmp_path, monkeypatch):
    """A kill between the two leaves records of the new staging beside tables of the old, whose files may come back."""
    monkeypatch.setenv(KEY, "a key of the tests' own")
    header = "customer_id occurred_at system record_id first_name birth_date email"
    old, new = ("ana 2024-01-05 web 1 Ana 1980-05-01 -",), ("ana 2024-01-05 web 1 Anna 1980-05-01 -",)
    first = staged(tmp_path, "pseudonymise = true\n", records=(header, *old))
    whole = staged(tmp_path / "other", "pseudonymise = true\n", records=(header, *new)).whole_records
    first.whole_records.write_bytes(whole.read_bytes())
    again = staged(tmp_path, "pseudonymise = true\n", records=(header, *old))
    assert not again.reused and read(again.whole_records, "first_name") == [("Ana",)]


def test_a_staging_is_opened_by_its_fingerprint_without_any_raw_file(tmp_path):
    workspace = shop(tmp_path)
    source = stage(workspace)
    for path in workspace.raw("shop").glob("*.csv"):
        path.unlink()
    opened = read_staging(workspace, read_source(workspace, "shop"), source.fingerprint)
    assert opened.tables == source.tables and opened.key == source.key and opened.identity_events


def test_a_staging_that_another_run_has_replaced_is_refused_in_one_message(tmp_path):
    workspace = shop(tmp_path)
    first = stage(workspace)
    second = stage(shop(tmp_path, orders=FILES["orders.csv"][:-1]))
    with pytest.raises(RunError, match=f"staged as {second.fingerprint}. Expected {first.fingerprint}.*Run again"):
        read_staging(workspace, first.source, first.fingerprint)
    with pytest.raises(RunError, match="is not staged"):
        read_staging(shop(tmp_path / "b"), first.source, first.fingerprint)


def test_what_is_current_is_told_without_staging_or_writing_anything(tmp_path):
    workspace = shop(tmp_path)
    source = read_source(workspace, "shop")
    assert current_staging(workspace, source) is None and not (tmp_path / "data/staged").exists()
    stage(workspace)
    assert current_staging(workspace, source, clock=CLOCK).reused
    write_csv(workspace.raw("shop") / "goods.csv", *FILES["goods.csv"], "p3 1")
    assert current_staging(workspace, source, clock=CLOCK) is None


def test_a_manifest_of_before_is_staged_anew_and_one_of_a_newer_version_refused(tmp_path):
    workspace = shop(tmp_path)
    path = stage(workspace).folder / MANIFEST
    written = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in written.items() if key != "format_version"}))
    assert not stage(workspace).reused and stage(workspace).reused
    path.write_text(json.dumps(written | {"format_version": 99}))
    with pytest.raises(StoredFormatError, match=r"a newer Tenure wrote it \(format 99\)"):
        stage(workspace)


@pytest.mark.parametrize("file", ["order_lines.parquet", "rejected/usage.parquet", "known/products.json"])
def test_a_staged_file_that_is_gone_is_made_again(tmp_path, file):
    workspace = shop(tmp_path)
    source = stage(workspace)
    whole = contents(source)
    (source.folder / file).unlink()
    assert contents(stage(workspace)) == whole


def test_staging_that_is_killed_leaves_what_was_staged_and_the_next_nothing_of_it(tmp_path):
    workspace = shop(tmp_path)
    whole = contents(stage(workspace))
    header, rows = FILES["orders.csv"][0], [f"c{n % 1000} 2024-03-{1 + n % 28:02d} {n} {n % 90}" for n in range(400_000)]  # fmt: skip
    shop(tmp_path, orders=(header, *rows))
    command = f"from tenure.sources.ingest import *; from tenure.sources.source import *; w = Workspace(Path({str(tmp_path)!r})); stage_source(w, read_source(w, 'shop'))"  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", command], env=BARE)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "data/staged").glob(".shop.*.new/order_lines.parquet")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert any(path.suffix == ".new" for path in hidden(tmp_path))
    source = read_source(workspace, "shop")
    assert contents(read_staging(workspace, source, whole[0]["fingerprint"])) == whole
    assert stage(workspace).tables["order_lines"].staged == 400_000
    assert hidden(tmp_path) == []


def test_a_replay_takes_what_cannot_be_cut_from_the_staging_at_hand_and_comes_to_the_same(tmp_path):
    toml = TOML + '[raw."orders.csv"]\nknown_at = "day"\n\n[customers]\nfrom = "people.csv"\ncustomer_id = "client"\nattributes = { region = "region" }\n'  # fmt: skip
    workspace = shop(tmp_path / "now", toml)
    write_csv(workspace.raw("shop") / "people.csv", "client region", "ana north", "bo south")
    at_hand = stage(workspace)
    raw, cutoff = workspace.raw("shop"), datetime(2024, 3, 1).date()
    alone, _ = stage_as_known(at_hand.source, raw, cutoff, Workspace(tmp_path / "alone"))
    (raw / "people.csv").write_text("client,region\nnobody,nowhere\n")  # whoever reads it now comes to something else
    then, left_out = stage_as_known(at_hand.source, raw, cutoff, Workspace(tmp_path / "then"), at_hand=at_hand)
    assert left_out == 3 and contents(then)[1] == contents(alone)[1]
    assert then.path("customers").samefile(at_hand.path("customers"))
    assert not list((tmp_path / "then/data/raw/shop").glob("people.csv"))
