"""Return: who is asked whether they come back, and who did, by eye and against an oracle in plain Python."""

import random
from datetime import date, datetime, time, timedelta

import pandas as pd
import pytest
from states_oracle import Event, Rules, follow_all, state_on

from tables import staged
from tenure.cli.raw_data import sources
from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.customers.acting import at_stake
from tenure.snapshots.build import Snapshots
from tenure.sources.source import parse_source
from tenure.steps.opening import open_run
from tenure.targets.catalogue import in_form, targets_of

CUTOFF, AS_OF = date(2024, 4, 1), date(2024, 8, 1)
ASKS = "[targets.return]\n"
ORDERS = "customer_id occurred_at known_at order_id quantity amount"
EVENTS = "customer_id occurred_at known_at subscription_id event plan term_days"


def snapshots(root, toml=ASKS, **tables):
    return Snapshots(Workspace(root), staged(root, toml, **tables), AS_OF)


def answers(root, toml=ASKS, **tables):
    found = snapshots(root, toml, **tables)
    target = found.targets["return"]
    found.build_labels(target, [CUTOFF])
    table = pd.read_parquet(found.labels_path(target, CUTOFF))
    return dict(zip(table["customer_id"], table["label"], strict=True))


def test_a_shop_asks_the_silent_who_are_not_gone_for_good_whether_they_order_again(tmp_path):
    last = {
        "active": "2023-10-04",  # 180 days before the cutoff: lapse still asks
        "silent": "2023-10-03",  # 181 days
        "almost_gone": "2022-10-09",  # 540 days
        "gone": "2022-10-08",
        "on_the_first_day": "2023-09-01",
        "on_the_last_day": "2023-09-01",
        "too_late": "2023-09-01",
        "returns_goods": "2023-09-01",
        "known_late": "2023-09-01",
    }
    rows = [f"{who} {day} {day} {who}1 1 9" for who, day in last.items()]
    rows += [
        "on_the_first_day 2024-04-01 2024-04-01 b1 1 9",
        "on_the_last_day 2024-05-30T23:00 2024-05-30T23:00 b2 1 9",  # day 60
        "too_late 2024-05-31 2024-05-31 b3 1 9",
        "returns_goods 2024-04-10 2024-04-10 b4 -1 -9",  # brings goods back, and buys nothing
        "known_late 2024-03-20 2024-04-02 b5 1 9",  # ordered before the cutoff, which nobody knew
        "never_ordered 2023-09-01 2023-09-01 b6 -1 -9",
    ]
    stay = dict.fromkeys(("silent", "almost_gone", "too_late", "returns_goods", "known_late"), 0)
    assert answers(tmp_path, order_lines=(ORDERS, *rows)) == stay | {"on_the_first_day": 1, "on_the_last_day": 1}


def test_a_company_with_subscriptions_asks_those_who_ended_whether_they_pay_again_shop_or_not(tmp_path):
    def life(who, ended, *further):
        return [f"{who} 2023-01-05 2023-01-05 {who}1 started Solo -", f"{who} {ended} {ended} {who}1 ended Solo -",
                *further]  # fmt: skip

    rows = [
        *life("in_the_grace", "2024-03-18"),  # 14 days before the cutoff
        *life("ended", "2024-03-17"),
        *life("paused", "2024-01-01", "paused 2024-01-02 2024-01-02 p2 started Solo -",
              "paused 2024-02-02 2024-02-02 p2 paused Solo -"),
        *life("pays_another", "2024-01-01", "pays_another 2024-01-02 2024-01-02 q2 started Duo -"),
        *life("back", "2024-01-01", "back 2024-05-30 2024-05-30 b2 started Duo -"),  # day 60
        *life("back_and_gone", "2024-01-01", "back_and_gone 2024-04-10 2024-04-10 c1 started Duo -",
              "back_and_gone 2024-05-10 2024-05-10 c1 ended Duo -"),
        *life("too_late", "2024-01-01", "too_late 2024-05-31 2024-05-31 d2 started Duo -"),
        *life("only_a_trial", "2024-01-01", "only_a_trial 2024-04-10 2024-04-10 e2 trial_started Duo -"),
        "never_paid 2023-06-01 2023-06-01 f1 trial_started Solo -",
        "never_paid 2023-07-01 2023-07-01 f1 ended Solo -",
        *life("was_back_already", "2024-01-01", "was_back_already 2024-03-25 2024-04-02 g2 started Solo -"),
    ]  # fmt: skip
    bought = (ORDERS, "ended 2024-04-10 2024-04-10 o1 1 9")  # an order is no subscription
    expected = {"ended": 0, "too_late": 0, "only_a_trial": 0, "back": 1, "back_and_gone": 1, "was_back_already": 1}
    assert answers(tmp_path / "both", subscription_events=(EVENTS, *rows), order_lines=bought) == expected
    assert answers(tmp_path / "alone", subscription_events=(EVENTS, *rows)) == expected


