"""What opens an action: rows that arrive, what becomes true, dates that are reached; each once."""

from datetime import time

import pytest
from small import CHANNEL, SAVE, Small
from test_small_days import FAILED, PAYMENTS

from tenure.core.errors import DefinitionError
from tenure.decisions.document import check_when

RULES = f"[decisions]\nexplore = 0.0\nhold_out = 0.0\n{CHANNEL}"
USAGE = "customer_id occurred_at metric quantity"


def action(on: str, more: str = "", name: str = "note") -> str:
    return f'[actions.{name}]\nsays = "Hello"\nworth = 5\nchannels = ["email"]\non = {{ {on} }}\n{more}'


def decided(shop: Small, days: str, **columns) -> list[str]:
    """Decide on days of March; name who was sent what. ``columns``: of the scored table, by day."""
    for day in days.split():
        shop.decide(f"2026-03-{day}", shop.scored(**{name: by_day[day] for name, by_day in columns.items()}))
    return [f"{who} {day[-2:]}" for who, _, day in shop.sent()]


def used(who: str, per_day: list[int], first: int = 1) -> list[str]:
    return [f"{who} 2026-02-{first + place:02d} cups {cups}" for place, cups in enumerate(per_day)]


def test_a_row_that_is_delivered_again_and_known_later_the_second_time_is_no_news(tmp_path):
    first = "ana 2026-03-03 2026-03-03 p1 9 failed"
    shop = Small(tmp_path, RULES + FAILED, payments=(PAYMENTS, first))
    assert decided(shop, "03 04") == ["ana 04"]
    shop.stage(payments=(PAYMENTS, first, "ana 2026-03-03 2026-03-04 p1 9 failed"))
    assert decided(shop, "05 06") == ["ana 04"]
    shop.stage(payments=(PAYMENTS, first, "ana 2026-03-03 2026-03-04 p2 9 failed"))  # another payment
    assert decided(shop, "07") == ["ana 04", "ana 07"]


FELL = 'table = "usage", becomes = "sum(quantity) filter (where age_days <= 2) < 0.67 * sum(quantity) / 5"'


def test_usage_that_falls_by_a_third_is_acted_on_once_while_it_lasts_and_again_after_it_has_recovered(tmp_path):
    cups = [6, 6, 6, 6, 6, 6, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 0, 0, 0]
    falls = 'table = "usage", becomes = "coalesce(sum(quantity) filter (where age_days <= 2), 0) < 0.67 * 2 * 6"'
    shop = Small(tmp_path, RULES + action(falls), usage=(USAGE, *used("ana", cups), *used("bo", [6] * 19)))
    for day in range(4, 21):
        shop.decide(f"2026-02-{day:02d}")
    assert [(who, day) for who, _, day in shop.sent()] == [("ana", "2026-02-08"), ("ana", "2026-02-18")]


def test_before_the_first_decision_it_is_new_only_if_it_did_not_hold_the_day_before(tmp_path):
    falls = 'table = "usage", becomes = "coalesce(sum(quantity) filter (where age_days <= 2), 0) < 8"'
    rows = (USAGE, *used("ana", [6, 6, 6, 0]), *used("bo", [6, 0, 0, 0]))
    shop = Small(tmp_path, RULES + action(falls), usage=rows)
    shop.decide("2026-02-05")
    assert [who for who, _, _ in shop.sent()] == ["ana"]


def test_an_allowance_that_is_reached_opens_an_action_once(tmp_path):
    share = {"01": [0.5, 0.9, 0.1], "02": [0.8, 0.9, 0.1], "03": [0.9, 0.9, 0.1], "04": [0.1, 0.9, 0.8]}
    shop = Small(tmp_path, RULES + action('becomes = "used_share >= 0.8"'))
    # Of bo nobody knows whether it is new: what columns were before the first decision is not at hand.
    assert decided(shop, "01 02 03 04", used_share=share) == ["ana 02", "cy 04"]


def test_what_becomes_true_in_the_week_without_a_decision_is_acted_on_at_the_next(tmp_path):
    shop = Small(tmp_path, RULES + action('becomes = "used_share >= 0.8"'))
    share = {"01": [0.5, 0.1, 0.1], "09": [0.8, 0.1, 0.1], "10": [0.8, 0.1, 0.1]}
    assert decided(shop, "01 09 10", used_share=share) == ["ana 09"]


def test_a_reminder_goes_out_three_days_before_the_day_and_once_though_the_forecast_moves(tmp_path):
    shop = Small(tmp_path, RULES + action('date = "due_on", after_days = -3'))
    due = {
        "01": ["2026-03-05", "2026-03-04", None],
        "02": ["2026-03-05", "2026-03-05", None],
        "03": ["2026-03-05", "2026-03-06", None],
        "08": ["2026-03-20", "2026-03-11", "2026-03-31"],  # bo has bought, and buys once a week
    }
    assert decided(shop, "01 02 03 08", due_on=due) == ["bo 01", "ana 02", "bo 08"]


@pytest.mark.parametrize(
    ("born", "sent"),
    [("1990-03-04", ["ana 04"]), ("2026-03-04", []), ("1992-02-29", ["ana 28"]), ("not said", None), (None, [])],
)
def test_a_birthday_is_every_year(tmp_path, born, sent):
    shop = Small(tmp_path, RULES + action('date = "born", yearly = true'), ids=["ana"])
    days = ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-03", "2026-03-04", "2026-03-05"]
    if sent is None:
        with pytest.raises(DefinitionError, match=r"actions.note.*'not said'.*Expected a column of dates"):
            shop.decide(days[0], shop.scored(born=[born]))
        return
    for day in days:
        shop.decide(day, shop.scored(born=born))
    assert [f"{who} {day[-2:]}" for who, _, day in shop.sent()] == sent


