"""The judge's own teeth, and the generator against libraries that Tenure does not read with."""

import csv
import io
import json
import tomllib
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from python_calamine import CalamineWorkbook

from door import judge as judging
from door.generate import MAKERS, TURNS, draw_case, kind_of
from door.judge import Offer, Outcome, judge, offered_lines, to_toml, verdict, with_lines
from door.kinds_dates import iso_forms
from door.kinds_ids import ids_as_text
from door.kinds_numbers import plain_numbers
from door.rows import ZONES, Case, Row, draw_rows, instant_of
from door.writing import mapping_of

ROWS = [
    Row("00017", datetime(2024, 3, 1, 8, 30), "1", Decimal("5.00")),
    Row("17", datetime(2024, 3, 2), "2", Decimal("1250.50")),
    Row("Zoë", datetime(2024, 3, 3), "3", Decimal("-7.25"), "either"),
    Row("c4", datetime(2024, 3, 4), "4", Decimal("9.99"), "told"),
]
CASE = Case("kind", "name", {"orders.csv": b""}, mapping_of("orders.csv", ("client", "at", "no", "amt")), ROWS)
SOUND = [row.facts for row in ROWS[:2]]
EITHER, TOLD = ROWS[2].facts, ROWS[3].facts


def outcome(rows, counted=0, said=""):
    return Outcome(rows=rows, counted=counted, said=said)


def test_all_rows_that_can_be_staged_are_right():
    assert verdict(CASE, outcome([*SOUND, EITHER], counted=1)).word == "right"


def test_an_amount_is_compared_by_value_not_by_its_zeros():
    rows = [(customer, at, order, amount + Decimal("0.0000")) for customer, at, order, amount in [*SOUND, EITHER]]
    assert verdict(CASE, outcome(rows, counted=1)).word == "right"


def test_a_damaged_row_that_is_counted_is_told():
    assert verdict(CASE, outcome(SOUND, counted=2)).word == "told"


@pytest.mark.parametrize(
    "wrong",
    [
        ("17", datetime(2024, 3, 1, 8, 30), "1", Decimal(5)),  # the id lost its zeros
        ("00017", datetime(2024, 1, 3, 8, 30), "1", Decimal(5)),  # day and month
        ("00017", datetime(2024, 3, 1, 9, 30), "1", Decimal(5)),  # another zone
        ("00017", datetime(2024, 3, 1, 8, 30), "01", Decimal(5)),
        ("00017", datetime(2024, 3, 1, 8, 30), "1", Decimal(500)),
        ("00017", datetime(2024, 3, 1, 8, 30), "1", None),
        (None, datetime(2024, 3, 1, 8, 30), "1", Decimal(5)),
    ],
)
def test_a_staged_row_that_is_not_the_truth_is_misread_however_much_is_counted(wrong):
    assert verdict(CASE, outcome([wrong, SOUND[1], EITHER], counted=4)).word == "MISREAD"


def test_a_row_missing_without_being_counted_is_misread():
    assert verdict(CASE, outcome(SOUND, counted=1)).word == "MISREAD"
    assert verdict(CASE, outcome([SOUND[0], EITHER], counted=1)).word == "MISREAD"
    assert verdict(CASE, outcome([], counted=0)).word == "MISREAD"


def test_a_row_staged_twice_is_misread():
    assert verdict(CASE, outcome([*SOUND, SOUND[0], EITHER], counted=1)).word == "MISREAD"


def test_a_row_that_says_nothing_true_is_misread_where_it_is_staged():
    assert verdict(CASE, outcome([*SOUND, EITHER, TOLD], counted=0)).word == "MISREAD"


def test_a_readable_row_that_is_rejected_is_lost_even_if_counted():
    assert verdict(CASE, outcome([SOUND[0], EITHER], counted=2)).word == "LOST"


def test_more_unreadable_rows_than_any_file_may_hold_are_lost_unless_refused():
    case = replace(CASE, must_refuse=True)
    assert verdict(case, outcome([*SOUND, EITHER], counted=1)).word == "LOST"
    assert verdict(case, Outcome(refusal="4 of 10 rows")).word == "told"


