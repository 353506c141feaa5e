"""A reader is added by one file: in the source's own folder, or by an installed package; what it reads is staged as any."""

import sys
from pathlib import Path

import pytest

from tables import read
from tenure.core.errors import DataContractError, DefinitionError
from tenure.core.workspace import Workspace
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.provenance import static_tables
from tenure.sources.readers.registry import BUILT_IN, find_readers
from tenure.sources.source import read_source

# Columns of fixed widths, as a mainframe writes them.
FIXED_WIDTH = """
from tenure.core.sql import literal
from tenure.sources.readers.delimited import read_csv, write_csv
from tenure.sources.readers.reader import Reader

WIDTHS = {"client": 6, "day": 10, "no": 3, "price": 7}


class FixedWidthReader(Reader):
    endings = (".fwf",)

    def relation(self, raw):
        return read_csv(raw.copy(".csv", lambda copy: self.split(raw.path, copy)), WIDTHS)

    def split(self, path, copy):
        def cells(line):
            ends = [sum(list(WIDTHS.values())[: n + 1]) for n in range(len(WIDTHS))]
            return [line[end - width : end].strip() for end, width in zip(ends, WIDTHS.values())]

        write_csv(copy, WIDTHS, map(cells, path.read_text().splitlines()))


READER = FixedWidthReader()
"""
# A server of the shop's own, without files.
TILL = """
from tenure.sources.readers.reader import Reader


class Till(Reader):
    def relation(self, raw):
        return f"(SELECT '0007' AS client, DATE '2024-01-05' AS day, 1 AS no, {raw.part} AS price)"


READER = Till()
"""
LINES = ("0000072024-01-05  1   2.00", "0000122024-03-01  2   1.25")
FACTS = [("000007", "2024-01-05 00:00:00", "1", 2.0), ("000012", "2024-03-01 00:00:00", "2", 1.25)]
MAPPING = """
[order_lines]
from = "{file}"
customer_id = "client"
occurred_at = "day"
order_id = "no"
amount = "price"
"""


@pytest.fixture
def workspace(tmp_path):
    located = Workspace(tmp_path / "work")
    write(located.raw("shop") / "source.toml", MAPPING.format(file="orders.fwf"))
    write(located.raw("shop") / "orders.fwf", "\n".join(LINES))
    return located


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def in_folder(workspace, code=FIXED_WIDTH, name="fixed_width"):
    write(workspace.raw("shop") / "readers" / f"{name}.py", code)


