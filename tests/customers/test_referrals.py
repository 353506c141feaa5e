"""Referrals, on a programme that can be read by eye, under pseudonyms, for merged and for forgotten customers."""

from datetime import date

import pandas as pd
import pytest

from tables import read, staged
from tenure.core.workspace import Workspace
from tenure.customers.view import customer_view
from tenure.identity.resolve import resolve
from tenure.sources.identities import Identities
from tenure.sources.identity_key import KEY

AS_OF = date(2024, 7, 1)
HEADER = "customer_id occurred_at known_at event referred_id points"
TOLD = (
    HEADER,
    "ana 2024-05-01 2024-05-01 referred bo 0",
    "ana 2024-06-01 2024-06-01 referred cy 0",
    "ana 2024-06-02 2024-06-02 referred cy 0",  # once more the same
    "bo 2024-06-11 2024-06-11 referred cy 0",  # somebody was first
    "bo 2024-06-21 2024-06-21 referred - 0",  # a friend whom nobody names
    "bo 2024-06-30 2024-07-01 referred di 0",  # known too late
    "di 2024-01-01 2024-01-01 earned - 5",
)
COLUMNS = ["referred_by", "days_since_referred", "has_referred", "days_since_referral"]


def view(source, customers=("ana", "bo", "cy", "di")):
    return customer_view(source, AS_OF, pd.DataFrame({"customer_id": list(customers)}))


def told(source, *customers):
    table = view(source, *([customers] if customers else [])).customers.set_index("customer_id")[COLUMNS]
    return {
        who: [None if pd.isna(value) else value for value in row]
        for who, row in zip(table.index, table.to_numpy(), strict=True)
    }


def test_who_referred_whom_how_many_and_when(tmp_path):
    assert told(staged(tmp_path, loyalty=TOLD)) == {
        "ana": [None, None, 2, 29],
        "bo": ["ana", 61, 2, 10],
        "cy": ["ana", 30, 0, None],
        "di": [None, None, 0, None],
    }


def test_a_programme_without_referrals_says_so_in_one_line(tmp_path):
    rows = ("customer_id occurred_at event points", "ana 2024-01-01 earned 5")
    assert view(staged(tmp_path, loyalty=rows)).unavailable["referrals"] == "its loyalty events tell of no referral"
    nobody = ("customer_id occurred_at event points", "ana 2024-06-01 referred 5")
    assert told(staged(tmp_path / "whom", loyalty=nobody), "ana") == {"ana": [None, None, 1, 30]}


def test_under_pseudonyms_the_referred_are_called_as_everywhere_even_by_a_plain_number(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    rows = [row.replace("ana", "4711").replace("bo", "4712").replace("cy", "4713") for row in TOLD]
    rows.append("4711 someday 2024-05-01 referred 4714 0")  # rejected, and kept with its reason
    source = staged(tmp_path, "pseudonymise = true\n", loyalty=tuple(rows))
    names = Identities.of(Workspace(tmp_path), source.source).pseudonyms
    ana, bo, cy = map(names.of, ("4711", "4712", "4713"))
    assert told(source, ana, bo, cy) == {ana: [None, None, 2, 29], bo: [ana, 61, 2, 10], cy: [ana, 30, 0, None]}
    for path in (tmp_path / "data/staged").rglob("*.parquet"):
        assert "471" not in str(read(path)), path


def test_whoever_was_forgotten_is_named_by_no_referral(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    source = staged(tmp_path, loyalty=TOLD)
    Identities.of(Workspace(tmp_path), source.source).forget("cy")
    source = staged(tmp_path, loyalty=TOLD)
    assert told(source, "ana", "bo") == {"ana": [None, None, 2, 29], "bo": ["ana", 61, 2, 10]}
    assert "cy" not in {whom for (whom,) in read(source.path("loyalty"), "referred_id")}


RECORDS = (
    "customer_id occurred_at system record_id first_name surname account",
    "web1 2024-01-02 web 1 Ana Lee A7",
    "shop1 2024-06-10 shop 1 Ana Lee A7",
)


@pytest.mark.parametrize("referred", ["shop1", "web1"])
def test_whose_records_were_merged_is_referred_under_one_name_and_has_never_referred_themselves(tmp_path, referred):
    rows = (HEADER, f"bo 2024-05-01 2024-05-01 referred {referred} 0", "web1 2024-05-02 2024-05-02 referred shop1 0")
    source = staged(tmp_path, loyalty=rows, records=RECORDS)
    resolve(Workspace(tmp_path), source)
    assert told(source, "web1", "bo") == {"web1": ["bo", 61, 0, None], "bo": [None, None, 1, 61]}