def test_refusing_everything_fails_on_honest_files():
    assert verdict(CASE, Outcome(refusal="no")).word == "told"
    assert verdict(replace(CASE, honest=True), Outcome(refusal="no")).word == "REFUSED"


def test_a_trace_is_never_a_refusal():
    assert verdict(CASE, Outcome(crash="duckdb.ParserException")).word == "CRASH"


def test_one_of_two_readings_is_a_guess_even_where_it_is_the_right_one():
    assert verdict(replace(CASE, undecidable=True), outcome([*SOUND, EITHER], counted=1)).word == "GUESSED"


def test_what_must_be_said_is_missed_where_nothing_says_it():
    case = replace(CASE, must_say="2025")
    assert verdict(case, outcome([*SOUND, EITHER], counted=1)).word == "MISREAD"
    assert verdict(case, outcome([*SOUND, EITHER], counted=1, said="sheet 2025 is not read")).word == "right"


def test_another_truth_is_right_too_but_not_a_mixture_of_both():
    gross = [replace(row, amount=row.amount * 2) for row in ROWS]
    case = replace(CASE, also_right=[gross])
    assert verdict(case, outcome([row.facts for row in gross[:3]], counted=1)).word == "right"
    assert verdict(case, outcome([gross[0].facts, SOUND[1], EITHER], counted=1)).word == "MISREAD"


# --- the line that a refusal offers ---


@pytest.mark.parametrize(
    ("message", "offers"),
    [
        ("Write skip = 2 above.", [Offer("skip", 2)]),
        ('say [raw."orders.csv"] encoding = "cp1252".', [Offer("encoding", "cp1252")]),
        ("occurred_at = \"strptime(at, '%m/%d/%Y')\"", [Offer("occurred_at", "strptime(at, '%m/%d/%Y')")]),
        ("amount = \"replace(\\\"amt\\\", ',', '')\"", [Offer("amount", "replace(\"amt\", ',', '')")]),
        ("stop = \"Total\" or stop = 'Sum'", [Offer("stop", "Total"), Offer("stop", "Sum")]),
        ('your occurred_at = "at" holds no dates', []),  # what stands there already mends nothing
        ("nothing to write", []),
    ],
)
def test_the_lines_to_write_are_taken_from_the_message_verbatim(message, offers):
    assert offered_lines(message, CASE.mapping) == offers


def test_a_line_is_written_where_it_belongs():
    assert with_lines(CASE, [Offer("skip", 2)]).mapping["raw"] == {"orders.csv": {"skip": 2}}
    assert with_lines(CASE, [Offer("amount", "a")]).mapping["order_lines"]["amount"] == "a"
    assert "raw" not in CASE.mapping, "the case itself stays as it was"


def test_a_mapping_is_written_as_toml():
    mapping = mapping_of(["a.csv", "b.csv"], ('"Order Date"', "at", "no", "amt")) | {"raw": {"a.csv": {"skip": 2}}}
    assert tomllib.loads(to_toml(mapping)) == mapping


def staging(monkeypatch, outcome_for):
    monkeypatch.setattr(judging, "stage", lambda case: outcome_for(case.mapping))


GOOD_ROWS = outcome([*SOUND, EITHER], counted=1)
BAD_ROWS = outcome([("x", *SOUND[0][1:]), SOUND[1], EITHER], counted=1)


def test_the_line_of_a_refusal_must_mend_the_file(monkeypatch):
    refusal = Outcome(refusal="skip = 1")
    staging(monkeypatch, lambda mapping: GOOD_ROWS if "raw" in mapping else refusal)
    assert judge(replace(CASE, offers=True)).word == "told"
    staging(monkeypatch, lambda mapping: BAD_ROWS if "raw" in mapping else refusal)
    assert judge(replace(CASE, offers=True)).word == "WRONG LINE"
    staging(monkeypatch, lambda mapping: refusal)
    assert judge(replace(CASE, offers=True)).word == "WRONG LINE", "the same refusal again mends nothing"
    staging(monkeypatch, lambda mapping: Outcome(refusal="no"))
    assert judge(replace(CASE, offers=True)).word == "NO LINE"
    assert judge(CASE).word == "told"


