"""Small odd files after public bug reports: each folder of ``shared/cases``, against its ``expect.txt``, translated by hand.

A case lists every outcome that its ``expect.txt`` allows, and nothing else: exact staged rows with the counts of rejected
rows by rule and what must be said, or a refusal whose message holds these words.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from door.judge import Outcome, outcome_of
from tenure.core.workspace import Workspace
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

DATA = Path(os.environ.get("TENURE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
CASES = DATA.parent / "cases"
SECONDS = 30  # "within seconds", on a busy machine
LATER = {"19_labels"}  # labels, not reading: of another issue


@dataclass(frozen=True)
class Staged:
    """Exactly these rows; rejected rows by a pattern that their rule matches; what must be said, as a pattern."""

    rows: list[tuple[str, datetime, str, Decimal]]
    rejected: dict[str, int] = field(default_factory=dict)
    said: str = ""


@dataclass(frozen=True)
class Refused:
    """A DataContractError whose message matches a pattern."""

    words: str


def row(customer: str, at: str, number: str, amount: str = "5") -> tuple[str, datetime, str, Decimal]:
    return customer, datetime.fromisoformat(at), number, Decimal(amount)


def rows(*lines: str) -> list[tuple[str, datetime, str, Decimal]]:
    """Read `customer | time | order | amount`, an amount of 5 where none is said."""
    return [row(*(cell.strip() for cell in line.split("|"))) for line in lines]


# One instant, 22:30 UTC on 31 March 2024: the clocks of Berlin changed that morning, so there it is the next day.
INSTANT = [Staged(rows(*(f"c{n} | 2024-04-01 00:30 | {n}" for n in range(3))))]
SEVENTEEN = [Staged(rows("00017 | 2024-03-01 | 1", "00018 | 2024-03-02 | 2", "17 | 2024-03-04 | 4"))]
# Three thousand lines, of which the one with order 1500 is damaged: kept, or told as unreadable.
THREE_THOUSAND = [row(f"c{n % 500}", f"2024-03-{1 + n % 28:02d}", str(n)) for n in range(3_000)]
WITHOUT_ONE = Staged([line for line in THREE_THOUSAND if line[2] != "1500"], {"unreadable": 1})
FIVE = rows(*(f"c{n} | 2024-03-0{n} | {n}" for n in range(1, 6)))
EIGHT = rows(*(f"c{n} | 2024-03-0{n} | {n}" for n in range(1, 9)))
LONG_TEXT = [Staged(FIVE), Staged([line for line in FIVE if line[2] != "3"], {"unreadable": 1})]
PLACEHOLDERS_LEFT = rows("c1 | 2024-03-01 | 6", "c1 | 2024-04-01 | 7", "c1 | 2024-05-01 | 8")


def parquet_rows(
    first: str, second: str, third: str, at: str = "2024-03-31 22:30"
) -> list[tuple[str, datetime, str, Decimal]]:
    return [row(first, at, "1", "5"), row(second, at, "2", "6"), row(third, at, "3", "7")]


ODD_IDS = ("a\0b", "😀", "עברית", 'x, "y"\nz', "pad", "\u00c9", "E\u0301", "NULL", "nan")


def odd_ids(nul: str, line_break: str) -> list[tuple[str, datetime, str, Decimal]]:
    """Every id distinct and intact; control characters stay, or are stripped as the documentation says."""
    ids = [text.replace("\0", nul).replace("\n", line_break) for text in ODD_IDS]
    return [row(text, "2024-03-01" if n <= 3 else "2024-03-02", str(n)) for n, text in enumerate(ids, 1)]


EXPECTED: dict[str, list[Staged | Refused]] = {
    # 02:30 does not exist in New York that night, 01:30 in November is there twice; the business counts in UTC.
    "01_csv_time_dst_gap": [
        Staged(rows(f"c1 | 2024-03-10 {gap} | 1", f"c2 | 2024-11-03 {twice} | 2", "c3 | 2024-03-10 06:59 | 3", "c4 | 2024-03-10 07:01 | 4"))
        for gap, twice in product(("06:30", "07:30"), ("05:30", "06:30"))
    ],
    "01_csv_time_mixed": [Staged(rows(*(f"c{n} | 2024-04-01 00:30 | {n}" for n in range(1, 6))))],
    **{f"01_csv_time_{form}": INSTANT for form in ("lower", "ms", "ny", "off", "off2", "off4", "utc", "z")},
    # Without raw_timezone the times stay as they stand; the amount with a thousands comma is read, or told.
    "01_csv_utc_header_word": [
        Staged(rows("cus_1 | 2024-03-31 22:30 | ch_1 | 1250", "cus_2 | 2024-03-31 21:30 | ch_2 | 12")),
        Staged(rows("cus_2 | 2024-03-31 21:30 | ch_2 | 12"), {"amount is not a number": 1}),
        Refused(r"amount.*1,250\.00"),
    ],
    **{f"02_json_time_{form}": INSTANT for form in ("lower", "ms", "ny", "off", "off2", "off4", "spoff", "z")},
    "02_json_time_mixed": [Staged(rows(*(f"c{n} | 2024-04-01 00:30 | {n}" for n in range(1, 5))))],
    "03_id_bool_query": [Staged(rows("true | 2024-03-01 | 1", "TRUE | 2024-03-02 | 2"))],
    "03_id_cast": SEVENTEEN,
    "03_id_coalesce": SEVENTEEN,
    "03_id_concat": [Staged(rows("EU-00017 | 2024-03-01 | 1", "EU-00018 | 2024-03-02 | 2", "EU-17 | 2024-03-04 | 4"))],
    "03_id_hex_query": [Staged(rows(*(f"1234567890123456789{n} | 2024-03-0{n + 1} | {n + 1}" for n in range(3))))],
    "03_id_json_dateish": [Staged(rows("25-11-2025 | 2024-03-01 | 1", "26-11-2025 | 2024-03-01 | 2"))],
    "03_id_json_num": [Staged(rows("100000000000000000001 | 2024-03-01 | 1", "100000000000000000002 | 2024-03-01 | 2"))],
    "03_id_json_uuid": [Staged(rows("BBD05AE7-0000-4000-8000-000000000001 | 2024-03-01 | 1"))],
    "03_id_long_query": [Staged(rows("1234567890123456789012345 | 2024-03-01 | 1", "1234567890123456789012346 | 2024-03-02 | 2"))],
    "03_id_plain": [Staged(rows("00017 | 2024-03-01 | 1", "00018 | 2024-03-02 | 2", "1E5 | 2024-03-03 | 3", "100000 | 2024-03-04 | 4"))],
    "03_id_query": [Staged(rows("00017 | 2024-03-01 | 1", "00018 | 2024-03-02 | 2", "17 | 2024-03-03 | 3"))],
    "03_id_sci_coalesce": [Staged(rows("1E5 | 2024-03-01 | 1", "100000 | 2024-03-02 | 2", "100000 | 2024-03-03 | 3"))],
    "03_id_sci_query": [Staged(rows("1E5 | 2024-03-01 | 1", "100000 | 2024-03-02 | 2", "3E10 | 2024-03-03 | 3"))],
    "03_id_trim": SEVENTEEN,
    "04_dup_header": [
        Staged(rows("c1 | 2024-03-01 | 1 | 5", "c2 | 2024-03-02 | 2 | 6"), said=r"\bamt\b"),
        Staged(rows("c1 | 2024-03-01 | 1 | 50", "c2 | 2024-03-02 | 2 | 60"), said=r"\bamt\b"),
        Refused(r"\bamt\b.*(twice|two|duplicate|more than once?|several)"),
    ],
    "05_pq_binary_ids": [Staged(parquet_rows("Zoë-1", "c2", "c3"))],
    "05_pq_dict_large": [Staged([row("a", "2024-03-31 22:30", "1", "5.1235"), *parquet_rows("a", "b", "a")[1:]])],
    "05_pq_list_ids": [Refused(r"(?i)client|customer_id")],
    "05_pq_struct_amt": [Refused(r"(?i)amt|amount")],
    "05_pq_ts_ns": [Staged(parquet_rows("a", "b", "c"))],
    "05_pq_ts_ns_tz": [Staged(parquet_rows("a", "b", "c", "2024-04-01 00:30"))],
    "05_pq_ts_tz": [Staged(parquet_rows("a", "b", "c", "2024-04-01 00:30"))],
    "05_pq_uint64": [Staged(parquet_rows("18446744073709551615", "2", "3"))],
    "06_quote_inside": [Staged(EIGHT[:4]), Staged(EIGHT[1:4], {"unreadable": 1})],
    "06_quote_sniff": [Staged(EIGHT[:6])],
    "07_sqlite_onecol_semicolons": [Staged(rows(*(f"a;b;c;{n} | 2024-03-01 | x;y;{n}" for n in range(9))))],
    # The sheet 2024 is said, or read, or asked for.
    "08_xlsx_sheets_per_year": [
        Staged(rows("c1 | 2023-03-01 | 1"), said="2024"),
        Staged(rows("c1 | 2023-03-01 | 1", "c2 | 2024-03-01 | 2")),
        Refused(r"sheet.*2024|2024.*sheet"),
    ],
    # One row in six is more than a file may hold unread: then the total is found, and refused with the line to write.
    "08_xlsx_total_row": [
        Staged(rows(*(f"c{n} | 2024-03-0{n} 12:00 | {n}" for n in range(1, 6))), {"occurred_at is missing|unreadable": 1}),
        Refused(r'stop = "Total"'),
    ],
    # One amount is a formula without a value, one is TRUE; the empty row is no row, so that four are read.
    "08_xlsx_types": [
        Staged(rows("00017 | 2024-03-01 10:00 | 1 | 5.5", "100000 | 2024-03-03 | 3 | 7"), {"amount": 2}),
        Staged(rows("00017 | 2024-03-01 10:00 | 1 | 5.5", "100000 | 2024-03-03 | 3 | 7", "100000 | 2024-03-04 | 5 | 1"), {"amount": 1}),
        Refused(r"of 4 rows.*amount|amount.*of 4 rows"),
    ],
    "09_ragged_long": [Staged([line for line in EIGHT if line[2] != "4"], {"unreadable": 1})],
    "09_ragged_short": [Staged(EIGHT), Staged(EIGHT[1::2], {"unreadable": 4}), Refused(r"(?i)4 of 8|unreadable|cells|columns")],
    "10_bom_semicolon": [
        Staged(rows("c1 | 2024-03-01 | 1 | 12.5", "c2 | 2024-03-02 | 2 | 1250", "c3 | 2024-03-02 | 2 | 7")),
        Staged(rows("c3 | 2024-03-02 | 2 | 7"), {"amount is not a number": 2}),
        Refused(r"amount.*(12,50|1\.250,00)"),
    ],
    "10_thousands": [
        Staged([row(f"c{n}", f"2024-03-0{n}", str(n), "99.5" if n < 8 else "1250") for n in range(1, 10)]),
        Staged([row(f"c{n}", f"2024-03-0{n}", str(n), "99.5") for n in range(1, 8)], {"amount is not a number": 2}),
        Refused(r"amount.*1,250\.00"),
    ],
    "10_utf16": [Refused(r"(?i)utf-?16")],
    "10_utf16_declared": [Staged(rows("c1 | 2024-03-01 | 1", "c2 | 2024-03-01 | 1"))],
    "11_epoch_ms": [
        Staged(rows("c1 | 2024-04-01 00:30 | 1", "c2 | 2024-04-01 00:31:40 | 2")),
        Refused(r"(?is)(epoch|millisecond).*occurred_at = |occurred_at = .*(epoch|millisecond)"),
    ],
    "12_odd_ids": [Staged(odd_ids(nul, line_break)) for nul, line_break in product(("\0", "", " "), ("\n", "", " "))],
    # 0001-01-01 is an impossible past too. Four of ten rows are more than a file may hold unread, so it may be refused.
    "12_open_end": [
        Staged(
            rows("c1 | 2024-03-01 | 1", "c2 | 1969-12-31 | 3", *(f"c{n} | 2024-03-05 | 7" for n in range(6, 10))),
            {"not a date": 2, "": 2},
        ),
        Refused(r"(?s)(?=.*occurred_at)(0000-00-00|2024-02-30|9999-12-31|0001-01-01)"),
    ],
    "13_gz": [Staged(rows("00017 | 2024-03-01 | 1", "00018 | 2024-03-02 | 2", "1E5 | 2024-03-03 | 3", "100000 | 2024-03-04 | 4"))],
    "14_placeholder_dates": [Staged(PLACEHOLDERS_LEFT, {"": 6}), Refused(r"0001-01-01|1753|1899|1900-01-01|19(70-01-01|69-12-31)")],
    "15_long_text_300kB": LONG_TEXT,
    "15_long_text_60kB": LONG_TEXT,
    "15_wide": [Staged(FIVE)],
    "17_no_bad_quote_30pct_quoted": [Staged(THREE_THOUSAND)],
    "17_one_bad_quote_70pct_quoted": [WITHOUT_ONE, Staged(THREE_THOUSAND)],
    "17_unclosed_among_quoted_3000": [WITHOUT_ONE],
    "17_unescaped_quote_3000": [WITHOUT_ONE, Staged(THREE_THOUSAND)],
    "17_unescaped_quote_3000_delimiter": [WITHOUT_ONE],
    # .00004 is never 0; .00005 may be kept as .0001 where that is said.
    "18_small_amounts": [
        Refused(r"amount.*0\.0000[45]"),
        Staged([], {"amount": 6}),
        Staged(rows("c2 | 2024-03-01 | 9 | 0.0001"), {"amount": 5}, said="amount"),
        Staged(rows(*(f"c1 | 2024-03-01 | {n} | 0.00004" for n in range(1, 6)), "c2 | 2024-03-01 | 9 | 0.00005")),
    ],
    "24_preamble": [Staged(FIVE), Refused(r"(?i)skip = 2|header.*line 3|line 3.*header")],
}  # fmt: skip
ID_COLUMN = {"01_csv_utc_header_word": ("payments", "payment_id")}


@pytest.fixture
def place(tmp_path):
    """Place a case's folder as a source of a workspace of its own."""

    def placed(name: str) -> Workspace:
        if not (CASES / name).is_dir():
            pytest.skip(f"no case: {CASES / name} does not exist (set TENURE_TEST_DATA)")
        workspace = Workspace(tmp_path)
        shutil.copytree(CASES / name, workspace.raw(name))
        return workspace

    return placed


