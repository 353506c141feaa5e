"""A person in a file: found as a whole value, taken out, and nobody else touched."""

import bz2
import gzip
import json
import lzma

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tenure.core.errors import RunError
from tenure.core.safe_csv import write_safe_csv
from tenure.privacy.files import names_person, take_out
from tenure.privacy.person import Person
from tenure.scoring.score import STORED_AS, read_scores_metadata
from tenure.sources.staging_names import MARKER

ANA, NUMBER = Person(("ana-1", "p0123456789abcdef01234567")), Person(("12",))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("contact ana-1, first", True), ("(ana-1)", True), ("p0123456789abcdef01234567", True),
        ("ana-12", False), ("diana-1", False), ("ana-1-b", False), ("ana-1@shop.org", False), ("ana", False), ("ana-1.", True),
    ],
)  # fmt: skip
def test_an_id_is_a_whole_value_and_no_part_of_another(text, names):
    assert ANA.is_in(text) == names
    assert (ANA.blot(text) != text) == names


TELLING = Person(("c000276",), others=("c000276-b",))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("order Oc000276-4", True), ("REFc000276x", True), ("c000276-4", True), ("note_c000276_x", True),
        ("c0002761", False), ("1c000276", False), ("c000276-b", False), ("Oc000276-b-7", False), ("a1c000276f", False),
    ],
)  # fmt: skip
def test_an_id_of_digits_and_letters_is_found_with_letters_glued_to_it_and_no_digits(text, names):
    assert TELLING.is_in(text) == names
    assert TELLING.blot(text) == (text.replace("c000276", MARKER) if names else text)
    assert not Person(("c1",)).is_in("c10 Oc1-4 Basic1") and Person(("c1",)).is_in("of c1.")
    assert not Person(("12",)).is_in("1234, customer_id O12")


def test_a_plain_number_is_a_count_unless_the_text_tells_of_customers():
    assert not NUMBER.is_in("12 of 123 rows")
    assert (
        NUMBER.blot("   customer_id  decile\n0  12  1\n1  123  2")
        == f"   customer_id  decile\n0  {MARKER}  1\n1  123  2"
    )
    assert NUMBER.is_in("differs for 3 of 99 customers (first: 12, 1 in the snapshot)")


def test_a_table_loses_the_persons_rows_and_keeps_every_other_cell(tmp_path):
    frame = pd.DataFrame(
        {
            "customer_id": ["ana-1", "ana-12", "bo"],
            "like_customer_id": ["bo", "ana-1", None],
            "score": [0.1, 0.2, 0.3],
            "why": ["x", "as ana-1 did", "ana-12"],
        }
    )
    left = pd.DataFrame(
        {
            "customer_id": ["ana-12", "bo"],
            "like_customer_id": [MARKER, None],
            "score": [0.2, 0.3],
            "why": [f"as {MARKER} did", "ana-12"],
        }
    )
    parquet, text = tmp_path / "scored.parquet", tmp_path / "scored.csv"
    frame.to_parquet(parquet, index=False)
    frame.to_csv(text, index=False)
    for path, read in ((parquet, pd.read_parquet), (text, pd.read_csv)):
        assert names_person(ANA, path)
        assert take_out(ANA, path) > 0
        assert not names_person(ANA, path)
        pd.testing.assert_frame_equal(read(path), left, check_dtype=False)
        assert take_out(ANA, path) == 0


def test_of_a_plain_number_only_the_columns_of_ids_are_asked(tmp_path):
    path = tmp_path / "orders.parquet"
    pd.DataFrame({"customer_id": ["12", "123"], "order_id": ["9", "12"]}).to_parquet(path, index=False)
    take_out(NUMBER, path)
    assert pd.read_parquet(path).to_dict("records") == [{"customer_id": "123", "order_id": "12"}]
    assert not names_person(NUMBER, path)


def test_a_spreadsheets_apostrophe_hides_nobody(tmp_path):
    path = tmp_path / "scored.csv"
    path.write_text("customer_id,score\n'+49,1\n49,2\n")
    assert take_out(Person(("+49",)), path) == 1
    assert path.read_text() == "customer_id,score\n49,2\n"
    path.write_text("customer_id,score\na;'=b,1\n49,2\n")
    assert take_out(Person(("a;=b",)), path) == 1