def test_a_second_refusal_may_offer_a_second_line(monkeypatch):
    def outcome_for(mapping):
        if "raw" not in mapping:
            return Outcome(refusal="skip = 1")
        return (
            GOOD_ROWS
            if mapping["order_lines"]["amount"] == "number(amt)"
            else Outcome(refusal='amount = "number(amt)"')
        )

    staging(monkeypatch, outcome_for)
    assert judge(replace(CASE, offers=True)).word == "told"


def test_where_two_readings_are_offered_one_must_be_right_and_alone_it_is_too_few(monkeypatch):
    one, two = 'occurred_at = "a"', 'occurred_at = "a" or occurred_at = "b"'
    case = replace(CASE, offers=True, ambiguous=True, undecidable=True)

    def offering(text):
        return lambda mapping: {"a": GOOD_ROWS, "b": BAD_ROWS}.get(
            mapping["order_lines"]["occurred_at"], Outcome(refusal=text)
        )

    staging(monkeypatch, offering(two))
    assert judge(case).word == "told"
    assert judge(replace(case, ambiguous=False)).word == "WRONG LINE"
    staging(monkeypatch, offering(one))
    assert judge(case).word == "NO LINE"


# --- the generator ---


def test_a_seed_always_gives_the_same_files():
    for seed in range(0, 70, 9):
        first, second = draw_case(seed, 40), draw_case(seed, 40)
        assert (first.files, first.mapping, first.rows) == (second.files, second.mapping, second.rows)


def test_each_kind_has_honest_twins():
    for kind in range(len(MAKERS)):
        cases = [draw_case(seed, 60) for seed in range(len(TURNS)) if kind_of(seed) == kind]
        assert sum(case.honest for case in cases) >= 2, cases[0].kind
        assert len({case.kind for case in cases}) == 1


def test_order_ids_are_unique_so_that_each_row_of_the_truth_is_known_again():
    for seed in range(150):
        orders = [row.order for row in draw_case(seed, 40).rows]
        assert len(set(orders)) == len(orders) > 0


def cells_by_library(file, content):
    """Read a file with Python's csv and json, or with calamine."""
    if file.endswith(".csv"):
        text = content.decode("utf-8-sig")
        dialect = csv.Sniffer().sniff(text.splitlines()[0], ",;\t|")
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=dialect.delimiter))
    if file.endswith(".jsonl"):
        return [json.loads(line) for line in content.decode().split("\n") if line]
    header, *rest = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    return [dict(zip(header, cells, strict=True)) for cells in rest]


@pytest.mark.parametrize("maker", [ids_as_text, iso_forms, plain_numbers])
def test_honest_files_hold_the_truth_as_other_readers_see_it(maker):
    kinds = set()
    for seed in range(30):
        case = maker(Random(seed), 20)
        ((file, content),) = case.files.items()
        columns = [case.mapping["order_lines"][key] for key in ("customer_id", "occurred_at", "order_id", "amount")]
        cells = [[line[column] for column in columns] for line in cells_by_library(file, content)]
        found = [
            (customer, datetime.fromisoformat(at), order, Decimal(amount).normalize())
            for customer, at, order, amount in cells
        ]
        assert found == [row.facts for row in case.rows], (seed, case.name)
        kinds.add(file.rpartition(".")[2])
    assert kinds == {"csv", "jsonl", "xlsx"}


def test_times_of_the_truth_mean_one_instant():

    for zone in ZONES:
        for row in draw_rows(Random(1), 300, zone):
            at = row.at
            assert instant_of(at, zone) - instant_of(at - timedelta(days=1), zone) in (
                timedelta(hours=h) for h in (23, 24, 25)
            )
