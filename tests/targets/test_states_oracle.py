"""The oracle itself, held by small tables whose right answer is seen by eye. Grace is 14 days where nothing else is said."""

import csv
import os
import random
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from churn_oracle import Answer, ask
from histories import MOST_EVENTS, as_table, random_history, random_question
from states_oracle import Event, Rules, is_due, states

CUTOFF, AS_OF = date(2024, 4, 1), date(2024, 7, 1)
DELIVERED, ROLLING = Rules(14), Rules(14, renewals_delivered=False)


def rows(*lines: str) -> list[Event]:
    """Read events of one customer: subscription, event, when, and perhaps term, price and when known; '-' is empty."""
    events = []
    for line in lines:
        name, event, when, term, price, known = (*line.split(), *"-----")[:6]
        at = datetime.fromisoformat(f"2024-{when}" if when[2] == "-" else when)
        late = at if known == "-" else datetime.fromisoformat(f"2024-{known}")
        days = None if term == "-" else int(term)
        events.append(Event("ann", name, event, at, late, days, None if price == "-" else float(price)))
    return events


def spans(*lines: str, rules: Rules = DELIVERED, as_of: date = AS_OF) -> str:
    """Write ann's states as the days on which they change: '01-10 paying, 02-10 none'."""
    found, last = [], ""
    for (_, day), state in states(rows(*lines), as_of, rules).items():
        if state != last:
            found.append(f"{day:%m-%d} {state}")
        last = state
    return ", ".join(found)


def answer(*lines: str, rules: Rules = DELIVERED, horizon: int = 30, lead: int = 0, as_of: date = AS_OF) -> Answer:
    """Ask about ann at CUTOFF."""
    return ask(rows(*lines), CUTOFF, as_of, rules, horizon_days=horizon, lead_days=lead)["ann"]


def label(*lines: str, **settings) -> int | str | None:
    """Give 0 or 1, or why ann is not asked."""
    found = answer(*lines, **settings)
    return found.churned if found.asked else found.case.removeprefix("not asked: ")


def test_a_subscription_is_paid_held_and_over_as_its_events_say():
    lines = ["s started 01-10", "s paused 02-10", "s resumed 03-10", "s ended 04-10"]
    assert spans(*lines) == "01-10 paying, 02-10 held, 03-10 paying, 04-10 none"


def test_a_customer_is_paying_while_one_subscription_is_and_held_while_one_is_paused():
    lines = ["s started 01-10", "t started 02-01", "s paused 02-10", "t ended 03-01", "s ended 04-01"]
    assert spans(*lines) == "01-10 paying, 03-01 held, 04-01 none"


def test_a_trial_beside_or_before_a_paid_plan_is_not_paid():
    assert spans("t trial_started 01-10", "t started 01-24") == "01-10 none, 01-24 paying"
    assert spans("s started 01-10", "s trial_started 01-24", "t trial_started 01-24", "t ended 02-24") == "01-10 paying"


def test_only_what_is_paid_can_be_paused():
    assert spans("t trial_started 01-10", "t paused 01-20") == "01-10 none"
    assert spans("s started 01-10", "s ended 02-10", "s paused 02-20") == "01-10 paying, 02-10 none"


def test_the_close_of_the_day_counts():
    assert spans("s started 01-10T06:00", "s ended 01-10T09:30") == "01-10 none"
    assert spans("s started 01-10", "s ended 02-10T06:00", "s started 02-10T09:30") == "01-10 paying"


def test_a_switch_in_one_instant_leaves_the_state_and_an_end_with_anything_else_ends():
    assert spans("s started 01-10", "s ended 02-10", "s started 02-10") == "01-10 paying"
    assert spans("s started 01-10", "s paused 02-01", "s ended 02-10", "s resumed 02-10") == "01-10 paying, 02-01 held"
    assert spans("s started 01-10", "s renewed 02-10", "s ended 02-10") == "01-10 paying, 02-10 none"
    assert spans("s started 01-10", "s ended 01-10") == "01-10 none"


def test_two_subscriptions_in_one_instant_are_no_switch_but_one_runs_on():
    assert spans("s started 01-10", "s ended 02-10", "t started 02-10", "t ended 03-10") == "01-10 paying, 03-10 none"


