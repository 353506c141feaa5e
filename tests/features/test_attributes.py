"""Attributes of customers as features: dates become days since them at each cutoff, texts that describe one customer are left out."""

from datetime import date

import pandas as pd
import pytest

from tables import read, staged
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows

ORDERS = (
    "customer_id occurred_at order_id quantity amount",
    "ana 2024-01-05 1 1 10", "bo 2024-01-20 2 1 30", "cy 2024-01-20 3 1 30", "dee 2024-01-21 4 1 30",
    "ana 2024-06-01 5 1 10",
)  # fmt: skip
TOML = """
[customers]
from = "crm.csv"
customer_id = "customer_id"
occurred_at = "occurred_at"
attributes = { birth_date = "born", contract_end = "ends" }
[targets.lapse]
horizon_days = 30
eligible_days = 180
"""


@pytest.fixture
def snapshots(tmp_path):
    crm = (
        "customer_id occurred_at born ends source",
        "cy 2024-03-05 1990-01-01 - crm",  # not known at the first cutoff
        "dee 2024-01-01 1900-01-01 - crm",
        "ana 2024-01-01 1980-03-01 2024-04-01 crm",
        "bo 2024-01-01 - 2024-04-01 crm",
        "bo 2024-02-20 2000-02-29 2024-12-31 crm",  # told later, and the contract goes on
    )
    facts = staged(tmp_path, TOML, crm=crm, order_lines=ORDERS)
    return Snapshots(Workspace(tmp_path), facts, date(2024, 6, 2))


def days(snapshots, cutoff, name):
    target = snapshots.targets["lapse"]
    columns = [column for column in snapshots.columns if column.name == name]
    table = read_rows(snapshots, target, [cutoff], columns, labels=False).set_index("customer_id")[name]
    return {customer: None if pd.isna(value) else round(value) for customer, value in table.items()}


def test_a_birth_date_is_an_age_at_each_cutoff_as_known_there(snapshots):
    first, second = date(2024, 3, 1), date(2024, 4, 1)
    born = {"ana": date(1980, 3, 1), "bo": date(2000, 2, 29), "cy": date(1990, 1, 1)}
    ages = {who: (first - day).days for who, day in born.items()}
    assert days(snapshots, first, "days_since_birth_date") == ages | {"cy": None, "dee": None}
    assert days(snapshots, second, "days_since_birth_date") == {w: n + 31 for w, n in ages.items()} | {"dee": None}
    assert "customer_birth_date" not in {column.name for column in snapshots.columns}


def test_a_date_after_the_cutoff_is_unknown_and_an_older_one_does_not_stand_in_for_it(snapshots):
    name = "days_since_contract_end"
    assert days(snapshots, date(2024, 3, 1), name) == dict.fromkeys(("ana", "bo", "cy", "dee"))
    assert days(snapshots, date(2024, 4, 11), name) == {"ana": 10, "bo": None, "cy": None, "dee": None}


def test_a_placeholder_is_no_date_and_is_told(snapshots):
    assert read(snapshots.staged.path("customers"), "customer_id, birth_date")[1] == ("dee", None)
    told = "customers: 1 rows: birth_date is a placeholder, no date: left empty (kept)"
    assert told in snapshots.staged.warnings()


def test_customers_without_dates_of_their_rows_have_ages_too(tmp_path):
    toml = TOML.replace('occurred_at = "occurred_at"\n', "").replace(', contract_end = "ends"', "")
    facts = staged(tmp_path, toml, crm=("customer_id born", "ana 1980-03-01", "bo 2000-02-29"), order_lines=ORDERS)
    snapshots = Snapshots(Workspace(tmp_path), facts, date(2024, 6, 2))
    found = days(snapshots, date(2024, 3, 1), "days_since_birth_date")
    assert (found["ana"], found["bo"]) == ((date(2024, 3, 1) - date(1980, 3, 1)).days, 8767)


def test_registration_is_the_first_row_on_a_customer_as_known_at_the_cutoff(snapshots):
    found = {"ana": 60, "bo": 60, "cy": None, "dee": 60}  # bo's later row is a change, cy's is not there yet
    assert days(snapshots, date(2024, 3, 1), "days_since_registered") == found
    assert days(snapshots, date(2024, 4, 1), "days_since_registered") == {w: n and n + 31 for w, n in found.items()} | {
        "cy": 27
    }


@pytest.mark.parametrize("day", ["2024-02-20", ""])
def test_rows_of_one_export_say_nothing_of_registration_and_it_is_told(tmp_path, day):
    toml = "" if day else 'customers = { from = "customers.csv", customer_id = "customer_id" }\n'
    header, *rows = ("customer_id occurred_at", *(f"{who} {day or '-'}" for who in ("ana", "bo", "cy")))
    facts = staged(tmp_path, toml, customers=(header, *rows), order_lines=ORDERS)
    snapshots = Snapshots(Workspace(tmp_path), facts, date(2024, 6, 2))
    assert "days_since_registered" not in {column.name for column in snapshots.columns}
    told = "days_since_registered: no row of customers has a day of its own, only their export's"
    assert told in snapshots.unavailable_features


def test_a_date_named_as_a_feature_is_keeps_both(tmp_path):
    toml = TOML.replace('birth_date = "born"', 'order = "born"')
    crm = ("customer_id occurred_at born ends", "ana 2024-01-01 1980-03-01 2024-04-01", "bo 2024-01-02 - 2024-04-01")
    facts = staged(tmp_path, toml, crm=crm, order_lines=ORDERS)
    names = {column.name for column in Snapshots(Workspace(tmp_path), facts, date(2024, 6, 2)).columns}
    assert {"days_since_order", "days_since_customer_order", "days_since_registered"} <= names


@pytest.mark.parametrize(("customers", "is_left_out"), [(60, True), (50, False)])
def test_a_text_of_nearly_one_customer_each_is_no_feature_and_is_told(tmp_path, customers, is_left_out):
    people = tuple(f"c{n} 2024-01-01 note{n} town{n % 7}" for n in range(customers))
    orders = tuple(f"c{n} 2024-01-05 {n} 1 10" for n in range(customers))
    facts = staged(tmp_path, customers=("customer_id occurred_at note town", *people), order_lines=(ORDERS[0], *orders))
    snapshots = Snapshots(Workspace(tmp_path), facts, date(2024, 2, 1))
    made = {column.name for column in snapshots.columns if column.table == "customers"}
    assert made == {"customer_town"} | (set() if is_left_out else {"customer_note"})
    told = "customers: note has 60 different texts among 60 customers, nearly one each: it is kept, and no feature is made of it"
    assert (told in facts.warnings()) == is_left_out
    assert ("customer_note: nearly as many texts as customers" in snapshots.unavailable_features) == is_left_out