def random_orders(rng):
    days = [CUTOFF + timedelta(days=rng.choice((-1, 0, 59, 60, -181, -180, -540, -541, rng.randint(-700, 110))))
            for _ in range(rng.randint(1, 4))]  # fmt: skip
    late = [day + timedelta(days=rng.choice((0, 0, 0, 5, 200))) for day in days]
    return [(day, known, rng.choice((1, 1, 1, -1))) for day, known in zip(days, late, strict=True)]


def test_an_independent_reading_of_the_shops_question_agrees_on_random_histories(tmp_path):
    rng = random.Random(3)
    lives = {f"c{number}": random_orders(rng) for number in range(400)}
    rows = [f"{who} {day} {known} {who}-{place} {pieces} {9 * pieces}" for who, life in lives.items()
            for place, (day, known, pieces) in enumerate(life)]  # fmt: skip
    expected = {}
    for who, life in lives.items():
        seen = [(CUTOFF - day).days for day, known, pieces in life if pieces > 0 and day < CUTOFF and known < CUTOFF]
        if seen and 180 < min(seen) <= 540:
            window = [CUTOFF + timedelta(days=number) for number in range(60)]
            expected[who] = int(any(p > 0 and day in window and known < AS_OF for day, known, p in life))
    found = answers(tmp_path, order_lines=(ORDERS, *rows))
    assert found == expected and 20 < sum(found.values()) < len(found) - 20


# What may follow what in the life of one subscription.
FOLLOWS = {
    "": ("started", "trial_started"),
    "started": ("ended", "ended", "paused", "renewed"),
    "paused": ("resumed", "ended"),
    "ended": ("started", "trial_started"),
    "trial_started": ("started", "ended"),
}
FOLLOWS |= {"renewed": FOLLOWS["started"], "resumed": FOLLOWS["started"]}


def random_subscription(rng, who):
    days = {
        CUTOFF + timedelta(days=rng.choice((-15, -14, -540, -541, 0, 59, 60, rng.randint(-700, 110)))) for _ in "abcde"
    }
    kind = ""
    for day in sorted(days):
        kind, known = rng.choice(FOLLOWS[kind]), day + timedelta(days=rng.choice((0, 0, 0, 3)))
        yield Event(who, "s", kind, datetime.combine(day, time()), datetime.combine(known, time()))


