"""A table of customers as CSV: whatever its texts hold, each reader finds the same rows and cells, and no formula."""

import csv
import re
import shutil
import subprocess
import zipfile

import duckdb
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from drawn import drawn
from tenure.core.safe_csv import safe_cell, write_safe_csv

COLUMNS = ["customer_id", "=name", "worth", "reason\r=1+1"]
NASTY = st.text("=+-@＝＋－＠−;,\"'\t\r\n\x0b\x0c\x1c\x85\u2028\x1b\x00\xa0\ufeff 1aü▲|", max_size=7)
ORDINARY = st.text("aüß▲\"',.:/|()=+-@ ", max_size=8).map("b{}e".format)
ROWS = st.tuples(NASTY | ORDINARY, NASTY | ORDINARY, st.sampled_from([-1.5, 0.25, None]), ORDINARY)


def write(path, rows):
    write_safe_csv(pd.DataFrame(rows, columns=COLUMNS), path)
    return path


def by_csv(path, separator):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file, delimiter=separator))


def by_pandas(path, separator):
    as_texts = {"header": None, "dtype": str, "keep_default_na": False, "quotechar": '"', "skip_blank_lines": False}
    if separator == ";":  # how many cells a line has is not known: the most a line can have
        as_texts |= {"names": range(60)}
    return pd.read_csv(path, sep=separator, **as_texts).fillna("").to_numpy().tolist()


def by_duckdb(path, separator):
    columns = {f"c{n}": "VARCHAR" for n in range(len(COLUMNS) if separator == "," else 60)}
    read = duckdb.sql(
        f"FROM read_csv('{path}', auto_detect = false, header = false, columns = {columns}, delim = '{separator}', "
        f"""quote = '"', escape = '"', strict_mode = false, null_padding = {separator == ";"}, new_line = '\\n')"""
    )
    return [[cell or "" for cell in row] for row in read.fetchall()]


READERS = (by_csv, by_pandas, by_duckdb)


def is_formula(cell):
    """Whether a spreadsheet may run a cell; a number with its sign is only a number."""
    return re.match(r"[\s\"]*[=+\-@＝＋－＠−]", cell) and not re.fullmatch(r"-?\d+(\.\d+)?", cell)


@pytest.mark.parametrize("read", READERS)
def test_whatever_texts_hold_each_reader_finds_the_same_rows_and_cells_and_no_formula(tmp_path, read):
    @drawn(60)
    @given(st.lists(ROWS, min_size=1, max_size=8))
    def holds(rows):
        path = write(tmp_path / "customers.csv", rows)
        header, *found = read(path, ",")
        assert header == ["customer_id", "'=name", "worth", "reason =1+1"]
        assert [len(row) for row in found] == [4] * len(rows)
        for row, (one, two, worth, ordinary) in zip(found, rows, strict=True):
            assert row == [safe_cell(one), safe_cell(two), "" if worth is None else str(worth), ordinary]
        assert not [cell for row in [header, *found] for cell in row if is_formula(cell)]
        cut = read(path, ";")
        assert len(cut) == 1 + len(rows) and not [cell for row in cut for cell in row if is_formula(cell)]

    holds()


@pytest.mark.parametrize("read", READERS)
def test_a_number_ids_and_reasons_come_back_as_they_were(tmp_path, read):
    rows = [("0071", 'Ann "Bo" O\'Neill, Köln', -2.5, "▲ orders; - no ▼"), ("12", "a;b", 1e-05, "50 % = half")]
    _, *found = read(write(tmp_path / "customers.csv", rows), ",")
    assert found == [["0071", rows[0][1], "-2.5", "▲ orders;' - no ▼"], ["12", "a;b", "1e-05", "50 % = half"]]


def test_the_file_says_that_it_is_utf_8_quotes_texts_and_leaves_numbers_and_nothing_bare(tmp_path):
    table = pd.DataFrame({"id": ["a", None], "n": pd.array([1, None], "Int64"), "is": [True, False], "x": [0.1, None]})
    write_safe_csv(table.assign(on=pd.to_datetime(pd.Series(["2024-01-31", None]))), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes().decode() == (
        '\ufeff"id","n","is","x","on"\n"a",1,"True",0.1,"2024-01-31"\n,,"False",,\n'
    )


@given(NASTY)
@drawn(200)
def test_a_cell_that_is_safe_stays_as_it_is(text):
    assert safe_cell(safe_cell(text)) == safe_cell(text)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Give what LibreOffice makes of all drawn rows, and of texts written without care, by separator.

    => drawn rows, {separator: {file: (cells, formulas)}}. Both files in one start: it takes seconds.
    """
    soffice = shutil.which("soffice")
    if not soffice:
        pytest.skip("no LibreOffice here: apt-get install --no-install-recommends libreoffice-calc-nogui")
    folder, rows = tmp_path_factory.mktemp("libreoffice"), []
    drawn(150)(given(ROWS)(lambda row: rows.append(row)))()
    careless = folder / "careless.csv"
    careless.write_bytes(b'customer_id,name\nc1,"a\r=1+1"\nc2,a;=1+1\n=1+1,a\n')
    files = [write(folder / "customers.csv", rows), careless]
    own = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    read = {}
    for separator in ",;":
        asked = [f"--infilter=CSV:{ord(separator)},34,76,1", "--convert-to", "xlsx", "--outdir", folder, *files]
        subprocess.run([soffice, "--headless", own, *asked], check=True, capture_output=True, timeout=120)
        read[separator] = {path.stem: cells_and_formulas(path.with_suffix(".xlsx")) for path in files}
    return rows, read


def cells_and_formulas(book):
    with zipfile.ZipFile(book) as parts:
        formulas = re.findall(r"<f\b[^>]*>([^<]*)", parts.read("xl/worksheets/sheet1.xml").decode())
    return CalamineWorkbook.from_path(book).get_sheet_by_index(0).to_python(), formulas


def test_libreoffice_finds_the_same_rows_and_no_formula(converted):
    rows, read = converted
    found, formulas = read[","]["customers"]
    assert formulas == [] and [len(row) for row in found] == [4] * (1 + len(rows))
    assert [row[3] for row in found[1:]] == [row[3] for row in rows]
    found, formulas = read[";"]["customers"]
    assert formulas == [] and len(found) == 1 + len(rows)


def test_libreoffice_would_run_what_is_written_without_care(converted):
    _, read = converted
    assert len(read[","]["careless"][1]) == 1 and len(read[";"]["careless"][1]) == 3
