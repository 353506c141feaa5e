"""Whom no rule alone decides on: proposals by stake, discount, certainty, topic; the best customers; prices; exceptions."""

from datetime import date

import pandas as pd
import pytest
from small import CHANNEL, SAVE, Small

from tables import staged
from tenure.core.errors import DefinitionError
from tenure.decisions.assigned import answered_proposals
from tenure.decisions.delivery import queue, states_in_force
from tenure.decisions.document import check_when, read_policy
from tenure.decisions.exceptions import find_exceptions, repeat_contacts
from tenure.decisions.ledger import decision_files
from tenure.decisions.people import without_candidate
from tenure.snapshots.engines.facts_at import facts_at

DAY = "2026-03-10"
TICKETS = "customer_id occurred_at known_at ticket_id topic event"


def shop(tmp_path, people: str = "", save: str = "", more: str = "", **tables) -> Small:
    rules = "[decisions]\nexplore = 0.0\nhold_out = 0.0\n" + (f"[decisions.people]\n{people}\n" if people else "")
    return Small(tmp_path, f"{rules}{CHANNEL}{SAVE}{save}{more}", **tables)


def waits(small: Small, **columns) -> dict[str, str]:
    """Decide on a day. => of each customer to whom something was sent or proposed, why it waits; empty: it does not"""
    small.decide(DAY, small.scored(**columns))
    rows = small.ledger()
    rows = rows[rows["action"] != "nothing"]
    assert (rows["arm"].isna() == (rows["status"] == "proposed")).all()
    return {
        row.customer_id: "" if row.status != "proposed" else row.because if isinstance(row.because, str) else "its tier"
        for row in rows.itertuples()
    }


def test_without_any_such_rule_all_is_automatic(tmp_path):
    assert waits(shop(tmp_path)) == {"ana": "", "bo": "", "cy": ""}


def test_where_much_is_at_stake_a_person_looks_first(tmp_path):
    small = shop(tmp_path, "stake = 500")
    assert waits(small, lapse_at_stake=[500.0, 501.0, 20.0]) == {"ana": "", "bo": "much is at stake", "cy": ""}


@pytest.mark.parametrize(("given", "why"), [(20, ""), (21, "a discount that a person grants")])
def test_a_large_discount_is_granted_by_a_person(tmp_path, given, why):
    small = shop(tmp_path, "discount = 20", f"if_taken = {given}\ntake_up = 0.1\n")
    assert waits(small) == {"ana": why, "bo": why, "cy": why}


@pytest.mark.parametrize(("cost", "why"), [(1.0, ""), (4.0, "uncertain: at the low end it is not worth it")])
def test_what_is_not_worth_its_cost_at_the_low_end_waits(tmp_path, cost, why):
    # .5 x .1 x 100 = 5 expected, 2.5 at the low end
    small = shop(tmp_path, "uncertain = true", f"effect = 0.1\ncost = {cost}\n")
    assert waits(small) == {"ana": why, "bo": why, "cy": why}


def test_after_a_ticket_on_a_grave_topic_a_person_looks_first_for_ninety_days(tmp_path):
    tickets = (TICKETS, "ana 2025-12-10T09:00 2025-12-10T09:00 t1 bereavement opened", "ana 2025-12-11T09:00 2025-12-11T09:00 t1 bereavement resolved",
               "bo 2025-12-09T09:00 2025-12-09T09:00 t2 bereavement opened", "cy 2026-03-01T09:00 2026-03-01T09:00 t3 delivery opened")  # fmt: skip
    small = shop(tmp_path, 'topics = ["bereavement"]', support_tickets=tickets)
    assert waits(small) == {"ana": "a topic to be careful with", "bo": "", "cy": ""}


def test_the_best_customers_are_never_automatic_and_come_first_in_the_queue(tmp_path):
    small = shop(tmp_path, "best = \"segment = 'best'\"", 'tier = "approve"\n')
    assert waits(small, segment=["loyal", "loyal", "best"], lapse_at_stake=[300.0, 200.0, 100.0]) == {
        "ana": "its tier", "bo": "its tier", "cy": "a best customer"}  # fmt: skip
    listed = queue(small.ledger(), pd.DataFrame(columns=["customer_id", "content", "because"]))
    assert listed["customer_id"].tolist() == ["cy", "ana", "bo"]


