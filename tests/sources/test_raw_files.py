"""Every kind of raw file is read to the same staged facts; PostgreSQL from a real server."""

import json
import sqlite3
import zipfile

import pandas as pd
import pytest

from tables import read
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

ROWS = [("0007", "2024-01-05", 1, 2.0), ("0007", "2024-02-09", 2, 0.5), ("0012", "2024-03-01", 3, 1.25)]
NAMES = ("client", "day", "no", "price")
EXPECTED = [("0007", "2024-01-05 00:00:00", "1", 2.0), ("0007", "2024-02-09 00:00:00", "2", 0.5), ("0012", "2024-03-01 00:00:00", "3", 1.25)]  # fmt: skip
MAPPING = """
[order_lines]
from = "{file}"
customer_id = "client"
occurred_at = "day"
order_id = "no"
amount = "price"
"""


def facts(workspace, file, extra=""):
    (workspace.raw("shop") / "source.toml").write_text(MAPPING.format(file=file) + extra, encoding="utf-8")
    staged = stage_source(workspace, read_source(workspace, "shop"))
    return sorted(
        read(staged.path("order_lines"), "customer_id, occurred_at::VARCHAR, order_id, amount::DOUBLE")
    ), staged


@pytest.fixture
def workspace(tmp_path):
    located = Workspace(tmp_path)
    located.raw("shop").mkdir(parents=True)
    return located


def sheet_xml(rows):
    cells = [
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{v}</t></is></c>' if isinstance(v, str) else f"<c><v>{v}</v></c>" for v in row) + "</row>"
        for row in rows
    ]  # fmt: skip
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{main}"><sheetData>{"".join(cells)}</sheetData></worksheet>'


