"""Delimited text is read by a dialect found from the whole file: right, or refused with the line to write, never misread."""

import csv
import gzip
import io
import time

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawn import drawn
from tenure.core.errors import DataContractError
from tenure.sources.readers.delimited import DelimitedReader
from tenure.sources.readers.reader import RawTable

HEADER = "client,day,no,amt,note\n"
ROWS = [(f"c{n}", f"2024-03-{n:02d}", str(n), f"{n}.50", None) for n in range(1, 10)]


def lines(rows=ROWS, delimiter=","):
    return "".join(delimiter.join(cell or "" for cell in row) + "\n" for row in rows)


def read(folder, content, name="orders.csv", **said):
    """=> rows as texts, unreadable lines (line, text), what is told"""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    raw = RawTable(reference=name, path=folder / name, part="", scratch=folder / "scratch", **said)
    relation, told = DelimitedReader().relation(raw), DelimitedReader().told(raw)
    unreadable = f"FROM read_parquet('{told.unreadable}') SELECT line, text"
    return duckdb.sql(f"FROM {relation}").fetchall(), duckdb.sql(unreadable).fetchall() if told.unreadable else [], told


def refusal(folder, content, **said):
    with pytest.raises(DataContractError) as refused:
        read(folder, content, **said)
    return str(refused.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_common_delimiter_is_found_and_every_cell_is_text(tmp_path, delimiter):
    found, unreadable, told = read(tmp_path, HEADER.replace(",", delimiter) + lines(delimiter=delimiter))
    assert found == ROWS and not unreadable
    assert "names of 5 columns in line 1" in told.said[0] and not told.warnings


def test_decimal_commas_do_not_make_the_comma_a_delimiter(tmp_path):
    assert read(tmp_path, "a;b;c\nx;1,50;2,50\ny;2,50;3,50\n")[0] == [("x", "1,50", "2,50"), ("y", "2,50", "3,50")]


def test_a_file_of_one_column_has_no_delimiter(tmp_path):
    assert read(tmp_path, "client\nana\n\nbo, jr\ncy\n")[0] == [("ana",), ("bo, jr",), ("cy",)]


@pytest.mark.parametrize(
    ("bad", "cells"),
    [('c5,2024-03-05,5,1,"say "hi", twice"', 4), ('c5,2024-03-05,5,1,"half a quote', 4), ("c5,2024-03-05,5,1,a, b", 4)],
)
def test_a_bad_line_costs_that_line_only_even_among_quoted_ones(tmp_path, bad, cells):
    good = [f'c{n},2024-03-{n:02d},{n},1,"a note, {n}"' for n in range(1, 29)]
    found, unreadable, _ = read(tmp_path, HEADER + "\n".join([*good[:9], bad, *good[9:]]) + "\n")
    assert [row[4] for row in found] == [f"a note, {n}" for n in range(1, 29)]
    assert unreadable == [(11, bad)]


def test_a_quote_that_another_bad_line_closes_swallows_no_line_between(tmp_path):
    rows = [f"c{n},2024-03-{n:02d},{n},1," for n in range(1, 20)]
    rows[3], rows[9] = rows[3] + '"open', rows[9] + '5"'
    found, unreadable, _ = read(tmp_path, HEADER + "\n".join(rows) + "\n")
    assert [row[0] for row in found] == [f"c{n}" for n in range(1, 20) if n != 4]
    assert unreadable == [(5, 'c4,2024-03-04,4,1,"open')] and found[8][4] == '5"'


@pytest.mark.parametrize("place", [0, 4])
def test_cells_with_line_breaks_stay_whole_also_as_the_first_of_a_line(tmp_path, place):
    rows = [list(row) for row in ROWS]
    for row in rows:
        row[4] = "plain"
        row[place] = f'{row[0]} says\n"well, well",\n\nand 7 more'
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([HEADER.strip().split(","), *rows])
    found, unreadable, _ = read(tmp_path, text.getvalue())
    assert found == [tuple(row) for row in rows] and not unreadable


def test_apostrophes_and_quotes_within_a_cell_are_letters(tmp_path):
    notes = ["'t Hoen", "O'Brien", '5" pipe', "rock 'n' roll"]
    rows = [(*row[:4], note) for row, note in zip(ROWS, notes, strict=False)]
    assert read(tmp_path, HEADER + lines(rows))[0] == rows


def test_apostrophes_are_quotes_where_all_of_the_header_stands_in_them(tmp_path):
    assert read(tmp_path, "'client','amt'\n'a, b','1'\n'it''s','2'\n")[0] == [("a, b", "1"), ("it's", "2")]


def test_lines_without_their_last_empty_cells_are_read_and_said(tmp_path):
    found, unreadable, told = read(tmp_path, HEADER + "c1,2024-03-01,1,5\n" + lines(ROWS[1:]))
    assert found[0] == ("c1", "2024-03-01", "1", "5", None) and len(found) == 9 and not unreadable
    assert "1 lines end before the last columns" in told.said[1]


def test_a_last_line_that_was_cut_off_is_set_aside(tmp_path):
    found, unreadable, _ = read(tmp_path, HEADER + lines() + "c10,2024-03-1")
    assert len(found) == 9 and unreadable == [(11, "c10,2024-03-1")]


def test_empty_cells_at_the_end_of_lines_are_no_cells_too_many(tmp_path):
    found, unreadable, _ = read(tmp_path, HEADER + "".join(line + ",,\n" for line in lines().splitlines()))
    assert found == ROWS and not unreadable


@pytest.mark.parametrize(
    ("above", "said"),
    [
        ("Report of May, by ACME\n\n", "the header is in line 3 .*skip = 2"),
        ("Orders,,Money,,\n", "the header is in line 2 .*skip = 1"),
        (
            "who,when,which,how much,remark\n",
            "two lines look like a header.*skip = 0 if they are 'who.*skip = 1 if they are 'client",
        ),
    ],
)
def test_lines_above_the_header_are_refused_with_the_number_to_write(tmp_path, above, said):
    with pytest.raises(DataContractError, match=said):
        read(tmp_path, above + HEADER + lines())
    skip = above.count("\n")
    assert read(tmp_path, above + HEADER + lines(), name="b.csv", skip=skip)[0] == ROWS


def test_values_are_never_taken_for_a_header_unless_the_source_says_so(tmp_path):
    assert "line 1 holds values ('c1, 2024-03-01, 1, 1.50') where names" in refusal(tmp_path, lines())
    assert len(read(tmp_path, lines(), name="b.csv", skip=0)[0]) == 8


@pytest.mark.parametrize("total", ["Total,,,45.00,", "Total", "Total,,,45.00", "9 rows in all"])
def test_totals_below_the_table_are_set_aside_with_the_key_to_write(tmp_path, total):
    found, unreadable, _ = read(tmp_path, HEADER + lines() + f"\n{total}\n")
    assert found == ROWS and unreadable == [(12, total)]


def test_a_header_that_stands_among_the_rows_again_is_set_aside(tmp_path):
    found, unreadable, _ = read(tmp_path, (HEADER + lines()) * 2)
    assert found == ROWS * 2 and unreadable == [(11, HEADER.strip())]


def test_a_file_of_which_no_line_can_be_read_is_refused_with_the_first(tmp_path):
    content = HEADER + "".join(f'c{n},2024-03-01,{n},1,"say \\"hi\\", ok"\n' for n in range(9))
    assert "none of its 9 lines can be read" in (said := refusal(tmp_path, content)) and "with a backslash" in said


def test_a_carriage_return_within_a_line_ends_none(tmp_path):
    found, unreadable, _ = read(tmp_path, HEADER + "c0,2024-03-01,0,1,one\rtwo\n" + lines())
    assert found == [("c0", "2024-03-01", "0", "1", "one\rtwo"), *ROWS] and not unreadable


def test_reading_ends_where_the_source_says_so(tmp_path):
    found, unreadable, told = read(tmp_path, HEADER + lines() + ",Totals:,,45,\nc99,2024-03-09,1,1,\n", stop="Total")
    assert found == ROWS and not unreadable and "read until line 10" in told.said[1]


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "cp1250", "cp850", "mac_roman", "cp932", "gb18030"])
def test_text_that_is_not_utf_8_is_refused_with_its_likely_encoding_and_read_with_it(tmp_path, encoding):
    name = {"cp1251": "Анна Петрова", "cp1250": "Łukasz Żądło", "cp932": "たなか さん", "gb18030": "王小明先生"}.get(
        encoding, "Jürgen Größe é"
    )
    rows = [(*row[:4], name) for row in ROWS]
    content = (HEADER.replace("note", "näme") if encoding == "cp1252" else HEADER) + lines(rows)
    said = refusal(tmp_path, content.encode(encoding))
    assert f'[raw."orders.csv"] encoding = "{encoding}"' in said and "first: line" in said
    assert read(tmp_path, content.encode(encoding), name="b.csv", encoding=encoding)[0] == rows