def agrees(outcome: Outcome, expected: Staged | Refused, rules: dict[str, int]) -> bool:
    if isinstance(expected, Refused):
        return bool(re.search(expected.words, outcome.refusal, re.DOTALL))
    if outcome.rows is None or Counter(outcome.rows) != Counter(expected.rows):
        return False
    left = Counter(rules)
    for pattern, count in expected.rejected.items():
        matching = [rule for rule in left if re.search(pattern, rule)]
        if sum(left.pop(rule) for rule in matching) != count:
            return False
    return not left and bool(re.search(expected.said, outcome.said))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_case_ends_as_its_expectation_allows(name, place):
    workspace = place(name)
    started = time.monotonic()
    table, id_column = ID_COLUMN.get(name, ("order_lines", "order_id"))
    outcome = outcome_of(workspace, name, table, id_column)
    seconds = time.monotonic() - started
    found = (
        outcome.crash
        or outcome.refusal
        or f"{(outcome.rows or [])[:12]}, rejected {outcome.rules}, said {outcome.said!r}"
    )
    assert any(agrees(outcome, expected, outcome.rules) for expected in EXPECTED[name]), (
        f"{(CASES / name / 'expect.txt').read_text().strip()}\nFound: {found}"
    )
    assert seconds < SECONDS