def test_a_first_known_event_of_another_kind_shows_a_start_that_was_not_delivered():
    assert spans("s upgraded 01-10") == spans("s cancel_requested 01-10") == "01-10 paying"
    assert "start not delivered" in answer("s upgraded 01-10").notes
    assert "start not delivered" not in answer("s started 01-09", "s upgraded 01-10").notes
    assert spans("s ended 01-10", "s upgraded 01-20") == "01-10 none"
    assert spans("s paused 01-10") == "01-10 held"


def test_a_price_known_to_be_0_is_not_paid_and_an_unknown_one_is():
    assert (
        spans("s started 01-10 - 0", "s upgraded 02-10 - 9", "s downgraded 03-10 - 0")
        == "01-10 none, 02-10 paying, 03-10 none"
    )
    assert spans("s started 01-10 - 9", "s renewed 02-10", "s paused 03-10 - 0") == "01-10 paying, 03-10 held"
    assert spans("s started 01-10 - 9", "s renewed 02-10 - 9", "s downgraded 02-10 - 0") == "01-10 paying, 02-10 none"
    assert spans("s trial_started 01-10 - 0", "s started 02-10") == "01-10 none, 02-10 paying"


def test_an_event_is_seen_from_the_midnight_after_it_was_known():
    lines = ["s started 01-10", "s ended 03-10 - - 04-05"]
    assert spans(*lines, as_of=date(2024, 4, 5)) == "01-10 paying"
    assert spans(*lines, as_of=date(2024, 4, 6)) == "01-10 paying, 03-10 none"


# ------------------------------------------------------------------------------------------------ due dates, pauses


@pytest.mark.parametrize(
    ("term", "dates"),
    [
        (30, "2024-02-29 2024-03-31 2024-04-30"),
        (28, "2024-02-29 2024-03-31 2024-04-30"),
        (91, "2024-04-30 2024-07-31 2024-10-31"),
        (182, "2024-07-31 2025-01-31 2025-07-31"),
        (365, "2025-01-31 2026-01-31 2027-01-31"),
        (7, "2024-02-07 2024-02-14 2024-02-21"),
        (45, "2024-03-16 2024-04-30 2024-06-14"),
    ],
)
def test_due_dates_roll_by_calendar_months_or_by_days(term, dates):
    start = date(2024, 1, 31)
    days = [start + timedelta(n) for n in range(1, 1200)]
    assert " ".join(str(day) for day in days if is_due(start, term, day)).startswith(dates)


def test_a_renewal_that_did_not_come_is_an_end_on_the_due_date_once_the_grace_is_over():
    lines = ["s started 01-10 30", "s renewed 02-10"]
    assert spans(*lines, as_of=date(2024, 3, 24)) == "01-10 paying"  # 14 days after the due date are not yet over
    assert spans(*lines, as_of=date(2024, 3, 25)) == "01-10 paying, 03-10 none"
    assert spans(*lines, rules=ROLLING) == "01-10 paying"


def test_a_renewal_on_the_last_day_of_grace_is_in_time_and_one_a_day_later_begins_anew():
    end = date(2024, 4, 1)
    assert spans("s started 01-10 30", "s renewed 02-24", as_of=end) == "01-10 paying"
    assert spans("s started 01-10 30", "s renewed 02-25", as_of=end) == "01-10 paying, 02-10 none, 02-25 paying"


def test_an_early_renewal_or_another_term_moves_the_due_date_and_the_same_term_does_not():
    end = date(2024, 4, 1)
    assert spans("s started 01-10 30", "s renewed 02-05", as_of=end) == "01-10 paying, 03-05 none"
    assert spans("s started 01-10 30", "s upgraded 01-20 91", as_of=end) == "01-10 paying"
    assert spans("s started 01-10 91", "s downgraded 01-20 30", as_of=end) == "01-10 paying, 02-20 none"
    assert spans("s started 01-10 30", "s upgraded 01-20 30", as_of=end) == "01-10 paying, 02-10 none"
    assert spans("s started 01-10 30", "s addon_bought 01-20 91", as_of=end) == "01-10 paying, 02-10 none"