def test_the_best_are_not_told_of_a_price_rise_and_others_are(tmp_path):
    rise = '[actions.rise]\nsays = "A new price"\nworth = 50\nwhen = "true"\nchannels = ["email"]\nprice = {}\nvalid_days = 30\n'
    for name, change, sent in (("rise", "0.05", ["bo", "cy"]), ("cut", "-0.05", ["ana", "bo", "cy"])):
        small = Small(tmp_path / name, "[decisions]\nexplore = 0.0\nhold_out = 0.0\n[decisions.people]\nbest = \"segment = 'best'\"\n" + CHANNEL + rise.format(change))  # fmt: skip
        small.decide(DAY, small.scored(segment=["best", "loyal", "loyal"]))
        rows = small.ledger()
        assert rows.loc[rows["action"] == "rise", "customer_id"].tolist() == sent
        if name == "rise":
            (refused,) = rows.loc[rows["customer_id"] == "ana", "candidates"].iloc[0]
            assert refused["refused_because"] == "no price rise for a best customer"


def test_two_prices_within_thirty_days_are_not_given(tmp_path):
    offer = (
        '[actions.{0}]\nsays = "Less"\nworth = 50\nwhen = "{1}"\nchannels = ["email"]\nprice = -0.1\nvalid_days = 10\n'
    )
    rules = "[decisions]\nexplore = 0.0\nhold_out = 0.0\n" + CHANNEL
    small = Small(tmp_path, rules + offer.format("one", "turn = 1") + offer.format("two", "turn = 2"), ids=["ana"])
    for day, turn in (("2026-03-01", 1), ("2026-03-30", 2), ("2026-03-31", 2)):
        small.decide(day, small.scored(turn=turn))
    assert small.sent() == [("ana", "one", "2026-03-01"), ("ana", "two", "2026-03-31")]


def test_a_state_stands_in_the_file_of_its_channel_until_its_last_day(tmp_path):
    small = shop(tmp_path, save="price = -0.1\nvalid_days = 10\nrest_days = 5\n")
    small.decide("2026-03-01", small.scored(lapse_decile=[1, 9, 9]))
    small.decide("2026-03-08", small.scored(lapse_decile=[9, 1, 9]))
    held = {
        day: states_in_force(small.ledger(), date.fromisoformat(day))
        for day in ("2026-03-08", "2026-03-11", "2026-03-12", "2026-03-19")
    }
    assert {day: table["customer_id"].tolist() for day, table in held.items()} == {
        "2026-03-08": ["ana", "bo"], "2026-03-11": ["ana", "bo"], "2026-03-12": ["bo"], "2026-03-19": []}  # fmt: skip
    row = held["2026-03-12"].iloc[0]
    assert (str(row["valid_from"]), str(row["valid_until"])) == ("2026-03-08", "2026-03-18")


@pytest.mark.parametrize(("price", "is_right"), [(-0.3, True), (-0.31, False), (0.1, True), (-1.0, False)])
def test_no_price_lies_below_the_margin(policy_of, price, is_right):
    offer = f'[actions.less]\nsays = "Less"\nworth = 5\nwhen = "true"\nchannels = ["email"]\nprice = {price}\nvalid_days = 9\n'
    if is_right:
        assert policy_of(offer).actions["less"].price == price
        return
    with pytest.raises(DefinitionError, match=r"margin_rate|a share of the price"):
        policy_of(offer)


def test_a_price_says_until_when_it_holds(policy_of):
    with pytest.raises(DefinitionError, match=r"actions.less\]: a price without valid_days"):
        policy_of('[actions.less]\nsays = "Less"\nworth = 5\nwhen = "true"\nchannels = ["email"]\nprice = -0.1\n')


@pytest.fixture
def policy_of(tmp_path):
    return lambda actions: read_policy(staged(tmp_path, f'name = "shop"\n{CHANNEL}{actions}', order_lines=("customer_id occurred_at order_id amount", "ana 2026-01-05 1 10")).source)  # fmt: skip


def test_a_topic_that_is_never_automated_stops_everything_while_its_ticket_is_open(tmp_path):
    tickets = (TICKETS, "ana 2026-01-01T09:00 2026-01-01T09:00 t1 dispute opened", "bo 2026-01-01T09:00 2026-01-01T09:00 t2 dispute opened",
               "bo 2026-03-01T09:00 2026-03-01T09:00 t2 dispute resolved", "bo 2026-03-09T09:00 2026-03-10T09:00 t2 dispute reopened")  # fmt: skip
    small = shop(tmp_path, 'never = ["dispute"]', support_tickets=tickets)
    assert waits(small) == {"bo": "", "cy": ""}  # that bo's was opened again was not known before the day
    with facts_at(small.staged, date.fromisoformat(DAY)) as facts:
        assert find_exceptions(facts).empty
        assert find_exceptions(facts, ["dispute"]).to_numpy().tolist() == [["ana", "waits for an answer about dispute"]]