def install(site, code=FIXED_WIDTH, version="1.0", module="shop_fixed_width"):
    """Install a package as pip would: a module, and metadata with its entry point."""
    write(site / f"{module}.py", code)
    info = site / f"{module}-{version}.dist-info"
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: {version}\n")
    write(info / "entry_points.txt", f"[tenure.readers]\nfixed_width = {module}:READER\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages that this process sees; what it imports from there is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [n for n, m in sys.modules.items() if str(getattr(m, "__file__", "")).startswith(str(folder))]:
        del sys.modules[name]


def stage(workspace):
    return stage_source(workspace, read_source(workspace, "shop"))


def facts(staged):
    return sorted(read(staged.path("order_lines"), "customer_id, occurred_at::VARCHAR, order_id, amount::DOUBLE"))


def test_without_a_reader_the_endings_that_are_read_are_named(workspace):
    with pytest.raises(DataContractError, match=r"orders\.fwf: unknown ending\. Expected one of \.parquet, \.csv"):
        stage(workspace)


def test_a_file_in_the_sources_folder_adds_a_reader(workspace):
    in_folder(workspace)
    assert facts(stage(workspace)) == FACTS


def test_an_installed_package_adds_a_reader(workspace, site):
    install(site)
    assert facts(stage(workspace)) == FACTS


def test_a_file_with_a_staged_name_needs_no_mapping_and_a_query_finds_it_by_name(workspace):
    in_folder(workspace, FIXED_WIDTH.replace('"client"', '"customer_id"').replace('"day"', '"occurred_at"').replace('"no"', '"order_id"').replace('"price"', '"amount"'))  # fmt: skip
    folder = workspace.raw("shop")
    (folder / "orders.fwf").rename(folder / "order_lines.fwf")
    (folder / "source.toml").write_text("")
    assert facts(stage(workspace)) == FACTS
    query = "SELECT * FROM order_lines WHERE amount::DOUBLE > 1.5"
    (folder / "source.toml").write_text(f'[order_lines]\nquery = "{query}"\n')
    assert len(read(stage(workspace).path("order_lines"))) == 1


def test_a_server_is_called_by_the_readers_name(workspace):
    in_folder(workspace, TILL, "till")
    write(workspace.raw("shop") / "source.toml", MAPPING.format(file="till#4.5"))
    staged = stage(workspace)
    assert facts(staged) == [("0007", "2024-01-05 00:00:00", "1", 4.5)]
    assert sorted(staged.raw_hashes) == ["till#4.5"] and stage(workspace).reused


@pytest.mark.parametrize("way", ["folder", "package"])
def test_a_changed_reader_stages_anew_and_an_unchanged_one_does_not(workspace, site, way):
    def place(code, version):
        if way == "folder":
            in_folder(workspace, code)
        else:
            install(site, code, version)
            # Another process would import it anew.
            sys.modules.pop("shop_fixed_width", None)

    place(FIXED_WIDTH, "1.0")
    first = stage(workspace)
    assert stage(workspace).reused
    place(FIXED_WIDTH.replace(".strip()", ".strip().lstrip('0')"), "1.0")
    changed = stage(workspace)
    assert not changed.reused and changed.fingerprint != first.fingerprint
    assert [row[0] for row in facts(changed)] == ["12", "7"]
    place(FIXED_WIDTH, "1.0")
    assert stage(workspace).fingerprint == first.fingerprint


def test_a_plugin_that_reads_other_files_changes_nothing_of_the_staging_of_built_in_ones(workspace):
    write(workspace.raw("shop") / "source.toml", MAPPING.format(file="orders.csv"))
    write(workspace.raw("shop") / "orders.csv", "client,day,no,price\nana,2024-01-05,1,2\n")
    first = stage(workspace)
    in_folder(workspace)
    assert stage(workspace).reused and stage(workspace).tables["order_lines"].key == first.tables["order_lines"].key


def test_the_longest_ending_decides_and_a_plugin_goes_before_what_is_built_in(workspace):
    in_folder(workspace, FIXED_WIDTH.replace(".fwf", ".bank.txt"))
    readers = find_readers(workspace.raw("shop"))
    assert readers.of("a.txt") is BUILT_IN["delimited"]
    assert type(readers.of("A.BANK.TXT")).__name__ == "FixedWidthReader"
    in_folder(workspace, FIXED_WIDTH.replace(".fwf", ".txt"))
    assert type(find_readers(workspace.raw("shop")).of("a.txt")).__name__ == "FixedWidthReader"


def test_rows_of_a_plugins_file_are_cut_by_nothing_and_so_static(workspace):
    in_folder(workspace, FIXED_WIDTH.replace(".fwf", ".txt"))
    (workspace.raw("shop") / "orders.fwf").rename(workspace.raw("shop") / "orders.txt")
    known_at = '\n[raw."orders.txt"]\nknown_at = "day"\n'
    write(workspace.raw("shop") / "source.toml", MAPPING.format(file="orders.txt") + known_at)
    assert static_tables(read_source(workspace, "shop"), workspace.raw("shop")) == {"order_lines"}
    (workspace.raw("shop") / "readers" / "fixed_width.py").unlink()
    write(workspace.raw("shop") / "orders.txt", "client,day,no,price\nana,2024-01-05,1,2\n")
    assert static_tables(read_source(workspace, "shop"), workspace.raw("shop")) == set()


def test_files_of_a_plugins_ending_are_fetched(workspace, tmp_path):
    in_folder(workspace)
    write(tmp_path / "delivery" / "more.fwf", LINES[0])
    assert [path.name for path in fetch_source(workspace, "shop", tmp_path / "delivery")] == ["more.fwf"]


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        ("READER = 7", "seven", "brings no reader but a int.*extends tenure.sources.readers.reader.Reader"),
        (FIXED_WIDTH, "parquet", "brings 'parquet', which is built in"),
        ("import no_such_module", "broken", "cannot be loaded: ModuleNotFoundError"),
        ("OTHER = 1", "empty", "holds no READER"),
    ],
)
def test_a_plugin_that_is_no_reader_is_refused(workspace, code, name, words):
    in_folder(workspace, code, name)
    with pytest.raises(DefinitionError, match=words):
        stage(workspace)


def test_two_plugins_that_read_one_ending_are_refused_by_where_they_are(workspace, site):
    install(site, FIXED_WIDTH)
    in_folder(workspace, FIXED_WIDTH, "mainframe")
    with pytest.raises(DefinitionError, match=r"shop-fixed-width 1\.0 .*mainframe\.py both read '\.fwf'"):
        stage(workspace)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('line 3 is short')", "fixed_width.py, fails: ValueError: line 3 is short"),
        ("return 'nowhere'", "orders.fwf cannot be read: Catalog Error"),
        ("return \"read_csv('/etc/passwd')\"", "orders.fwf cannot be read: Permission Error"),
    ],
)
def test_a_reader_that_fails_is_one_message_and_one_cannot_leave_the_folder(workspace, body, words):
    in_folder(workspace, FIXED_WIDTH.replace("return read_csv", f"{body}\n        return read_csv"))
    with pytest.raises(DataContractError, match=words):
        stage(workspace)


def test_readers_know_nothing_of_the_room_around_them():
    import tenure.sources.readers as room

    texts = [path.read_text(encoding="utf-8") for path in Path(room.__file__).parent.glob("*.py")]
    assert len(texts) >= 9
    assert not [text for text in texts if "from tenure.sources." in text.replace("from tenure.sources.readers.", "")]
