from datetime import date, datetime

import pytest

from tables import staged
from tenure.core.errors import UsageError
from tenure.identity.decisions import check_known, merge, split
from tenure.identity.events import Ledger, same_identity
from tenure.identity.persons import Link, Persons

DAY = {day: datetime(2024, 1, day) for day in range(1, 10)}
FIRST_KNOWN = {"ana": DAY[1], "ana2": DAY[2], "ana3": DAY[3], "bo": DAY[1]}


def link(left: str, right: str, day: int) -> Link:
    return Link(left, right, DAY[day], 0.99, "same e-mail")


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path)


def join(ledger: Ledger, *links: Link) -> list[Link]:
    events, forbidden = Persons(ledger, FIRST_KNOWN).join(links)
    ledger.append(events)
    return forbidden


def test_the_oldest_customers_id_is_the_persons_and_stays_so(ledger):
    join(ledger, link("ana3", "ana2", 3))
    assert ledger.mapping() == {"ana3": "ana2"}
    join(ledger, link("ana3", "ana", 4))
    assert ledger.mapping() == {"ana2": "ana", "ana3": "ana"}


def test_who_was_whom_on_a_day_follows_from_the_events_known_before_it(ledger):
    join(ledger, link("ana", "ana2", 2), link("ana2", "ana3", 5))
    assert ledger.mapping(date(2024, 1, 2)) == {}
    assert ledger.mapping(date(2024, 1, 3)) == {"ana2": "ana"}
    assert ledger.mapping(date(2024, 1, 6)) == {"ana2": "ana", "ana3": "ana"}


def test_cutoffs_between_which_nobody_joined_are_built_at_once(ledger):
    join(ledger, link("ana", "ana2", 3))
    days = [date(2024, 1, day) for day in (1, 2, 5, 6)]
    assert same_identity(ledger.folder, days) == [days[:2], days[2:]]
    assert same_identity(None, days) == [days]


def test_a_split_is_an_event_and_leaves_the_past_as_it_was(ledger):
    join(ledger, link("ana", "ana2", 2))
    split(ledger, "ana2", why="her sister", now=DAY[6])
    assert ledger.mapping() == {}
    assert ledger.mapping(date(2024, 1, 6)) == {"ana2": "ana"}
    assert ledger.events[-1].cause == "split by hand: her sister"


def test_what_a_human_split_no_record_joins_again_but_a_human_may(ledger):
    join(ledger, link("ana", "ana2", 2))
    split(ledger, "ana2", why="her sister", now=DAY[6])
    assert [forbidden.right for forbidden in join(ledger, link("ana", "ana2", 7))] == ["ana2"]
    assert ledger.mapping() == {}
    merge(ledger, "ana", "ana2", why="no sister", now=DAY[8])
    assert ledger.mapping() == {"ana2": "ana"}


def test_when_the_one_who_gave_the_id_is_split_off_the_others_stay_together(ledger):
    join(ledger, link("ana", "ana2", 2), link("ana", "ana3", 3))
    split(ledger, "ana", why="another person", now=DAY[6])
    assert ledger.mapping() == {"ana3": "ana2"}


def test_merging_one_person_with_themselves_or_splitting_a_lone_one_is_refused(ledger):
    with pytest.raises(UsageError, match="shares a person with nobody"):
        split(ledger, "bo", why="", now=DAY[6])
    join(ledger, link("ana", "ana2", 2))
    with pytest.raises(UsageError, match="one person already"):
        merge(ledger, "ana2", "ana", why="", now=DAY[6])


def test_a_customer_of_whom_nothing_is_known_is_merged_with_nobody(tmp_path):
    facts = staged(
        tmp_path,
        order_lines=("customer_id occurred_at order_id amount", "ana 2024-01-05 o1 5"),
        records=("customer_id occurred_at system record_id email", "bo 2024-01-02 crm 7 bo@mail.de", "ana 2024-01-02 crm 8 ana@mail.de"),
    )  # fmt: skip
    check_known(facts, ["ana", "bo"])
    with pytest.raises(UsageError, match="no row of customer 'nobody'"):
        check_known(facts, ["ana", "nobody"])