@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")]
)
def test_utf_16_is_told_by_its_mark_or_its_zeros(tmp_path, encoding, said):
    assert f'encoding = "{said}"' in refusal(tmp_path, (HEADER + lines()).encode(encoding))
    assert read(tmp_path, (HEADER + lines()).encode(encoding), name="b.csv", encoding=said)[0] == ROWS


def test_a_declared_encoding_that_the_file_does_not_have_or_nobody_knows_is_refused(tmp_path):
    assert "not cp932 in line 3" in refusal(tmp_path, b"client,amt\nana,1\nJ\xfc\x20,1\n", encoding="cp932")
    assert "no encoding that Python knows" in refusal(tmp_path, HEADER + lines(), encoding="klingon")


def test_one_broken_letter_among_many_whole_ones_costs_its_line(tmp_path):
    rows = [(*row[:4], "Jürgen") for row in ROWS * 3]
    content = (HEADER + lines(rows)).encode() + b"c99,2024-03-09,1,1,J\xfcrgen\n" + lines(rows).encode()
    found, unreadable, _ = read(tmp_path, content)
    assert found == rows + rows and [line for line, _ in unreadable] == [29]


def test_marks_control_characters_and_blanks_around_names_are_no_part_of_them(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf client\x00,\tday ,no,amt\r\nc1,2024-03-01,1,5\r\n")
    raw = RawTable(reference="a.csv", path=tmp_path / "a.csv", part="", scratch=tmp_path)
    described = duckdb.sql(f"DESCRIBE FROM {DelimitedReader().relation(raw)}").fetchall()
    assert [row[:2] for row in described] == [(name, "VARCHAR") for name in ("client", "day", "no", "amt")]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_end_as_they_do_on_any_system(tmp_path, end):
    assert read(tmp_path, (HEADER + lines()).replace("\n", end))[0] == ROWS


def test_lines_that_end_in_two_ways_are_all_read(tmp_path):
    assert read(tmp_path, (HEADER + lines()).replace("\n", "\r\n", 4))[0] == ROWS


def test_a_zipped_file_is_read_as_the_plain_one_and_a_cut_one_refused(tmp_path):
    whole = gzip.compress((HEADER + lines()).encode())
    assert read(tmp_path, whole, name="orders.csv.gz")[0] == ROWS
    assert "not a whole gzip file" in refusal(tmp_path, whole[:-9], encoding="")


def test_a_cell_of_twenty_megabytes_and_twenty_thousand_columns_are_read_in_seconds(tmp_path):
    begun = time.monotonic()
    log = "2024-01-01,error\n" * 1_200_000
    found, unreadable, _ = read(tmp_path, HEADER + f'c1,2024-03-01,1,5,"{log}"\n' + lines(), name="log.csv")
    assert len(found) == 10 and found[0][4] == log and not unreadable
    names = [f"x{n}" for n in range(20_000)]
    wide = ",".join(names) + "\n" + ",".join(["1"] * 20_000) + "\n"
    assert len(read(tmp_path, wide, name="wide.csv")[0][0]) == 20_000
    assert time.monotonic() - begun < 60


CELL = st.one_of(
    st.none(), st.text(st.sampled_from("ab,;|\t'\" é\n-0"), min_size=1, max_size=8).filter(lambda cell: cell.strip())
)


@drawn(25)
@given(
    cells=st.lists(st.tuples(CELL, CELL), min_size=3, max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    skip=st.integers(0, 2),
)
def test_what_any_writer_of_csv_writes_is_read_as_it_was_or_refused(tmp_path_factory, cells, delimiter, end, encoding, quoting, skip):  # fmt: skip
    """Dates and ids beside texts of any kind: no text becomes another, and no row is lost without being told."""
    rows = [(f"c{n}", f"2024-03-{n:02d}", str(n), *texts) for n, texts in enumerate(cells, 1)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=quoting)
    writer.writerows([("client", "day", "no", "note", "remark"), *rows])
    title = "".join(f"Title {n}\n" for n in range(skip))
    content = (title + text.getvalue()).replace("\n", end).encode(encoding)
    expected = [tuple(cell and cell.replace("\n", end) for cell in row) for row in rows]
    said = {"skip": skip} if skip else {}
    said |= {"encoding": encoding} if encoding in ("utf-16", "cp1252") else {}
    found, unreadable, _ = read(tmp_path_factory.mktemp("csv"), content, **said)
    got = [tuple(cell and cell.replace("\r\n", "\n") for cell in row) for row in found]
    assert got == [tuple(cell and cell.replace("\r\n", "\n") for cell in row) for row in expected] and not unreadable


@drawn(18)
@given(
    bad=st.sampled_from(['c0,2024-03-01,7,5,"open', 'c0,2024-03-01,7,5,"a "b" c"', "c0,2024-03-01,7,5,a,b,c", '"c0,2024-03-01,7,5,x', "oops", '",",","']),
    places=st.lists(st.integers(0, 40), min_size=1, max_size=3, unique=True),
    quoted=st.integers(0, 3),
)  # fmt: skip
def test_bad_lines_anywhere_cost_no_other_line(tmp_path_factory, bad, places, quoted):
    good = [
        f"c{n},2024-03-{n % 28 + 1:02d},{n},5,{f'{chr(34)}a, {n}{chr(34)}' if n % 4 < quoted else 'plain'}"
        for n in range(40)
    ]
    mixed = list(good)
    for place in sorted(places, reverse=True):
        mixed.insert(place, bad)
    found, unreadable, _ = read(tmp_path_factory.mktemp("csv"), HEADER + "\n".join(mixed) + "\n")
    assert [row[2] for row in found] == [str(n) for n in range(40)]
    assert [text for _, text in unreadable] == [bad] * len(places)


def test_the_last_rows_are_no_footer_where_they_leave_one_of_two_dates_empty(tmp_path):
    lines = ["customer_id,occurred_at,born,ends", *(f"{name},2024-01-0{day},1980-02-03,{end}" for name, day, end in (
        ("ana", 1, "2024-05-01"), ("bo", 2, "2024-05-02"), ("cy", 3, "2024-05-03"), ("di", 4, ""), ("ed", 5, "")
    ))]  # fmt: skip
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    reader = DelimitedReader()
    raw = RawTable("people.csv", tmp_path / "people.csv", "", tmp_path)
    assert [row[0] for row in duckdb.sql(f"SELECT customer_id FROM {reader.relation(raw)} ORDER BY 1").fetchall()] == [
        "ana", "bo", "cy", "di", "ed"
    ]  # fmt: skip