def test_the_third_decision_in_a_row_with_nothing_that_may_be_sent_is_for_a_person_once(tmp_path):
    small = shop(tmp_path)
    asked = [False, True, False]  # ana and cy refuse e-mail; cy is in no danger
    listed = {}
    for day in range(1, 7):
        agreed = [day == 5, True, False] if day >= 5 else asked
        small.decide(f"2026-03-{day:02d}", small.scored(consent_email=agreed))
        files = decision_files(small.workspace, "shop", "scheduled")
        with facts_at(small.staged, date(2026, 3, day)) as facts:
            listed[day] = without_candidate(facts, files, ["ana", "bo"], 3)["customer_id"].tolist()
            assert without_candidate(facts, files, ["ana", "bo"], 0).empty
    assert listed == {1: [], 2: [], 3: ["ana"], 4: [], 5: [], 6: []}


def test_who_has_to_write_twice_is_counted_and_a_rise_beyond_chance_is_said(tmp_path):
    def opened(who: int, *days: str) -> list[str]:
        return [f"c{who} {day}T09:00 {day}T09:00 t{who}{day} size opened" for day in days]

    before = [row for who in range(30) for row in opened(who, "2026-02-01")]
    twice = [row for who in range(15) for row in opened(who, "2026-03-01", "2026-03-08")]
    once = [row for who in range(15) for row in opened(who, "2026-03-01")]
    for name, rows, expected in (("twice", twice, (30, 15, 30, 0, True)), ("once", once, (15, 0, 30, 0, False))):
        with facts_at(staged(tmp_path / name, support_tickets=(TICKETS, *before, *rows)), date(2026, 3, 10)) as facts:
            found = repeat_contacts(facts)
        assert (found.tickets, found.repeats, found.tickets_before, found.repeats_before, found.has_risen) == expected
    with facts_at(staged(tmp_path / "none", order_lines=("customer_id occurred_at order_id amount", "a 2026-01-01 1 5")), date(2026, 3, 1)) as facts:  # fmt: skip
        assert repeat_contacts(facts) is None


def test_what_an_action_says_is_filled_in_from_the_customers_columns(tmp_path):
    small = shop(tmp_path, save='content = "Size {child_size + 1}, {name}: as blue as before"\n')
    small.decide(DAY, small.scored(child_size=[3, None, 5], name=["Ana", "Bo", "Cy"]))
    assert small.ledger().set_index("customer_id")["content"].to_dict() == {
        "ana": "Size 4, Ana: as blue as before", "bo": "Stay", "cy": "Size 6, Cy: as blue as before"}  # fmt: skip
    with pytest.raises(DefinitionError, match=r"actions.save\] content: .*child_size.*Did you mean"):
        check_when(small.policy, ["lapse_decile", "child_sizes", "name"], "source.toml")


@pytest.mark.parametrize("content", ["{current_date}", "{1 +}", "{(select 1)}"])
def test_a_content_that_asks_a_clock_or_is_no_sql_is_refused(policy_of, content):
    offer = '[actions.less]\nsays = "Less"\nworth = 5\nwhen = "true"\nchannels = ["email"]\n'
    assert policy_of(offer + 'content = "{orders} orders"\n')
    with pytest.raises(DefinitionError, match=r"actions.less\] content"):
        policy_of(offer + f'content = "{content}"\n')


def test_answers_to_proposals_are_listed_with_what_people_said(tmp_path):
    small = shop(tmp_path, save='tier = "approve"\nexpires_after = 3\n')
    small.decide("2026-03-01", small.scored(lapse_decile=[1, 9, 9]))
    small.answer("2026-03-01", "approve")
    small.decide("2026-03-02", small.scored(lapse_decile=[9, 1, 9]))
    small.answer("2026-03-02", "reject")
    small.decide("2026-03-03", small.scored(lapse_decile=[9, 9, 1]))
    listed = {day: answered_proposals(small.workspace, "shop", "scheduled", date(2026, 3, day)) for day in (2, 4, 9)}
    assert {day: dict(zip(table["customer_id"], table["answer"], strict=True)) for day, table in listed.items()} == {
        2: {"ana": "approved and sent"},
        4: {"ana": "approved and sent", "bo": "rejected"},
        9: {"ana": "approved and sent", "bo": "rejected", "cy": "not answered in time"},
    }