@pytest.mark.parametrize("name", ["03_id_json_dateish", "03_id_json_uuid"])
def test_ids_of_two_files_meet(name, place):
    workspace = place(name)
    staged = stage_source(workspace, read_source(workspace, name))
    ids = [set(pq.read_table(staged.path(table))["customer_id"].to_pylist()) for table in ("customers", "order_lines")]
    assert ids[0] == ids[1] and len(ids[0]) == staged.tables["customers"].staged


def test_payments_across_both_changes_of_the_clock_are_counted_on_the_days_of_new_york(place):
    workspace = place("20_dst_refunds")
    with open(CASES / "20_dst_refunds" / "payments_raw.csv", newline="") as file:
        delivered = {
            line["pid"]: line for line in csv.DictReader(file)
        }  # the sixty repeated lines are equal to the first
    there = ZoneInfo("America/New_York")
    truth = {
        pid: (line["cust"], datetime.fromisoformat(line["created"]).astimezone(there).replace(tzinfo=None), Decimal(line["amt"]), line["state"])
        for pid, line in delivered.items()
    }  # fmt: skip
    staged = stage_source(workspace, read_source(workspace, "20_dst_refunds"))
    summary = staged.tables["payments"]
    assert (summary.read, summary.staged, summary.rejected, summary.unreadable) == (3_060, 3_000, 60, 0)
    assert [(count, "payment_id" in rule) for rule, count in summary.rules.items()] == [(60, True)]
    table = pq.read_table(staged.path("payments")).to_pylist()
    assert {
        line["payment_id"]: (line["customer_id"], line["occurred_at"], line["amount"], line["status"]) for line in table
    } == truth
    by_day = Counter(at.date() for _, at, _, _ in truth.values())
    assert Counter(line["occurred_at"].date() for line in table) == by_day
    assert {day for day in by_day if str(day) in ("2024-02-29", "2024-03-10", "2024-11-03")}, (
        "the days that matter are there"
    )
    assert net_of(line["amount"] if line["status"] == "succeeded" else -line["amount"] for line in table if line["status"] != "failed") == net_of(
        amount if state == "succeeded" else -amount for _, _, amount, state in truth.values() if state != "failed"
    )  # fmt: skip