def write_workbook(path, sheet, rows, **others):
    """Write the smallest XLSX there is: texts inline."""
    sheets = {sheet: rows} | others
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        + "".join(
            f'<Override PartName="/xl/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>' for n in range(len(sheets))
        )
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(
            f'<Relationship Id="r{n}" Type="{relation}/worksheet" Target="sheet{n}.xml"/>' for n in range(len(sheets))
        )
        + "</Relationships>",
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relation}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n + 1}" r:id="r{n}"/>' for n, name in enumerate(sheets))
        + "</sheets></workbook>",
    } | {f"xl/sheet{n}.xml": sheet_xml(rows) for n, rows in enumerate(sheets.values())}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def write_sqlite(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE sales (client TEXT, day TEXT, no INTEGER, price REAL)")
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", ROWS)


WRITERS = {
    "orders.csv": lambda path: path.write_text("\n".join([",".join(NAMES), *(",".join(map(str, r)) for r in ROWS)])),
    "orders.tsv": lambda path: path.write_text("\n".join(["\t".join(NAMES), *("\t".join(map(str, r)) for r in ROWS)])),
    "orders.jsonl": lambda path: path.write_text("\n".join(json.dumps(dict(zip(NAMES, r, strict=True))) for r in ROWS)),
    "orders.parquet": lambda path: pd.DataFrame(ROWS, columns=list(NAMES)).to_parquet(path),
    "orders.xlsx": lambda path: write_workbook(path, "May", [NAMES, *ROWS]),
    "orders.xlsx#May": lambda path: write_workbook(path, "May", [NAMES, *ROWS]),
    "orders.sqlite#sales": write_sqlite,
}


@pytest.mark.parametrize("file", WRITERS)
def test_every_kind_of_raw_file_comes_to_the_same_facts(workspace, file):
    WRITERS[file](workspace.raw("shop") / file.partition("#")[0])
    assert facts(workspace, file)[0] == EXPECTED


@pytest.mark.parametrize(
    ("file", "words"), [("orders.xlsx#June", "Sheet 'June'.*May"), ("orders.sqlite#sale", "Did you mean 'sales'")]
)
def test_a_sheet_or_table_that_is_not_there_is_named_with_those_that_are(workspace, file, words):
    write_workbook(workspace.raw("shop") / "orders.xlsx", "May", [NAMES, *ROWS])
    write_sqlite(workspace.raw("shop") / "orders.sqlite")
    with pytest.raises(DataContractError, match=words):
        facts(workspace, file)


def test_every_sheet_that_is_not_read_is_said_and_none_that_is(workspace):
    write_workbook(workspace.raw("shop") / "orders.xlsx", "May", [NAMES, *ROWS[:1]], June=[NAMES, *ROWS[1:]])
    found, staged = facts(workspace, "orders.xlsx")
    assert found == EXPECTED[:1] and staged.tables["order_lines"].said[0].startswith("orders.xlsx: sheet 'May' is read")
    assert staged.warnings() == [
        "orders.xlsx: 2 sheets, of which 'May' is read and not 'June'; name the others in from, as \"orders.xlsx#June\""
    ]
    both = MAPPING.replace('"{file}"', '["orders.xlsx#May", "orders.xlsx#June"]')
    (workspace.raw("shop") / "source.toml").write_text(both)
    staged = stage_source(workspace, read_source(workspace, "shop"))
    assert staged.tables["order_lines"].staged == 3 and not staged.warnings()


def test_a_title_above_a_sheets_header_is_refused_and_rows_below_its_table_are_set_aside(workspace):
    rows = [["Orders of May"], [], list(NAMES), *ROWS, [], ["Total", "", "", 3.75]]
    write_workbook(workspace.raw("shop") / "orders.xlsx", "May", rows)
    with pytest.raises(DataContractError, match=r'header is in line 3.*\[raw."orders.xlsx"\] skip = 2'):
        facts(workspace, "orders.xlsx")
    found, staged = facts(workspace, "orders.xlsx", '[raw."orders.xlsx"]\nskip = 2\n')
    assert found == EXPECTED
    assert read(staged.rejected_path("order_lines"), "rule, raw_row, raw->>'line'") == [
        ("unreadable line", 8, "Total | 3.75")
    ]
    found, staged = facts(workspace, "orders.xlsx", '[raw."orders.xlsx"]\nskip = 2\nstop = "Total"\n')
    assert found == EXPECTED and not staged.tables["order_lines"].rejected


def test_a_name_twice_in_the_header_is_said_and_refused_where_the_mapping_reads_it(workspace):
    path = workspace.raw("shop") / "orders.csv"
    path.write_text("client,day,no,price,note,note\nana,2024-01-05,1,2,a,b\n")
    _, staged = facts(workspace, "orders.csv")
    assert staged.warnings() == [
        "orders.csv: the header names 'note' more than once; the first is read as 'note', the next as 'note_1'"
    ]
    path.write_text("client,day,no,price,Price\nana,2024-01-05,1,2,3\n")
    with pytest.raises(
        DataContractError, match="header of orders.csv names 'price' more than once, and the mapping reads"
    ):
        facts(workspace, "orders.csv")


def test_a_source_of_undated_tables_alone_is_told_what_it_lacks(workspace):
    (workspace.raw("shop") / "products.csv").write_text("product_id,category\np1,tea\n")
    (workspace.raw("shop") / "source.toml").write_text('[products]\nfrom = "products.csv"\n')
    with pytest.raises(
        DataContractError, match=r"source.toml: only products, .* dated facts \(customers, .*order_lines, .*map one"
    ):
        stage_source(workspace, read_source(workspace, "shop"))


def test_lines_that_are_not_utf_8_are_refused_with_the_way_to_read_them(workspace):
    path = workspace.raw("shop") / "orders.csv"
    path.write_bytes("client,day,no,price\nJürgen,2024-01-05,1,2\nana,2024-01-06,2,3\n".encode("latin-1"))
    with pytest.raises(DataContractError, match=r'orders.csv are not UTF-8 \(first: line 2\).*encoding = "cp1252"'):
        facts(workspace, "orders.csv")
    found, _ = facts(workspace, "orders.csv", '[raw."orders.csv"]\nencoding = "latin-1"\n')
    assert [row[0] for row in found] == ["Jürgen", "ana"]


def test_a_line_without_a_quantity_is_one_piece_and_a_negative_amount_is_a_return(workspace):
    (workspace.raw("shop") / "orders.csv").write_text(
        "client,day,no,price\nana,2024-01-05,1,20\nana,2024-01-09,1,-20\n"
    )
    _, staged = facts(workspace, "orders.csv")
    assert sorted(read(staged.path("order_lines"), "amount::DOUBLE, quantity::DOUBLE")) == [(-20.0, -1.0), (20.0, 1.0)]


def test_a_table_of_a_postgresql_server_comes_to_the_same_facts(workspace, postgresql, monkeypatch):
    import psycopg

    address = f"host={postgresql} user=tenure dbname=postgres"
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE sales (client text, day date, no integer, price numeric)")
        connection.cursor().executemany("INSERT INTO sales VALUES (%s, %s, %s, %s)", ROWS)
    monkeypatch.setenv("TENURE_POSTGRESQL_URL", address)
    assert facts(workspace, "postgresql#sales")[0] == EXPECTED
    with pytest.raises(DataContractError, match="postgresql#sale: Table 'sale'.*Did you mean 'sales'"):
        facts(workspace, "postgresql#sale")


def test_a_postgresql_server_that_does_not_answer_is_told_without_its_password(workspace, monkeypatch):
    monkeypatch.setenv("TENURE_POSTGRESQL_URL", "postgresql://ana:secret@127.0.0.1:9/shop")
    with pytest.raises(DataContractError, match="postgresql#sales: .*TENURE_POSTGRESQL_URL") as told:
        facts(workspace, "postgresql#sales")
    assert "secret" not in str(told.value)
