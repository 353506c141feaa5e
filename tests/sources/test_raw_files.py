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


def write_workbook(path, sheet, rows):
    """Write the smallest XLSX there is: one sheet, texts inline."""
    cells = [
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{v}</t></is></c>' if isinstance(v, str) else f"<c><v>{v}</v></c>" for v in row) + "</row>"
        for row in rows
    ]  # fmt: skip
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/><Override PartName="/xl/sheet.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{relation}/worksheet" Target="sheet.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relation}"><sheets><sheet name="{sheet}" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/sheet.xml": f'<worksheet xmlns="{main}"><sheetData>{"".join(cells)}</sheetData></worksheet>',
    }
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
