"""Raw rows to staged facts: nothing is lost, and what is refused is told in one message."""

import json
import re
from datetime import date

import duckdb
import pytest

from tables import read, staged, write_csv
from tenure.core.errors import AsOfError, DataContractError, DefinitionError, UnknownNameError
from tenure.core.workspace import Workspace
from tenure.features.catalogue import source_views
from tenure.sources.ingest import stage_source
from tenure.sources.source import parse_source, read_source
from tenure.sources.staged_source import check_as_of

MAPPING = """
[order_lines]
from = "orders.csv"
customer_id = "client"
occurred_at = "day"
order_id = "no"
quantity = "qty"
amount = "qty * price"
"""


def shop(root, header, *rows, toml=MAPPING):
    workspace = Workspace(root)
    write_csv(workspace.raw("shop") / "orders.csv", header, *rows)
    (workspace.raw("shop") / "source.toml").write_text(toml, encoding="utf-8")
    return stage_source(workspace, read_source(workspace, "shop"))


def test_columns_are_mapped_and_ids_keep_their_leading_zeros(tmp_path):
    result = shop(tmp_path, "client day no qty price", "0007 2024-01-05 1 2 3.50", "0008 2024-01-06 2 1 1.25")
    rows = read(
        result.path("order_lines"), "customer_id, occurred_at::VARCHAR, order_id, quantity::DOUBLE, amount::DOUBLE"
    )
    assert rows == [("0007", "2024-01-05 00:00:00", "1", 2.0, 7.0), ("0008", "2024-01-06 00:00:00", "2", 1.0, 1.25)]


def test_rejected_rows_keep_their_raw_content_and_the_rule_they_broke(tmp_path):
    result = shop(
        tmp_path, "client day no qty price", "ana 2024-01-05 1 2 3", "- 2024-01-06 2 1 1", "bo someday 3 1 1", "cy 2999-01-01 4 1 1",
        "di 2024-01-09 5 1 1",
    )  # fmt: skip
    table = result.tables["order_lines"]
    assert (table.read, table.staged, table.rejected) == (5, 2, 3)
    kept = duckdb.sql(f"SELECT rule, raw FROM '{result.rejected_path('order_lines')}' ORDER BY raw_row").fetchall()
    assert [rule for rule, _ in kept] == [
        "no customer",
        "occurred_at is not a date",
        "occurred_at is after the ingest clock",
    ]
    assert json.loads(kept[1][1])["client"] == "bo"


def test_a_row_whose_known_at_cannot_be_read_is_rejected_not_taken_for_known_at_once(tmp_path):
    """Taken for known on the day it happened, it would reach features of cutoffs at which nobody knew it."""
    rows = ("ana 2024-01-05 1 2 3 2024-01-09", "bo 2024-01-05 2 1 1 soon", "cy 2024-01-05 3 1 1 -")
    result = shop(tmp_path, "client day no qty price told", *rows, toml=MAPPING + 'known_at = "told"\n')
    assert result.tables["order_lines"].rules == {"known_at is not a date": 1}
    known = read(result.path("order_lines"), "customer_id, known_at::DATE::VARCHAR")
    assert known == [("ana", "2024-01-09"), ("cy", "2024-01-05")]


def test_a_fact_is_never_known_before_it_happened(tmp_path):
    rows = ("ana 2024-01-05 1 2 3 2024-01-01", "bo 2024-01-05 2 1 1 2024-01-09")
    result = shop(tmp_path, "client day no qty price told", *rows, toml=MAPPING + 'known_at = "told"\n')
    assert read(result.path("order_lines"), "known_at::DATE::VARCHAR") == [("2024-01-05",), ("2024-01-09",)]


def test_extra_columns_stand_in_the_order_of_the_mapping(tmp_path):
    """An order that changes from process to process would change the bytes of every file made of them."""
    names = ("zone", "desk", "till", "mood", "weather", "music", "lamp")
    extra = "extra = { " + ", ".join(f'{name} = "qty"' for name in names) + " }\n"
    result = shop(tmp_path, "client day no qty price", "ana 2024-01-05 1 2 3", toml=MAPPING + extra)
    assert result.tables["order_lines"].columns[-len(names) :] == names


def test_a_source_without_any_dated_fact_says_so_in_one_message(tmp_path):
    result = staged(tmp_path, customers=("customer_id age", "ana 30", "bo 41"))
    with pytest.raises(DataContractError, match=r"no staged fact has a date. Found customers \(2 rows\). Expected"):
        check_as_of(result, None)


def test_unreadable_lines_are_counted_and_kept(tmp_path):
    workspace = Workspace(tmp_path)
    path = workspace.raw("shop") / "orders.csv"
    path.parent.mkdir(parents=True)
    lines = [f"c{n},2024-01-{1 + n % 28:02d},{n},1,1.5" for n in range(40)]
    path.write_text(
        "client,day,no,qty,price\n" + "\n".join([*lines[:20], "x,2024-01-01,1,1,1.5,too,many", *lines[20:]]) + "\n"
    )
    (path.parent / "source.toml").write_text(MAPPING)
    table = stage_source(workspace, read_source(workspace, "shop")).tables["order_lines"]
    assert (table.read + table.unreadable, table.staged, table.unreadable) == (41, 40, 1)