def test_a_tables_mark_hides_nobody_and_stays(tmp_path):
    write_safe_csv(pd.DataFrame({"customer_id": ["ana-1", "bo"], "reason": ["▲ tea", "▲"]}), tmp_path / "s.csv")
    assert take_out(ANA, tmp_path / "s.csv") == 1
    assert (tmp_path / "s.csv").read_bytes().decode() == "\ufeffcustomer_id,reason\nbo,▲\n"


def test_a_notebook_and_a_page_keep_all_but_the_name(tmp_path):
    shown = [
        "<table><thead><tr><th>customer_id</th><th>n</th></tr></thead>\n",
        '<tr border="12"><td>12</td><td>123</td></tr></table>\n',
    ]
    notebook = {
        "cells": [{"outputs": [{"data": {"text/html": shown}, "execution_count": 12}], "source": ["n = 12\n", "n"]}]
    }
    path = tmp_path / "04_score.ipynb"
    path.write_text(json.dumps(notebook))
    assert names_person(NUMBER, path) and take_out(NUMBER, path) == 1 and not names_person(NUMBER, path)
    cell = json.loads(path.read_text())["cells"][0]
    assert cell["source"] == ["n = 12\n", "n"] and cell["outputs"][0]["execution_count"] == 12
    assert cell["outputs"][0]["data"]["text/html"] == [shown[0], shown[1].replace(">12<", f">{MARKER}<")]
    page = tmp_path / "churn.html"
    page.write_text('<p>12 of 99</p><table><tr><th>Customer</th></tr><tr><td class="id">12</td></tr></table>')
    assert take_out(NUMBER, page) == 1
    assert (
        page.read_text()
        == f'<p>12 of 99</p><table><tr><th>Customer</th></tr><tr><td class="id">{MARKER}</td></tr></table>'
    )


def test_a_file_without_the_person_is_left_alone(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"n":   1, "who": "ana-12"}')
    assert take_out(ANA, path) == 0 and path.read_text() == '{"n":   1, "who": "ana-12"}'


@pytest.mark.parametrize(
    "name", ["tenure.log.1", "tenure.log-20260101", "tenure.log.2.gz", "tenure.log.3.xz", "tenure.log.4.bz2"]
)
def test_a_rotated_log_packed_or_not_is_searched_and_keeps_every_other_byte(tmp_path, name):
    path = tmp_path / name
    packing = {".gz": gzip, ".xz": lzma, ".bz2": bz2}.get(path.suffix)
    lines = "failed: ana-1\nended: ana-12 \u00e9\n".encode() + b"\xff\n"
    path.write_bytes(packing.compress(lines) if packing else lines)
    assert names_person(ANA, path)
    assert take_out(ANA, path) == 1
    assert not names_person(ANA, path)
    left = packing.decompress(path.read_bytes()) if packing else path.read_bytes()
    assert left == lines.replace(b"ana-1\n", MARKER.encode() + b"\n")


def test_a_command_that_waits_goes_on_writing_to_the_log_it_opened(tmp_path):
    path = tmp_path / "tenure.log"
    path.write_text("failed: ana-1\n")
    with path.open("a") as waiting:
        take_out(ANA, path)
        waiting.write("done\n")
    assert path.read_text() == f"failed: {MARKER}\ndone\n"


def test_a_packed_log_that_nobody_can_read_is_named_and_left(tmp_path):
    path = tmp_path / "tenure.log.1.gz"
    path.write_bytes(b"no archive")
    with pytest.raises(RunError, match=r"tenure.log.1.gz: cannot be unpacked"):
        names_person(ANA, path)
    assert path.read_bytes() == b"no archive"


def test_a_scored_table_still_says_what_it_answers_when_somebody_was_taken_out(tmp_path):
    path = tmp_path / "scored_customers.parquet"
    rows = pa.table({"customer_id": ["ana", "bo"]}).replace_schema_metadata(
        {STORED_AS: '{"format_version": 1, "source": "shop"}'}
    )
    pq.write_table(rows, path)
    assert take_out(Person(("ana",)), path) == 1
    assert pq.read_table(path).column("customer_id").to_pylist() == ["bo"]
    assert read_scores_metadata(path)["source"] == "shop"