def test_an_end_a_pause_or_a_resumption_in_the_grace_holds_from_its_own_day():
    lines, end = ["s started 01-10 30"], date(2024, 3, 1)
    assert spans(*lines, "s ended 02-24", as_of=end) == "01-10 paying, 02-24 none"
    assert spans(*lines, "s ended 02-25", as_of=end) == "01-10 paying, 02-10 none"
    assert spans(*lines, "s paused 02-24", as_of=end) == "01-10 paying, 02-24 held"
    assert spans(*lines, "s resumed 02-24", as_of=end) == "01-10 paying"
    assert spans(*lines, "s addon_bought 02-24", as_of=end) == "01-10 paying, 02-10 none"


def test_due_dates_in_a_pause_or_on_a_free_plan_pass_by():
    free = ["s started 01-10 30 0", "s upgraded 02-10 30 9"]
    assert spans(*free, as_of=date(2024, 3, 24)) == "01-10 none, 02-10 paying"
    lines = ["s started 01-10 30", "s paused 02-01", "s resumed 03-20"]
    assert spans(*lines, as_of=date(2024, 4, 20)) == "01-10 paying, 02-01 held, 03-20 paying"
    assert spans(*lines, as_of=date(2024, 4, 25)) == "01-10 paying, 02-01 held, 03-20 paying, 04-10 none"


def test_a_pause_is_an_end_on_the_day_it_exceeds_its_days_where_a_source_says_so():
    lines = ["s started 01-01", "s paused 02-01", "s paused 02-05", "s resumed 03-01"]
    assert spans(*lines) == "01-01 paying, 02-01 held, 03-01 paying"
    assert spans(*lines, rules=Rules(14, 29)) == "01-01 paying, 02-01 held, 03-01 paying"  # 29 days from 02-01 to 03-01
    assert spans(*lines, rules=Rules(14, 27)) == "01-01 paying, 02-01 held, 02-29 none, 03-01 paying"


# ----------------------------------------------------------------------------------------------------------- asked


def test_only_who_pays_and_has_a_subscription_that_is_not_cancelled_is_asked():
    assert label("s started 01-10", "s paused 03-01") == "held"
    assert label("s started 01-10", "s ended 03-01") == "not paying"
    assert label("s started 01-10", "s cancel_requested 03-01") == "cancellation pending"
    assert label("s started 01-10", "s cancel_requested 03-01", "s upgraded 03-02") == "cancellation pending"
    assert label("s started 01-10", "s cancel_requested 03-01", "s resumed 03-01") == 0
    assert label("s started 01-10", "s cancel_requested 03-01", "t started 03-01") == 0


def test_every_paid_subscription_must_be_able_to_end_in_the_window():
    assert label("s started 01-10 365", rules=ROLLING) == "cannot end in the window"
    assert label("s started 01-10 30", rules=ROLLING) == 0
    assert label("s started 01-10 30", "t started 01-10 365", rules=ROLLING) == "cannot end in the window"
    assert label("s started 01-10 30", "t started 01-10 365 0", rules=ROLLING) == 0  # a free plan doesn't count
    assert label("s started 2023-04-30 365", rules=ROLLING) == 0  # the window's last day
    assert label("s started 2023-05-01 365", rules=ROLLING) == "cannot end in the window"


def test_an_overdue_subscription_is_asked_and_its_end_counts_on_the_first_day():
    lines = ["s started 2023-03-20 365"]
    found = answer(*lines)
    assert (found.churned, found.case) == (1, "churned: ended before the window")
    assert "overdue at the cutoff" in found.notes
    assert label(*lines, "s renewed 04-03") == 0
    assert label("s started 2023-03-17 365") == "not paying"  # 15 days ago: known as an end on 03-17


# --------------------------------------------------------------------------------------------------------- churned


def test_an_end_is_churn_unless_a_restart_comes_within_the_grace():
    lines = ["s started 01-10", "s ended 04-10"]
    assert answer(*lines).case == "churned: in the window"
    assert answer(*lines, "t started 04-24").case == "stayed: back within the grace"
    assert answer(*lines, "t started 04-25").churned == 1
    assert label(*lines, "t started 04-20", "t paused 04-21") == 0
    assert label(*lines, "t started 04-20", "t ended 04-29") == 1