def net_of(amounts) -> Decimal:
    return sum(amounts, Decimal(0))


def test_a_source_with_payments_alone_is_refused_with_one_message_about_its_targets(place):
    workspace = place("21_payments_only")
    ended = subprocess.run(
        [sys.executable, "-m", "tenure", "run", "21_payments_only", "--workspace", str(workspace.root)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    said = ended.stdout + ended.stderr
    assert ended.returncode in (1, 2)
    assert not re.search(r"Parser|Traceback|syntax error", said), said
    assert len([line for line in said.splitlines() if line.startswith("tenure: ")]) == 1, said
    assert "target" in said and ("order_lines" in said or "subscription_events" in said), said


def test_no_case_is_left_out():
    if not CASES.is_dir():
        pytest.skip(f"no cases: {CASES} does not exist (set TENURE_TEST_DATA)")
    present = {folder.name for folder in CASES.iterdir() if (folder / "expect.txt").is_file()}
    assert present - LATER - {"20_dst_refunds", "21_payments_only"} == set(EXPECTED)


# --- the comparison's own teeth ---

SAID = Outcome(rows=rows("a | 2024-01-01 | 1"), said="sheet 2024 is not read")


@pytest.mark.parametrize(
    ("outcome", "expected", "rules", "agree"),
    [
        (SAID, Staged(rows("a | 2024-01-01 | 1")), {}, True),
        (SAID, Staged(rows("a | 2024-01-01 | 1"), said="2024"), {}, True),
        (SAID, Staged(rows("a | 2024-01-01 | 1"), said="2023"), {}, False),
        (SAID, Staged(rows("A | 2024-01-01 | 1")), {}, False),
        (SAID, Staged(rows("a | 2024-01-02 | 1")), {}, False),
        (SAID, Staged(rows("a | 2024-01-01 | 1 | 50")), {}, False),
        (SAID, Staged(rows("a | 2024-01-01 | 1", "a | 2024-01-01 | 1")), {}, False),
        (SAID, Staged(rows("a | 2024-01-01 | 1")), {"no customer": 1}, False),  # more is rejected than expected
        (SAID, Staged(rows("a | 2024-01-01 | 1"), {"customer": 1}), {"no customer": 1}, True),
        (SAID, Staged(rows("a | 2024-01-01 | 1"), {"customer": 2}), {"no customer": 1}, False),
        (SAID, Staged(rows("a | 2024-01-01 | 1"), {"customer": 1}), {}, False),
        (SAID, Refused("rows"), {}, False),  # silence is no refusal
        (Outcome(refusal="skip = 2"), Refused("skip = 2"), {}, True),
        (Outcome(refusal="skip = 3"), Refused("skip = 2"), {}, False),
        (Outcome(refusal="skip = 2"), Staged([]), {}, False),
        (Outcome(crash="skip = 2"), Refused("skip = 2"), {}, False),
    ],
)
def test_only_the_expected_outcome_agrees(outcome, expected, rules, agree):
    assert agrees(outcome, expected, rules) is agree