def test_an_independent_reading_of_subscriptions_agrees_on_random_histories(tmp_path):
    rng = random.Random(4)
    events = [event for number in range(300) for event in random_subscription(rng, f"c{number}")]
    rows = [f"{e.customer_id} {e.occurred_at:%Y-%m-%d} {e.known_at:%Y-%m-%d} s {e.event} Solo -" for e in events]
    rules = Rules(14, None, False)
    before, after = follow_all(events, CUTOFF, rules), follow_all(events, AS_OF, rules)
    expected = {}
    for who, (life,) in before.items():
        seen = [e.occurred_at.date() for e in events if e.customer_id == who and e.known_at.date() < CUTOFF]
        if life.states[-1] in ("none", "trial") and "paid" in life.states and 14 < (CUTOFF - max(seen)).days <= 540:
            window = [CUTOFF + timedelta(days=day) for day in range(60)]
            expected[who] = int(any(state_on(after[who], day) == "paying" for day in window))
    found = answers(tmp_path, subscription_events=(EVENTS, *rows))
    assert found == expected and 10 < sum(found.values()) < len(found) - 10


def test_it_is_asked_only_where_the_source_asks_for_it_and_the_other_targets_then_stay_as_they_were(tmp_path):
    orders = (ORDERS, "ana 2023-09-01 2023-09-01 a1 1 9", "bob 2024-03-01 2024-03-01 b1 1 9")
    quiet, asked = snapshots(tmp_path / "quiet", "", order_lines=orders), snapshots(tmp_path, order_lines=orders)
    assert set(quiet.targets) == {"lapse"} and set(asked.targets) == {"lapse", "return"}
    assert "[targets.return], which may be empty, stands in the source.toml" in quiet.unavailable_targets["return"]
    assert quiet.targets["lapse"].fingerprint == asked.targets["lapse"].fingerprint


def test_asking_by_name_what_the_source_does_not_ask_is_refused_with_the_line_to_write(tmp_path):
    rows = (ORDERS, "ana 2023-09-01 2023-09-01 a1 1 9")
    staged(tmp_path, "", order_lines=rows)
    with pytest.raises(NotEnoughDataError, match=r"return on .*\[targets.return\]"):
        open_run("shop", workspace=str(tmp_path)).target("return")
    staged(tmp_path, ASKS, order_lines=rows)
    assert open_run("shop", workspace=str(tmp_path)).target("return").eligible_days == 180


def test_what_one_who_came_back_brings_in_a_shop_is_the_first_year_of_those_who_began_a_year_ago(tmp_path):
    rows = ("ana 2022-01-01 2022-01-01 a1 1 100", "ana 2022-12-31 2022-12-31 a2 1 50",  # day 364: still in the year
            "ana 2023-01-01 2023-01-01 a3 1 900", "bob 2023-08-02 2023-08-02 b1 1 30", "bob 2024-07-01 2024-07-01 b2 -1 -10",
            "new 2023-08-03 2023-08-03 c1 1 500")  # fmt: skip
    held = staged(tmp_path, "margin_rate = 0.5\n" + ASKS, order_lines=(ORDERS, *rows))
    target = in_form(targets_of(held.source)["return"], held.tables)
    found = at_stake(target, pd.DataFrame({"customer_id": ["ana"]}), held, AS_OF)
    assert found["stake"].to_list() == [0.5 * (150 + 20) / 2] and found["stake_is"][0].startswith("first year's margin")


def test_the_list_of_sources_shows_in_brackets_what_would_be_asked_on_demand(tmp_path, capsys):
    for name, toml in (("asking", ASKS), ("quiet", "title = 'q'")):
        staged(tmp_path, toml, name, order_lines=(ORDERS, "ana 2023-09-01 2023-09-01 a1 1 9"))
    sources(str(tmp_path))
    told = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "lapse, return " in told["asking"] and "lapse, (return)" in told["quiet"]


def test_a_sources_own_days_hold_in_whichever_form_it_is_asked():
    source = parse_source("[targets.return]\nhorizon_days = 28\ngone_days = 100\n", name="x", where="x")
    forms = [in_form(targets_of(source)["return"], tables) for tables in (["subscription_events"], ["order_lines"])]
    assert [(form.horizon_days, form.numbers["gone_days"]) for form in forms] == [(28, 100)] * 2
    assert "pay for one again" in forms[0].describe() and "order again" in forms[1].describe()
