"""What a draft makes of small files that can be checked by eye: right, or asked; never a misreading without a word."""

import json
import sqlite3
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import tenure.intake.draft as draft_module
from tenure.cli.main import main
from tenure.core.errors import DataContractError, UsageError
from tenure.core.workspace import Workspace
from tenure.intake.draft import draft_source
from tenure.sources.document import RAW
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

# Readers that type the cells take days for others before a mapping sees them.
reads_texts = pytest.mark.skipif("skip" not in RAW, reason="the readers of this version guess types")

ORDERS = """Order ID,Customer ID,Order Date,SKU,Quantity,Line Total,Status,Total Spent,Updated At
1,C1,2025-01-03,A,1,10.00,completed,99.00,2025-06-01
2,C2,2025-02-04,B,2,20.00,completed,20.00,2025-06-01
3,C1,2025-03-05,A,1,10.00,cancelled,99.00,2025-06-01
4,C3,2025-04-16,B,3,30.00,completed,30.00,2025-06-01
5,C1,2025-05-07,A,7,70.00,completed,99.00,2025-06-01
"""


@pytest.fixture
def draft(tmp_path):
    def of(force=False, **files):
        given = tmp_path / "given"
        given.mkdir(exist_ok=True)
        for name, text in files.items():
            (given / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return draft_source(Workspace(tmp_path), "shop", [str(given)], force=force)

    return of


@pytest.fixture
def facts(tmp_path):
    """Stage what was drafted; the columns asked for of a table's rows, in their order."""

    def of(table, columns):
        workspace = Workspace(tmp_path)
        staged = stage_source(workspace, read_source(workspace, "shop"), clock=datetime(2026, 1, 1, tzinfo=UTC))
        asked = f"SELECT {columns} FROM read_parquet('{staged.path(table)}') ORDER BY ALL"
        return duckdb.connect().execute(asked).fetchall()

    return of


def test_a_file_of_orders_becomes_order_lines_without_the_cancelled_one(draft, facts):
    draft(orders__csv=ORDERS)
    found = facts(
        "order_lines", "customer_id, occurred_at::DATE::VARCHAR, order_id, product_id, quantity::INT, amount::INT"
    )
    assert found == [
        ("C1", "2025-01-03", "1", "A", 1, 10),
        ("C1", "2025-05-07", "5", "A", 7, 70),
        ("C2", "2025-02-04", "2", "B", 2, 20),
        ("C3", "2025-04-16", "4", "B", 3, 30),
    ]


def test_what_was_known_only_later_is_no_column_of_a_fact_and_is_listed_with_the_reason(draft):
    text = draft(orders__csv=ORDERS).text
    assert "Total Spent" not in str(tomllib.loads(text)) and "Updated At" not in str(tomllib.loads(text))
    assert "#   known only later, or the state at the export: Total Spent, Updated At" in text


def test_dates_that_fit_two_orders_of_day_and_month_are_asked_with_both_readings(draft):
    rows = "\n".join(f"{n},C{n % 3},0{n}/0{n + 1}/2025,A,1,5.00" for n in range(1, 8))
    text = draft(orders__csv=f"Order ID,Customer ID,Order Date,SKU,Quantity,Line Total\n{rows}\n").text
    (check,) = [line for line in text.splitlines() if line.startswith("# CHECK: ") and "Order Date" in line]
    assert "'01/02/2025' is %d/%m/%Y (2025-02-01) or %m/%d/%Y (2025-01-02)" in check
    assert text.splitlines()[text.splitlines().index(check) + 1].startswith("occurred_at = ")


@reads_texts
def test_dates_that_fit_one_order_only_are_not_asked(draft, facts):
    rows = "\n".join(f"{n},C{n % 3},0{n}/2{n}/2025,A,1,5.00" for n in range(1, 8))
    text = draft(orders__csv=f"Order ID,Customer ID,Order Date,SKU,Quantity,Line Total\n{rows}\n").text
    assert "fit both" not in text
    assert facts("order_lines", "occurred_at::DATE::VARCHAR")[0] == ("2025-01-21",)


@reads_texts
def test_a_german_export_with_decimal_commas_is_read_as_it_is_meant(draft, facts):
    draft(
        auftrag__csv="Bestellnummer;Kundennummer;Bestelldatum;Artikelnummer;Menge;Netto\n"
        "A1;00017;03.01.2025;0010420;1;1.249,90\nA2;00018;14.01.2025;0010421;2;57,60\nA3;00017;28.02.2025;0010421;1;28,80\n"
    )
    found = facts("order_lines", "customer_id, product_id, amount::VARCHAR, quantity::INT")
    assert found == [
        ("00017", "0010420", "1249.9000", 1),
        ("00017", "0010421", "28.8000", 1),
        ("00018", "0010421", "57.6000", 2),
    ]


def test_an_id_that_stands_for_all_guests_is_not_the_customer_and_is_asked(draft, facts):
    text = draft(
        orders__csv="order_id,customer_id,billing_email,order_date,order_total,shipping\n"
        "1,11,A@x.org,2025-01-01,10.00,1\n2,0,b@x.org,2025-01-02,11.00,1\n3,0,c@x.org,2025-02-01,12.00,1\n"
        "4,12,d@x.org,2025-02-02,13.00,1\n5,13,a@x.org,2025-03-03,14.00,1\n"
    ).text
    assert [row[0] for row in facts("order_lines", "DISTINCT customer_id")] == [
        "a@x.org",
        "b@x.org",
        "c@x.org",
        "d@x.org",
    ]
    assert "'0' stands for all guests" in text


def test_a_refund_in_the_row_of_its_payment_is_a_second_row_dated_when_it_was_given(draft, facts):
    draft(
        payments__csv="id,Customer ID,Created date (UTC),Amount,Fee,Status,Amount Refunded,Refunded date (UTC)\n"
        "ch_1,C1,2025-01-03 10:00:00,10.50,0.3,Paid,0.00,\nch_2,C2,2025-01-04 10:00:00,20.25,0.3,Refunded,20.25,2025-02-01 09:00:00\n"
        "ch_3,C3,2025-01-05 10:00:00,30.75,0.3,Failed,0.00,\n"
    )
    assert facts("payments", "payment_id, status, occurred_at::DATE::VARCHAR, amount::VARCHAR") == [
        ("ch_1", "succeeded", "2025-01-03", "10.5000"),
        ("ch_2", "refunded", "2025-02-01", "20.2500"),
        ("ch_2", "succeeded", "2025-01-04", "20.2500"),
        ("ch_3", "failed", "2025-01-05", "30.7500"),
    ]


def test_whole_amounts_that_may_be_cents_are_asked_with_what_follows(draft):
    text = draft(
        payments__csv="payment id,customer id,created,amount,fee,status\np1,C1,2025-01-03,1900,30,paid\np2,C2,2025-01-04,0,30,failed\n"
    ).text
    assert "1900 is 1900.00, or 19.00 (cents)? All values are whole. Drafted as whole units" in text


def test_a_status_that_no_vocabulary_knows_is_named_and_not_guessed(draft):
    text = draft(
        payments__csv="payment id,customer id,created,amount,fee,status\np1,C1,2025-01-03,19.10,30,paid\np2,C2,2025-01-04,4.90,30,zugestellt\n"
    ).text
    assert "# CHECK: status: \"status\" 'zugestellt': no attempt that succeeded or failed" in text


def test_an_end_is_derived_from_paid_periods_and_known_only_after_the_grace(draft, facts):
    draft(
        invoices__csv="id,customer_id,created_at,amount_paid,fee,status,period_start,period_end\n"
        "i1,C1,2025-01-01,9.50,1,paid,2025-01-01,2025-01-31\ni2,C1,2025-01-31,9.50,1,paid,2025-01-31,2025-03-02\n"
        "i3,C2,2025-01-01,9.50,1,paid,2025-01-01,2025-01-31\ni4,C3,2025-06-01,9.50,1,paid,2025-06-01,2025-07-01\n"
    )
    assert facts("subscription_events", "customer_id, occurred_at::DATE::VARCHAR, event, known_at::DATE::VARCHAR") == [
        ("C1", "2025-01-01", "started", "2025-01-01"),
        ("C1", "2025-01-31", "renewed", "2025-01-31"),
        ("C1", "2025-03-02", "ended", "2025-04-01"),
        ("C2", "2025-01-01", "started", "2025-01-01"),
        ("C2", "2025-01-31", "ended", "2025-03-02"),
        ("C3", "2025-06-01", "started", "2025-06-01"),
    ]


def test_a_subscription_a_row_becomes_events_and_a_planned_end_is_none(draft, facts):
    draft(
        subscriptions__csv="Subscription Id,Customer Id,Plan Id,Status,Started At,Cancelled At,Next Billing At\n"
        "s1,C1,gold,Active,2025-01-01,,2025-12-01\ns2,C2,gold,Cancelled,2025-01-02,2025-05-02,\n"
        "s3,C3,gold,Non Renewing,2025-01-03,2026-05-03,\n"
    )
    assert facts("subscription_events", "subscription_id, event, occurred_at::DATE::VARCHAR") == [
        ("s1", "started", "2025-01-01"),
        ("s2", "ended", "2025-05-02"),
        ("s2", "started", "2025-01-02"),
        ("s3", "started", "2025-01-03"),
    ]


def test_a_trackers_nested_events_are_read_once_and_sends_are_no_acts(draft, facts):
    def event(name, who, seconds, number):
        return json.dumps({"event": name, "properties": {"distinct_id": who, "time": seconds, "$insert_id": number}})

    lines = [event("App Open", "u1", 1735689600, "a"), event("App Open", "u1", 1735689600, "a")]
    lines += [event("Email Sent", "u2", 1735776000, "b"), event("Signed Up", "u2", 1735862400, "c")]
    draft(events__jsonl="\n".join([*lines, event("App Open", "u3", 1735862401, "d")]) + "\n")
    acts = [("u1", "visit"), ("u2", "signup"), ("u3", "visit")]
    assert facts("engagement", "customer_id, kind") == acts
    assert facts("contacts", "customer_id, channel") == [("u2", "email")]


def test_items_that_name_no_customer_are_joined_with_their_orders(tmp_path, facts):
    with sqlite3.connect(tmp_path / "shop.sqlite") as database:
        database.execute("CREATE TABLE orders (id TEXT, customer_id TEXT, order_date TEXT, status TEXT)")
        database.execute("CREATE TABLE order_items (order_id TEXT, product_id TEXT, quantity INTEGER, price REAL)")
        orders = [(f"o{n}", f"C{n % 3}", f"2025-0{n}-03", "completed") for n in range(1, 8)]
        database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", orders)
        database.executemany(
            "INSERT INTO order_items VALUES (?, ?, ?, ?)", [(f"o{n}", "A", n % 3 + 2, 1.5) for n in range(1, 8)]
        )
    drafted = draft_source(Workspace(tmp_path), "shop", [str(tmp_path / "shop.sqlite")])
    assert facts("order_lines", "customer_id, order_id, amount::VARCHAR")[0] == ("C0", "o3", "3.0000")
    assert '"price" (as 1.5) is the price of one piece, or of the line?' in drafted.text


def test_a_second_form_of_the_same_rows_is_left_out(draft):
    short = "\n".join(",".join(line.split(",")[:6]) for line in ORDERS.splitlines()) + "\n"
    drafted = draft(orders__csv=ORDERS, orders_short__csv=short)
    assert [file for file, _ in drafted.left_out] == ["orders_short.csv"]
    assert "forms of the same data" in drafted.left_out[0][1]


def test_two_pages_of_one_export_are_read_one_below_the_other(draft, facts):
    second = ORDERS.replace("2025-", "2024-").replace("\n1,", "\n11,").replace("\n2,", "\n12,")
    draft(orders_1__csv=ORDERS, orders_2__csv=second)
    assert facts("order_lines", "count(*)") == [(8,)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own_account__csv", "Auftragskonto;Buchungstag;Valutadatum;Verwendungszweck;Kontonummer;Betrag\n"
         "100;02.01.2025;02.01.2025;Miete;DE1;-700,00\n100;03.01.2025;03.01.2025;Strom;DE2;-70,00\n"),
        ("daily_sales__csv", "Date,Orders,Net Sales\n2025-01-01,12,120.00\n2025-01-02,14,144.50\n"),
        ("plans__csv", "id,code,created_at,interval_unit\np1,gold,2025-01-01,month\np2,basic,2025-01-02,month\n"),
    ],
)  # fmt: skip
def test_files_of_nobodys_customers_draft_nothing_and_say_why(draft, tmp_path, name, text):
    with pytest.raises(
        DataContractError, match="Nothing was drafted: no file holds dated facts of customers"
    ) as refused:
        draft(**{name: text})
    assert name.replace("__", ".") in str(refused.value)
    assert not (tmp_path / "data" / "raw" / "shop").exists()