def test_a_declared_key_rejects_repeats_and_without_one_identical_lines_stay(tmp_path):
    rows = ("ana 2024-01-05 1 2 3", "ana 2024-01-05 1 2 3", "bo 2024-01-05 2 2 3")
    plain = shop(tmp_path / "a", "client day no qty price", *rows).tables["order_lines"]
    assert plain.staged == 3 and list(plain.warnings.values()) == [1]
    keyed = shop(tmp_path / "b", "client day no qty price", *rows, toml=MAPPING + 'key = ["order_id"]\n').tables[
        "order_lines"
    ]
    assert keyed.staged == 2 and keyed.rules == {"duplicate of key order_id": 1}


def test_dates_in_two_formats_are_refused_not_half_rejected(tmp_path):
    with pytest.raises(DataContractError, match=r"dates in two formats.*2 rows look like '13/02/2024'"):
        shop(
            tmp_path,
            "client day no qty price",
            "ana 2024-01-05 1 2 3",
            "bo 13/02/2024 2 1 1",
            "bo 14/02/2024 2 1 1",
            "cy 2024-01-07 3 1 1",
        )


def test_times_become_the_business_local_time(tmp_path):
    toml = 'timezone = "America/New_York"\nraw_timezone = "UTC"\n' + MAPPING
    result = shop(
        tmp_path, "client day no qty price", "ana 2024-07-01T03:30:00 1 2 3", "bo 2024-12-01T04:30:00 1 2 3", toml=toml
    )
    assert [str(row[0]) for row in read(result.path("order_lines"), "occurred_at")] == [
        "2024-06-30 23:30:00",
        "2024-11-30 23:30:00",
    ]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("name = ", "not valid TOML"),
        ("curency = 'EUR'", "Did you mean 'currency'"),
        ("timezone = 'Europe/Berln'", "Time zone 'Europe/Berln'"),
        (
            "[order_lines]\nfrom = 'orders.csv'\ncustomer_id = 'client'",
            "no expression for occurred_at, order_id, amount",
        ),
        ("[order_lines]\ncustomer_id = 'client'", "either from"),
        ("cutoff_grid = 'day'", "expected 'month' or 'week'"),
        (MAPPING + '[raw."order.csv"]\nknown_at = "day"', "File 'order.csv' is not defined.*Did you mean 'orders.csv'"),
    ],
)
def test_a_faulty_toml_is_told_with_what_was_expected(toml, words):
    with pytest.raises(DefinitionError, match=words):
        parse_source(toml, name="shop", where="source.toml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("qty * price", "qty * prize"), "'prize' is not defined.*Did you mean 'price'"),
        (("orders.csv", "order.csv"), "order.csv is missing.*Present: orders.csv"),
        (("orders.csv", "../../../etc/passwd"), "lies outside"),
        (
            ('"qty * price"', "\"(SELECT count(*) FROM read_csv('/etc/passwd'))\""),
            "mapping does not fit|Permission|cannot be read",
        ),
        (('"qty * price"', '"1); DROP TABLE x; --"'), "not readable SQL|nothing else"),
        (('"client"', '"NULL"'), "would be rejected, most .* no customer"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told_in_one_message(tmp_path, change, words):
    with pytest.raises(DataContractError, match=words):
        shop(tmp_path, "client day no qty price", "ana 2024-01-05 1 2 3", toml=MAPPING.replace(*change))
    assert not Workspace(tmp_path).staged("shop").exists()


def test_a_word_in_a_column_of_numbers_is_told_with_what_to_write(tmp_path):
    rows = ("client day no qty price", "ana 2024-01-05 1 2 3", "ana 2024-01-06 2 many 3", "bo 2024-01-07 3 1 3")
    with pytest.raises(DataContractError, match=r"qty is text, for it holds 'many'.*write TRY_CAST\(qty AS DOUBLE\)"):
        shop(tmp_path, *rows, toml=MAPPING)
    result = shop(tmp_path, *rows, toml=MAPPING.replace("qty * price", "TRY_CAST(qty AS DOUBLE) * price"))
    assert [row[0] for row in read(result.path("order_lines"), "order_id")] == ["1", "3"]


def test_a_column_named_like_a_keyword_or_an_attack_is_only_a_column(tmp_path):
    workspace = Workspace(tmp_path)
    path = workspace.raw("shop") / "orders.csv"
    path.parent.mkdir(parents=True)
    path.write_text('order,"\'; drop table x",group\n1,ana,2024-01-05\n2,bo,2024-01-06\n')
    (path.parent / "source.toml").write_text(
        "[order_lines]\nfrom = 'orders.csv'\ncustomer_id = \"'; drop table x\"\noccurred_at = 'group'\norder_id = 'order'\namount = '1'\n"
    )
    result = stage_source(workspace, read_source(workspace, "shop"))
    assert read(result.path("order_lines"), "customer_id, order_id") == [("ana", "1"), ("bo", "2")]


def test_an_empty_table_is_told(tmp_path):
    with pytest.raises(DataContractError, match=r"orders.csv holds no rows|cannot be read"):
        shop(tmp_path, "client day no qty price")


def test_ids_that_never_meet_are_refused(tmp_path):
    orders = tuple(f"{n} 2024-01-05 o{n} 1" for n in range(20))
    people = tuple(f"C-{n} 2024-01-01 north" for n in range(20))
    with pytest.raises(DataContractError, match="none of its 20 customers appears in another table"):
        staged(
            tmp_path,
            order_lines=("customer_id occurred_at order_id amount", *orders),
            customers=("customer_id occurred_at region", *people),
        )


def test_an_unknown_source_names_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'online_retail'"):
        read_source(Workspace(tmp_path), "online_retial")


def test_an_as_of_far_after_the_last_fact_is_refused(tmp_path):
    result = shop(tmp_path, "client day no qty price", "ana 2024-01-05 1 2 3", "bo 2024-03-01 1 2 3")
    assert str(check_as_of(result, None)) == "2024-03-02"
    with pytest.raises(AsOfError, match="every customer would look silent") as raised:
        check_as_of(result, date(2025, 1, 1))
    assert raised.value.exit_code == 2


def test_unchanged_raw_files_are_not_staged_again(tmp_path):
    rows = ("client day no qty price", "ana 2024-01-05 1 2 3")
    assert not shop(tmp_path, *rows).reused
    assert shop(tmp_path, *rows).reused
    assert not shop(tmp_path, *rows, "bo 2024-01-06 1 2 3").reused


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("order_lines = 1", r"order_lines is 1: expected a table, as in \[order_lines\]"),
        ("raw = 'orders.csv'", "expected a table, as in .raw"),
        ("[order_lines]\nextra = 'gift'", "extra is 'gift': expected a table"),
        ("[customers]\nconsent = true", "consent is True: expected a table"),
        ("[order_lines]\nfrom = [1]", "from is .1.: expected a text, or a list of texts"),
        ("[order_lines]\nquery = 1", "query is 1: expected one SELECT"),
        ("[order_lines]\nkey = 7", "key is 7: expected a text"),
        (
            "[order_lines]\nmax_rejected_share = 'all'",
            "max_rejected_share is 'all': expected a number from 0 to less than 1",
        ),
    ],
)
def test_a_setting_of_another_kind_is_told_not_stumbled_over(line, words):
    with pytest.raises(DefinitionError, match=words):
        parse_source(line, name="shop", where="here")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("table = 1e400", "table is inf, expected a text"),
        ("expression = [1]", "expression is .1., expected a text"),
        ("windows_days = ['30']", "windows_days is .'30'., expected a list of days"),
        ("when_no_rows = []", "when_no_rows is .., expected a number or a text"),
    ],
)
def test_a_feature_of_another_kind_is_told_not_stumbled_over(line, words):
    entry = {
        "table": "'usage'",
        "name": "'n'",
        "expression": "'count(*)'",
        "windows_days": "[30]",
        "unit": "'uses'",
        "meaning": "'Uses.'",
    }
    key, _, value = line.partition(" = ")
    text = "\n".join(f"{name} = {given}" for name, given in (entry | {key: value}).items())
    source = parse_source(f"[[features]]\n{text}\n", name="shop", where="here")
    with pytest.raises(DefinitionError, match=words):
        source_views(source, {"usage": ("metric", "quantity")})