def test_a_pause_in_the_window_is_no_churn_and_its_end_is():
    assert label("s started 01-10", "s paused 04-10") == 0
    assert label("s started 01-10", "s paused 04-10", "s ended 04-20") == 1


def test_an_end_after_the_window_counts_up_to_the_grace_after_a_due_date_in_it():
    lines = ["s started 03-25 30"]  # due on 04-25; the window ends with 04-30
    assert answer(*lines, "s ended 05-09", rules=ROLLING).case == "churned: after a due date in the window"
    assert label(*lines, "s ended 05-10", rules=ROLLING) == 0
    assert label("s started 03-25", "s ended 05-01") == 0  # no term, so no due date
    assert label(*lines, "s ended 05-01") == 1
    assert label(*lines, "s renewed 04-25", "s ended 05-01") == 0
    assert label(*lines, "s renewed 05-03T06:00", "s ended 05-03T09:30") == 1
    assert label(*lines, "t started 03-25", "s ended 04-25", "t ended 05-01") == 0


def test_an_end_before_the_window_counts_as_on_its_first_day():
    late = ["s started 01-10", "s ended 03-20 - - 04-02"]
    assert answer(*late).case == "churned: ended before the window"
    assert "ended before the cutoff, known later" in answer(*late).notes
    assert label(*late, "s started 04-15") == 0  # 14 days after the window's first day
    assert label(*late, "s started 04-16") == 1
    assert label(*late, "s started 04-01") == 0
    in_lead = answer("s started 01-10", "s ended 04-05", lead=10)
    assert (in_lead.churned, "ended in the lead time" in in_lead.notes) == (1, True)


def test_a_label_is_given_only_when_it_is_certain():
    assert answer("s started 01-10", as_of=date(2024, 5, 29)).churned == 0  # 30 days and twice 14
    assert answer("s started 01-10", as_of=date(2024, 5, 28)).churned is None


def test_the_cases_kept_with_the_project_have_the_answers_beside_them():
    shared = Path(os.environ.get("TENURE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")).parent
    file = shared / "cases" / "19_labels" / "subscription_events.csv"
    if not file.exists():
        pytest.skip(f"no shared cases: {file} does not exist (set TENURE_TEST_DATA)")
    events = [
        Event(
            row["customer_id"],
            row["subscription_id"],
            row["event"],
            datetime.fromisoformat(row["occurred_at"]),
            datetime.fromisoformat(row["known_at"]),
            int(row["term_days"]) if row["term_days"] else None,
        )
        for row in csv.DictReader(file.open())
    ]
    found = ask(events, CUTOFF, AS_OF, DELIVERED, horizon_days=30)
    labels = {customer[0]: one.churned for customer, one in found.items() if one.asked}
    assert labels == {**dict.fromkeys("abcdefjklm", 0), "g": 1, "h": 1}


# -------------------------------------------------------------------------------------------------- random histories


def test_random_histories_are_small_and_repeatable_and_reach_the_usual_answers():
    found: set[str] = set()
    for seed in range(150):
        history = random_history(seed)
        assert history == random_history(seed)
        assert len(history.events) <= MOST_EVENTS, as_table(history)
        asked = history.question
        answers = ask(
            history.events, asked.cutoff, asked.as_of, asked.rules,
            horizon_days=asked.horizon_days, lead_days=asked.lead_days,
        )  # fmt: skip
        found |= {one.case for one in answers.values()}
    assert {"churned: in the window", "stayed", "not asked: held", "not asked: cannot end in the window"} <= found


def test_neither_the_order_of_delivery_nor_other_customers_change_an_answer():
    question = random_question(1)
    histories = [random_history(seed, question) for seed in range(40)]
    together = [event for history in histories for event in history.events]
    shuffled = random.Random(1).sample(together, len(together))
    alone = [states(history.events, question.as_of, question.rules) for history in histories]
    assert states(shuffled, question.as_of, question.rules) == {
        key: one for found in alone for key, one in found.items()
    }