def test_onboarding_is_three_dates(tmp_path):
    steps = "".join(action(f'date = "joined", after_days = {days}', name=f"day_{days}") for days in (1, 7, 30))
    shop = Small(tmp_path, RULES + steps, ids=["ana", "bo"])
    for day in ("02-02", "02-03", "02-08", "02-09", "03-03", "03-04"):
        shop.decide(f"2026-{day}", shop.scored(joined=["2026-02-01", "2026-02-02"]))
    assert shop.sent() == [
        ("ana", "day_1", "2026-02-02"), ("bo", "day_1", "2026-02-03"), ("ana", "day_7", "2026-02-08"),
        ("bo", "day_7", "2026-02-09"), ("ana", "day_30", "2026-03-03"), ("bo", "day_30", "2026-03-04"),
    ]  # fmt: skip


def test_a_date_may_be_told_by_the_days_since(tmp_path):
    shop = Small(tmp_path, RULES + action('date = "days_since_joined", after_days = 7'))
    since = {"01": [6.0, 7.0, 30.0], "02": [7.0, 8.0, 31.0], "03": [8.0, 9.0, 32.0]}
    assert decided(shop, "01 02 03", days_since_joined=since) == ["bo 01", "ana 02"]


def test_a_search_that_an_order_followed_is_none_to_answer(tmp_path):
    search = (
        'table = "engagement", expression = "count(*) filter (where kind = \'search\') > 0", '
        'unless = { table = "order_lines", expression = "count(*) > 0" }'
    )
    acts = (
        "customer_id occurred_at channel kind",
        *(f"{who} 2026-03-02T10:00 web search" for who in ("ana", "bo", "cy")),
    )
    orders = (
        "customer_id occurred_at order_id amount",
        "ana 2026-03-02T11:00 1 10",
        "bo 2026-03-02T09:00 2 10",
        "dee 2026-01-01 3 10",
    )
    shop = Small(tmp_path, RULES + action(search), engagement=acts, order_lines=orders)
    assert decided(shop, "03 04") == ["bo 03", "cy 03"]


def test_a_programme_asks_its_condition_as_well(tmp_path):
    shop = Small(tmp_path, RULES + action('date = "joined", after_days = 1', "when = \"joined_by = 'shop'\""))
    days = {"03": ["2026-03-02"] * 3}
    assert decided(shop, "03", joined=days, joined_by={"03": ["shop", "web", "shop"]}) == ["ana 03", "cy 03"]


def test_what_is_known_from_the_day_on_opens_nothing_on_it(tmp_path):
    falls = 'table = "usage", becomes = "coalesce(sum(quantity) filter (where age_days <= 2), 0) < 8"'
    for name, later in (("all", used("ana", [0, 0], 5)), ("cut", [])):
        shop = Small(tmp_path / name, RULES + action(falls), usage=(USAGE, *used("ana", [6, 6, 6, 6]), *later))
        shop.decide("2026-02-04")
        shop.decide("2026-02-05")
        assert shop.sent() == []


def test_facts_of_this_morning_touch_their_customers_and_nobody_else(tmp_path):
    payments = (PAYMENTS, "cy 2026-02-01 2026-02-01 p0 9 succeeded")
    shop = Small(tmp_path, RULES + FAILED + SAVE, payments=payments)
    shop.decide("2026-03-04")
    before = len(shop.ledger())
    shop.stage(payments=(*payments, "ana 2026-03-04 2026-03-04 p1 9 failed"))
    shop.decide("2026-03-04", at=time(9), since_last=True)
    shop.decide("2026-03-04", at=time(10), since_last=True)  # nothing has happened since
    own = shop.ledger().iloc[before:]
    assert {*own["customer_id"]} == {"ana"} and {*own["moment"]} == {"2026-03-04T09:00:00"}
    assert sorted(own["action"]) == ["failed", "nothing"]


@pytest.mark.parametrize(
    ("on", "says"),
    [
        ('table = "usage", days = 2', "expected one of expression"),
        ('table = "usage", expression = "count(*) > 0", becomes = "count(*) > 0"', "found expression and becomes"),
        ('date = "joined", table = "usage"', "date goes with after_days, days, yearly, not with table"),
        ('becomes = "count(*) > 3"', "holds an aggregate"),
        ('table = "usage", becomes = "quantity > 3"', "is no aggregate"),
        ('table = "usages", becomes = "count(*) > 3"', "usages"),
        ('becomes = "current_date > joined"', "Function"),
    ],
)
def test_a_trigger_that_says_too_little_or_too_much_is_refused(tmp_path, on, says):
    with pytest.raises(DefinitionError, match=says):
        Small(tmp_path, RULES + action(on))


def test_a_trigger_asks_only_columns_there_are(tmp_path):
    policy = Small(tmp_path, RULES + action('date = "joined"') + action('becomes = "usd > 1"', name="b")).policy
    check_when(policy, ["joined", "usd"], "source.toml")
    with pytest.raises(DefinitionError, match=r"actions.b\] on: .*usd"):
        check_when(policy, ["joined", "used"], "source.toml")