def test_a_source_that_is_there_is_replaced_only_when_told_so(draft, tmp_path):
    draft(orders__csv=ORDERS)
    written = tmp_path / "data" / "raw" / "shop" / "source.toml"
    written.write_text("# mine\n")
    with pytest.raises(UsageError, match="is there already. Give --force"):
        draft(orders__csv=ORDERS)
    assert written.read_text() == "# mine\n"
    draft(orders__csv=ORDERS, force=True)
    assert "[order_lines]" in written.read_text()


def test_the_command_says_what_is_from_where_and_what_comes_next(tmp_path, monkeypatch, capsys):
    (tmp_path / "orders.csv").write_text(ORDERS)
    monkeypatch.setattr(
        sys, "argv", ["tenure", "draft", "shop", str(tmp_path / "orders.csv"), "--workspace", str(tmp_path)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "order_lines          from orders.csv" in said and "Next: tenure check shop" in said
    assert Path(tmp_path / "data" / "raw" / "shop" / "orders.csv").read_text() == ORDERS


def test_every_question_names_a_reading_and_is_asked_somewhere():
    room = Path(draft_module.__file__).parent
    code = "".join(path.read_text(encoding="utf-8") for path in room.glob("*.py"))
    for name, text in tomllib.loads((room / "questions.toml").read_text(encoding="utf-8")).items():
        assert f'"{name}"' in code
        assert len(text) > 60


@reads_texts
def test_the_status_on_an_orders_first_line_holds_for_its_other_lines(draft, facts):
    draft(
        orders__csv="Order ID,Customer ID,Order Date,SKU,Quantity,Line Total,Order Status\n"
        "1,C1,2025-01-03,A,1,10.00,completed\n1,C1,2025-01-03,B,2,12.00,\n2,C2,2025-01-04,A,1,10.00,voided\n"
        "2,C2,2025-01-04,B,3,15.00,\n3,C3,2025-01-05,A,1,10.00,completed\n"
    )
    assert facts("order_lines", "order_id, product_id") == [("1", "A"), ("1", "B"), ("3", "A")]


def test_a_file_that_cannot_be_read_is_left_out_with_what_its_reader_says(draft, tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "broken.parquet").write_bytes(b"no parquet")
    drafted = draft(orders__csv=ORDERS)
    assert list(drafted.tables) == ["order_lines"]
    assert drafted.left_out[0][0] == "broken.parquet" and "it cannot be read" in drafted.left_out[0][1]


def test_a_line_break_in_a_name_ends_no_comment(draft):
    text = draft(orders__csv=ORDERS.replace("Total Spent", '"Total\nSpent"')).text
    assert "known only later, or the state at the export: Total Spent, Updated At" in text


def test_what_a_channel_reports_of_decisions_becomes_contacts_by_its_own_words_for_them(draft, facts):
    report = "decision_id,customer_id,sent_at,channel,assigned,status\n" + "".join(
        f"d{n},C{n % 3},2025-01-0{n + 1} 09:00:00,email,{who},{status}\n"
        for n, (who, status) in enumerate(
            [("treated", "Delivered"), ("treated", "Hard bounce"), ("control", ""), ("treated", "lost in space")]
        )
    )
    draft(orders__csv=ORDERS, report__csv=report)
    found = facts("contacts", "decision_id, customer_id, channel, assigned, status")
    assert found == [
        ("d0", "C0", "email", "treated", "sent"),
        ("d1", "C1", "email", "treated", "bounced"),
        ("d2", "C2", "email", "control", None),
    ], "a word that is none of ours is rejected, not taken for sent"