def test_amounts_of_three_decimals_are_asked_about_and_cents_are_not(tmp_path):
    header = "client day no qty price"
    thousands = [f"c{n} 2024-01-0{n} {n} 1 1.25{n}" for n in range(1, 9)]
    cents = [f"c{n} 2024-01-0{n} {n} 1 1.2{n}" for n in range(1, 9)]
    asked = "amount with three decimals: does its point part thousands, as in 1.250 for 1250?"
    assert asked in shop(tmp_path / "a", header, *thousands).tables["order_lines"].warnings
    assert asked not in shop(tmp_path / "b", header, *cents).tables["order_lines"].warnings


def test_numbers_in_two_forms_are_refused_with_an_expression_that_reads_both(tmp_path):
    rows = [f"c{n} 2024-01-0{n} {n} 1 {n}.5" for n in range(1, 8)]
    with pytest.raises(DataContractError, match="numbers in two forms: 1 are numbers with a comma") as told:
        shop(tmp_path / "a", "client day no qty price", *rows, 'c8 2024-01-08 8 1 "138,23"',
             toml=MAPPING.replace("qty * price", "price"))  # fmt: skip
    (line,) = re.findall(r'read both: (amount = ".*")', str(told.value))
    mended = MAPPING.replace('amount = "qty * price"', line)
    result = shop(tmp_path / "b", "client day no qty price", *rows, 'c8 2024-01-08 8 1 "138,23"', toml=mended)
    assert [str(row[0]) for row in read(result.path("order_lines"), "amount")][-2:] == ["7.5000", "138.2300"]
