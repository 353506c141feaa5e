"""Checking a source: what a sample of it becomes, who would be asked, and that nothing of a run is touched."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

import tenure
from tables import write_csv
from tenure.core.errors import AsOfError, DataContractError, UsageError
from tenure.core.lock import sole_writer
from tenure.core.workspace import Workspace
from tenure.intake import check_tables

TOML = """
[order_lines]
from = "orders.csv"
customer_id = "client"
occurred_at = "day"
order_id = "no"
amount = "qty * price"
[contacts]
from = "mails.csv"
customer_id = "mail_to"
occurred_at = "sent"
[targets.lapse]
horizon_days = 30
eligible_days = 60
"""
START = date(2024, 1, 1)


@pytest.fixture
def shop(tmp_path):
    """Sixty customers for ten months: c0 to c29 order every 20 days, the others in January alone."""
    workspace = Workspace(tmp_path)
    days = [(n, START + timedelta(days=n % 20 + 20 * k)) for n in range(60) for k in range(15 if n < 30 else 1)]
    orders = [f"c{n} {day} {n}-{day} 2 4.5 red" for n, day in sorted(days, key=lambda one: one[1])]
    write_csv(workspace.raw("shop") / "orders.csv", "client day no qty price colour", *orders, "- 2024-10-01 x 1 1 red")
    mails = [f"c{n} {START + timedelta(days=n)}" for n in range(20)]
    write_csv(workspace.raw("shop") / "mails.csv", "mail_to sent", *mails, "nobody 2024-05-01", "nobody 2024-05-02")
    (workspace.raw("shop") / "source.toml").write_text(TOML)
    return workspace


def checked(workspace, **given):
    return tenure.check("shop", workspace=str(workspace.root), **given)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_raw_rows_stand_beside_the_staged_rows_they_became(shop):
    rows = checked(shop).tables["order_lines"].rows
    assert rows.drop(columns="row")[:6].to_numpy().tolist() == [
        ["client", "c0", "customer_id", "c0"],
        ["day", "2024-01-01", "occurred_at", "2024-01-01 00:00:00"],
        ["no", "0-2024-01-01", "order_id", "0-2024-01-01"],
        ["", "", "quantity", "1.0000"],
        ["qty", "2", "amount", "9.0000"],
        ["price", "4.5", "amount", "9.0000"],
    ]
    assert rows["row"].unique().tolist() == [1, 2, 3]
    assert rows[rows.raw_column == "client"].raw_value.tolist() == ["c0", "c20", "c40"]


def test_rejected_rows_unused_columns_and_shared_customers_are_counted(shop):
    found = checked(shop)
    orders = found.tables["order_lines"]
    assert (orders.summary.read, orders.summary.staged, orders.summary.rejected) == (481, 480, 1)
    assert orders.rejected[["rule", "rows"]].to_numpy().tolist() == [["no customer", 1]]
    assert '"no":"x"' in orders.rejected["first"][0] and orders.unused == ("colour",)
    assert "orders.csv: read as utf-8" in orders.summary.said[0]
    assert found.shared.to_numpy().tolist() == [["order_lines", 60, "contacts", 20]]


def test_a_target_is_counted_cutoff_by_cutoff_as_a_run_would(shop):
    by_name = {target.name: target for target in checked(shop).targets}
    lapse = by_name["lapse"].funnel.set_index("cutoff")
    # At the first of March all sixty ordered in the 60 days before; the thirty of January are gone.
    assert lapse.loc[date(2024, 3, 1), ["known", "eligible", "positives", "used"]].tolist() == [60, 60, 30, "fitting"]
    assert lapse.loc[date(2024, 5, 1), ["known", "eligible", "positives"]].tolist() == [60, 30, 0]
    assert "subscription_events" in by_name["churn"].reason and by_name["churn"].funnel.empty
    assert "0 of 30 eligible rows" in by_name["lapse"].reason


def test_a_check_leaves_the_workspace_as_it_was_and_works_beside_a_writer(shop):
    before = files(shop.root)
    with sole_writer(shop, "shop", "somebody else"):
        pass
    with_lock = files(shop.root)
    with sole_writer(shop, "shop", "somebody else"):
        checked(shop)
    assert files(shop.root) == with_lock and set(with_lock) - set(before) == {"data/.locks", "data/.locks/shop.lock"}
    left = shop.data / ".check-shop.999999999.gone"
    left.mkdir()
    checked(shop)
    assert not left.exists()


def test_of_a_large_table_whole_customers_are_drawn(shop, monkeypatch):
    monkeypatch.setattr(check_tables, "ROWS_AT_MOST", 200)
    sample = checked(shop)
    assert sample.one_in == 3 and "about 1 in 3 customers" in sample.lines()[0]
    drawn = sample.tables["order_lines"].summary
    assert 8 <= drawn.customers <= 35
    lapse = {target.name: target for target in sample.targets}["lapse"].funnel.set_index("cutoff")
    # Of whom is drawn all rows are: who orders every 20 days is asked at every later cutoff and never positive.
    later = lapse.loc[date(2024, 4, 1) :, ["eligible", "positives"]].drop_duplicates().to_numpy().tolist()
    assert len(later) == 1 and 4 <= later[0][0] <= 20 and later[0][1] == 0


def test_it_is_short_in_a_notebook_and_narrow_in_a_terminal(shop):
    found = checked(shop)
    assert repr(found) == "<Checked shop as of 2024-10-27: 2 tables; no target can be asked>"
    assert repr(found.tables["contacts"]) == "<CheckedTable contacts: 22 rows staged, 0 rejected>"
    assert max(map(len, found.lines())) <= 80
    assert "<td>c20</td>" in found._repr_html_() and "cannot be asked" in found._repr_html_()
    assert found.summary()["staged"].tolist() == [480, 22]


def test_ids_under_pseudonyms_are_shown_as_pseudonyms(shop, monkeypatch):
    monkeypatch.setenv("TENURE_PSEUDONYM_KEY", "k" * 40)
    (shop.raw("shop") / "source.toml").write_text("pseudonymise = true\n" + TOML)
    before = files(shop.root)
    said = "\n".join(checked(shop).lines())
    assert "client = p" in said and "customer_id = p" in said and "c20" not in said
    assert files(shop.root) == before


@pytest.mark.parametrize(
    ("kind", "given", "change", "words"),
    [
        (AsOfError, {"as_of": "2999-01-01"}, ("", ""), "every customer would look silent"),
        (UsageError, {"as_of": "soon"}, ("", ""), "is not a date"),
        (DataContractError, {}, ('"day"', '"date"'), "Column of orders.csv 'date' is not defined"),
        (DataContractError, {}, ("qty * price", "qty *"), "not readable SQL"),
    ],
)
def test_bad_input_is_refused_in_the_words_of_a_run(shop, kind, given, change, words):
    path = shop.raw("shop") / "source.toml"
    path.write_text(path.read_text().replace(*change) if change[0] else path.read_text())
    with pytest.raises(kind, match=words) as raised:
        checked(shop, **given)
    assert raised.value.exit_code == 2


def test_the_command_prints_it_and_ends_as_a_run_would(shop):
    def run(*given):
        command = [sys.executable, "-m", "tenure", "check", "shop", "--workspace", str(shop.root), *given]
        environment = os.environ | {"PYTHONPATH": str(Path(tenure.__file__).parents[1])}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    ended = run()
    assert ended.returncode == 1 and "no target can be asked" in ended.stderr and "481 rows read" in ended.stdout
    ended = run("--as-of", "2999-01-01")
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and not ended.stdout
