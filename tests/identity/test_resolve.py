from datetime import date
from pathlib import Path

import pytest

from tables import read, staged, write_csv
from tenure.audit.replay import replay
from tenure.core.errors import UsageError
from tenure.core.workspace import Workspace
from tenure.identity.events import Ledger
from tenure.identity.resolve import resolve
from tenure.runs.writer import writing
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.known_customers import known_customers

HEADER = "customer_id occurred_at system record_id first_name surname birth_date account email is_email_verified phone"


def match(root: Path, *rows: str, **tables):
    source = staged(root, records=(HEADER, *rows), **tables)
    return source, resolve(Workspace(root), source), Ledger(source.identity_events)


def test_the_same_account_verified_email_or_phone_is_the_same_person_from_the_later_record_on(tmp_path):
    _, result, ledger = match(
        tmp_path,
        "web1 2024-01-02 web 1 Ana Lee - - ana@x.org true -",
        "shop1 2024-01-09 shop 1 Ana Lee 1980-05-01 - ANA@x.org true +44-20-7946-0958",
        "app1 2024-02-01 app 1 - - 1980-05-01 - - - 020-7946-0958",
        "web2 2024-01-02 web 2 Bo Orr - - bo@x.org false -",
        "shop2 2024-01-02 shop 2 Bo Orr - - bo@x.org false -",
    )
    assert result.joined == 2
    assert ledger.mapping() == {"shop1": "web1", "app1": "web1"}
    assert [(event.customer_id, f"{event.known_at:%m-%d}", event.cause) for event in ledger.events] == [
        ("shop1", "01-09", "same verified e-mail"),
        ("app1", "02-01", "same phone"),
    ]


@pytest.mark.parametrize("difference", ["Bo Lee 1980-05-01", "Ana Lee 2004-05-01"])
def test_a_households_email_joins_nobody(tmp_path, difference):
    _, result, _ = match(
        tmp_path,
        "web1 2024-01-02 web 1 Ana Lee 1980-05-01 - home@x.org true -",
        f"shop1 2024-01-02 shop 1 {difference} - home@x.org true -",
    )
    assert result.joined == 0


def test_ten_thousand_records_with_one_email_end_at_once_and_say_so(tmp_path):
    rows = [f"c{n} 2024-01-02 web {n} - - - - info@x.org true -" for n in range(10_000)]
    _, result, _ = match(tmp_path, *rows)
    assert result.joined == 0
    assert result.notes[0].startswith("email: 1 value(s) on more than 20 records each are shared by many")


def test_new_records_join_old_customers_and_old_ones_are_not_asked_again(tmp_path):
    old = "web1 2024-01-02 web 1 Ana Lee 1980-05-01 A7 - - -"
    match(tmp_path, old)
    _, result, ledger = match(tmp_path, old, "shop1 2024-03-01 shop 1 Anna Lee 1980-05-01 A7 - - -")
    # Another first name on the account: no rule proves it.
    assert (result.records, result.new, result.joined) == (2, 1, 0)
    _, result, ledger = match(
        tmp_path,
        old,
        "shop1 2024-03-01 shop 1 Anna Lee 1980-05-01 A7 - - -",
        "app1 2024-04-01 app 1 Ana Lee 1980-05-01 B8 - - 5550101",
        "app2 2024-04-02 app 2 Ana Lee 1980-05-01 C9 - - 5550101",
    )
    assert (result.new, ledger.mapping()) == (2, {"app2": "app1"})
    assert resolve(Workspace(tmp_path), staged(tmp_path)).new == 0


ORDERS = (
    "customer_id occurred_at order_id amount",
    "web1 2024-01-05 1 10",
    "shop1 2024-01-20 2 10",
    "shop1 2024-03-05 3 10",
)
RECORDS = ("web1 2024-01-02 web 1 Ana Lee - A7 - - -", "shop1 2024-02-10 shop 1 Ana Lee - A7 - - -")


def orders_at(snapshots: Snapshots, cutoff: date) -> list[tuple]:
    snapshots.build_features([cutoff])
    return sorted(read(snapshots.features_path(cutoff), "customer_id, count_orders_365d"))


def test_features_know_a_person_from_the_day_on_which_the_person_was_known(tmp_path):
    source, _, _ = match(tmp_path, *RECORDS, order_lines=ORDERS)
    snapshots = Snapshots(Workspace(tmp_path), source, date(2024, 4, 1))
    assert orders_at(snapshots, date(2024, 2, 1)) == [("shop1", 1), ("web1", 1)]
    assert orders_at(snapshots, date(2024, 3, 1)) == [("web1", 2)]
    assert list(known_customers(snapshots.staged, snapshots.as_of)["customer_id"]) == ["web1"]


def test_a_snapshot_of_an_old_cutoff_survives_later_merges_and_replays_from_the_raw_files(tmp_path):
    write_csv(Workspace(tmp_path).raw("shop") / "order_lines.csv", *ORDERS)
    before = Snapshots(Workspace(tmp_path), staged(tmp_path, order_lines=ORDERS), date(2024, 4, 1))
    former = orders_at(before, date(2024, 2, 1))
    source, _, _ = match(tmp_path, *RECORDS, order_lines=ORDERS)
    snapshots = Snapshots(Workspace(tmp_path), source, date(2024, 4, 1))
    assert orders_at(snapshots, date(2024, 2, 1)) == former
    for cutoff in (date(2024, 2, 1), date(2024, 3, 1)):
        found = replay(snapshots, cutoff)
        assert (found.failed, len(found.differing)) == ("", 0)


def test_every_run_matches_what_is_new(tmp_path):
    records = (HEADER, "web1 2024-01-02 web 1 Ana Lee 1980-05-01 A7 - - -", "app1 2024-02-01 app 1 Ana Lee - A7 - - -")
    source = staged(tmp_path, records=records)
    with writing(source.source.name, "a test", workspace=str(tmp_path)) as run:
        assert Ledger(run.staged.identity_events).mapping() == {"app1": "web1"}
    lines = (tmp_path / "data/raw/shop/records.csv").read_text().splitlines()
    lines.append(lines[-1].replace("app1", "pos1").replace("2024-02-01", "2024-02-02"))
    (tmp_path / "data/raw/shop/records.csv").write_text("\n".join(lines) + "\n")
    with writing(source.source.name, "a test", workspace=str(tmp_path)) as run:  # staged, and matched, by a kernel
        assert Ledger(run.staged.identity_events).mapping() == {"app1": "web1", "pos1": "web1"}


def test_persons_found_under_other_names_are_not_lost_without_a_word(tmp_path, monkeypatch):
    monkeypatch.setenv("TENURE_PSEUDONYM_KEY", "a key of more than sixteen characters")
    rows = ("web1 2024-01-02 web 1 Ana Lee 1980-05-01 A7 - - -", "shop1 2024-03-01 shop 1 Ana Lee 1980-05-01 A7 - - -")
    match(tmp_path, *rows)
    with pytest.raises(UsageError, match="by the raw files' ids who is whom, from before pseudonymise was set"):
        match(tmp_path, *rows, toml="pseudonymise = true")
    events = Workspace(tmp_path).identity_events("shop")
    private = Workspace(tmp_path).identities("shop")
    assert not [*private.glob("*.parquet")], "what is refused leaves no records behind"
    events.rename(events.with_name("events-of-before"))
    assert match(tmp_path, *rows, toml="pseudonymise = true")[1].joined == 1
    with pytest.raises(UsageError, match="by pseudonyms who is whom, from before pseudonymise was taken out"):
        match(tmp_path, *rows, toml="pseudonymise = false")
