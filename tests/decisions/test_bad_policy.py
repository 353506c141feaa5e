"""What a company may write wrongly about its actions: one message each, and the honest twin that passes."""

import tomllib

import numpy as np
import pytest
from decided import decided
from small import CHANNEL, SAVE, Small

from tenure.core.errors import DefinitionError, NotEnoughDataError, TenureError
from tenure.decisions.document import check_when, read_policy
from tenure.sources.source import parse_source

CONTACTS = "customer_id occurred_at campaign_id channel decision_id"
ON = 'on = {{ table = "{}", expression = "{}" }}\n'
GOOD_ON = "count(*) filter (where status = 'failed') > 0"
CHURN = SAVE.replace('"lapse"', '"churn"')
COLUMNS = ("customer_id", "lapse_decile", "lapse_propensity", "value_12m")


def policy(rules: str):
    return read_policy(parse_source(f'name = "shop"\n{rules}', name="shop", where="source.toml"))


def when(condition: str) -> str:
    return CHANNEL + SAVE.replace("lapse_decile <= 5", condition)


# What is written, its honest twin, and what the message has to say: where, what was found, what was expected.
WRONG = {
    "a key of the rules": ("[decisions]\nbugdet = 5\n" + CHANNEL + SAVE, "[decisions]\nbudget = 5\n" + CHANNEL + SAVE, ("[decisions]", "'bugdet'", "'budget'")),
    "a key of a channel": (CHANNEL + "cots = 1\n" + SAVE, CHANNEL + "cost = 1\n" + SAVE, ("[channels.email]", "'cots'", "'cost'")),
    "a key of an action": (CHANNEL + SAVE + "rest_day = 3\n", CHANNEL + SAVE + "rest_days = 3\n", ("[actions.save]", "'rest_day'", "'rest_days'")),
    "a key of a trigger": (CHANNEL + SAVE + ON.format("payments", GOOD_ON).replace("table", "tabel"), CHANNEL + SAVE + ON.format("payments", GOOD_ON), ("[actions.save.on]", "'tabel'", "'table'")),
    "a key of a sequence": (CHANNEL + SAVE + 'then = { acton = "call", after_days = 3 }\n', CHANNEL + SAVE + 'then = { action = "call", after_days = 3 }\n' + SAVE.replace("save", "call"), ("[actions.save.then]", "'acton'", "'action'")),
    "a key of an audience": (CHANNEL + SAVE + '[audiences.vip]\nwhn = "lapse_decile = 1"\n', CHANNEL + SAVE + '[audiences.vip]\nwhen = "lapse_decile = 1"\n', ("[audiences.vip]", "'whn'", "'when'")),
    "a target that nobody defines": (CHANNEL + SAVE.replace('"lapse"', '"laps"'), CHANNEL + SAVE, ("[actions.save] moves", "'laps'", "'lapse'")),
    "two actions of one name": (CHANNEL + SAVE + SAVE, CHANNEL + SAVE + SAVE.replace("save", "call"), ("source.toml", "'save'", "twice")),
    "a budget below the cheapest contact": ("[decisions]\nbudget = 0.5\n" + CHANNEL + "cost = 0.6\n" + SAVE, "[decisions]\nbudget = 0.6\n" + CHANNEL + "cost = 0.6\n" + SAVE, ("[decisions] budget", "0.5", "0.6")),
    "a negative budget": ("[decisions]\nbudget = -1\n" + CHANNEL + SAVE, "[decisions]\nbudget = 1\n" + CHANNEL + SAVE, ("[decisions] budget", "-1")),
    "a channel that is not declared": (CHANNEL + SAVE.replace('["email"]', '["emial"]'), CHANNEL + SAVE, ("[actions.save] channels", "'emial'", "'email'")),
    "a table that there is not": (CHANNEL + SAVE + ON.format("paymnts", GOOD_ON), CHANNEL + SAVE + ON.format("payments", GOOD_ON), ("[actions.save] on", "'paymnts'", "'payments'")),
    "a table of things without a day": (CHANNEL + SAVE + ON.format("products", "count(*) > 0"), CHANNEL + SAVE + ON.format("order_lines", "count(*) > 0"), ("[actions.save] on", "'products'")),
    "a column that a table has not": (CHANNEL + SAVE + ON.format("payments", GOOD_ON.replace("status", "stauts")), CHANNEL + SAVE + ON.format("payments", GOOD_ON), ("[actions.save] on", "'stauts'", "'status'")),
    "a date in a trigger": (CHANNEL + SAVE + ON.format("payments", "max(occurred_at) > 0"), CHANNEL + SAVE + ON.format("payments", "max(age_days) > 0"), ("source.toml", "[actions.save] on", "occurred_at", "age_days")),
    "a trigger that is no aggregate": (CHANNEL + SAVE + ON.format("payments", "status = 'failed'"), CHANNEL + SAVE + ON.format("payments", GOOD_ON), ("[actions.save] on", "no aggregate")),
    "an action after that there is not": (CHANNEL + SAVE + 'then = { action = "cal", after_days = 3 }\n' + SAVE.replace("save", "call"), CHANNEL + SAVE + 'then = { action = "call", after_days = 3 }\n' + SAVE.replace("save", "call"), ("[actions.save] then", "'cal'", "'call'")),
    "a subquery": (when("lapse_decile = (select 1)"), when("lapse_decile = 1"), ("[actions.save] when", "subquery")),
    "a clock": (when("current_date > 5"), when("value_12m > 5"), ("[actions.save] when", "current_date")),
    "an aggregate": (when("max(lapse_decile) > 5"), when("lapse_decile > 5"), ("[actions.save] when", "aggregate")),
    "chance": (when("random() < 0.5"), when("lapse_propensity < 0.5"), ("[actions.save] when", "rand")),
    "no SQL": (when("lapse_decile <<"), when("lapse_decile < 5"), ("[actions.save] when", "lapse_decile <<")),
    "a tier": (CHANNEL + SAVE + 'tier = "aprove"\n', CHANNEL + SAVE + 'tier = "approve"\n', ("[actions.save] tier", "'aprove'", "'approve'")),
    "a service message that waits for approval": (CHANNEL + SAVE + 'service = true\ntier = "approve"\n', CHANNEL + SAVE + "service = true\n", ("[actions.save]", "service", "tier")),
    "a week without a day": ('[decisions]\nquiet = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]\n' + CHANNEL + SAVE, '[decisions]\nquiet = ["mon", "tue", "wed", "thu", "fri", "sat"]\n' + CHANNEL + SAVE, ("[decisions] quiet",)),
    "a day of no week": ('[decisions]\nquiet = ["sunday"]\n' + CHANNEL + SAVE, '[decisions]\nquiet = ["sun"]\n' + CHANNEL + SAVE, ("[decisions] quiet", "sun")),
    "nothing that opens it": (CHANNEL + SAVE.replace('when = "lapse_decile <= 5"\n', ""), CHANNEL + SAVE, ("[actions.save]", "when")),
    "nothing as its name": (CHANNEL + SAVE.replace("save", "nothing"), CHANNEL + SAVE, ("'nothing'",)),
    "nothing that it is worth": (CHANNEL + SAVE.replace('moves = "lapse"\n', ""), CHANNEL + SAVE.replace('moves = "lapse"', "worth = 2.0"), ("save", "moves", "worth")),
    "all held out": ("[decisions]\nhold_out = 1.0\n" + CHANNEL + SAVE, "[decisions]\nhold_out = 0.5\n" + CHANNEL + SAVE, ("[decisions] hold_out", "1.0")),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused_in_one_message_that_says_where_what_and_what_was_expected(what):
    wrong, _, said = WRONG[what]
    with pytest.raises(DefinitionError) as refused:
        policy(wrong)
    assert [part for part in said if part not in str(refused.value)] == [], str(refused.value)


@pytest.mark.parametrize("what", WRONG)
def test_its_honest_twin_passes(what):
    assert "save" in policy(WRONG[what][1]).actions


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(DefinitionError) as refused:
        policy(
            CHANNEL
            + SAVE.replace('"lapse"', '"laps"').replace('["email"]', '["emial"]').replace("lapse_decile", "now()")
        )
    assert all(part in str(refused.value) for part in ("'laps'", "'emial'", "'now'"))


def test_a_day_of_quiet_hours_at_noon_leaves_time_to_send(tmp_path):
    shop = Small(tmp_path, f'[decisions]\nhold_out = 0.0\nquiet = ["12:00-13:00"]\n{CHANNEL}{SAVE}')
    shop.decide("2026-03-02")
    rows = shop.ledger()
    acting = rows[rows["action"] != "nothing"]
    assert len(acting) and (acting["send_from"] < acting["send_until"]).all()


def test_a_condition_names_columns_that_customers_have():
    check_when(policy(when("lapse_decile <= 5")), COLUMNS, "source.toml")
    with pytest.raises(DefinitionError, match=r"\[actions.save\] when: .*'lapse_dezile'.*'lapse_decile'"):
        check_when(policy(when("lapse_dezile <= 5")), COLUMNS, "source.toml")
    with pytest.raises(DefinitionError, match=r"\[audiences.vip\] when: .*'valu_12m'.*'value_12m'"):
        check_when(policy(CHANNEL + SAVE + '[audiences.vip]\nwhen = "valu_12m > 5"\n'), COLUMNS, "source.toml")


@pytest.mark.parametrize("column", ["occurred_at", "first_order_date"])
def test_a_condition_on_a_date_is_refused_when_it_is_decided(tmp_path, column):
    shop = Small(tmp_path, when(f"{column} > 5").replace("'", ""))
    with pytest.raises(DefinitionError, match=rf"\[actions.save\] when: .*'{column}'"):
        decided(shop, "2026-03-02")


def test_an_action_whose_target_the_source_cannot_answer_is_refused(tmp_path):
    shop = Small(tmp_path / "good", CHANNEL + SAVE)
    assert len(decided(shop, "2026-03-02").decisions) == 3
    with pytest.raises(TenureError, match=r"(?s)\[actions.save\].*churn.*subscription"):
        decided(Small(tmp_path / "bad", CHANNEL + CHURN), "2026-03-02")


def test_a_trigger_on_a_table_that_the_source_has_not_is_said(tmp_path):
    rules = (
        CHANNEL
        + SAVE
        + SAVE.replace("save", "retry").replace('when = "lapse_decile <= 5"\n', ON.format("payments", GOOD_ON))
    )
    rows = ("customer_id occurred_at payment_id amount status", "ana 2026-01-01 p 9 failed")
    honest = decided(Small(tmp_path / "good", rules, payments=rows), "2026-03-02")
    assert not [each for each in honest.problems if each.about == "retry"]
    try:
        told = "\n".join(
            f"{each.about} {each.text}" for each in decided(Small(tmp_path / "bad", rules), "2026-03-02").problems
        )
    except TenureError as error:
        told = str(error)
    assert "retry" in told and "payments" in told, told


def test_a_file_in_the_sources_folder_brings_an_action_but_none_of_a_name_that_is_taken(tmp_path):
    shop = Small(tmp_path, CHANNEL + SAVE)
    folder = shop.workspace.raw("shop") / "actions"
    folder.mkdir()
    text = "from tenure.decisions.action import Action\nACTION = Action(name='{}', says='Call', channels=('email',), moves='lapse', when='lapse_decile = 1')\n"
    (folder / "call.py").write_text(text.format("call"))
    shop.stage()
    assert [*shop.policy.actions] == ["save", "call"] or {*shop.policy.actions} == {"save", "call"}
    (folder / "save.py").write_text(text.format("save"))
    with pytest.raises(DefinitionError, match=r"save.*"):
        shop.stage()


def test_an_action_of_a_file_is_checked_as_one_of_the_toml_is(tmp_path):
    shop = Small(tmp_path, CHANNEL + SAVE)
    folder = shop.workspace.raw("shop") / "actions"
    folder.mkdir()
    (folder / "call.py").write_text(
        "from tenure.decisions.action import Action\nACTION = Action(name='call', says='Call', channels=('phone',), moves='laps', when='now() > 1')\n"
    )
    with pytest.raises(DefinitionError) as refused:
        shop.stage()
    assert all(part in str(refused.value) for part in ("'phone'", "'laps'", "'now'"))


def test_a_source_without_actions_is_told_what_to_write():
    with pytest.raises(NotEnoughDataError, match=r"shop declares no action.*\[actions.<name>\]"):
        policy(CHANNEL)
    assert [*policy(CHANNEL + SAVE).actions] == ["save"]


def test_contacts_of_decisions_that_nobody_took_are_counted_and_no_others(tmp_path):
    shop = Small(
        tmp_path, f"[decisions]\nhold_out = 0.0\n{CHANNEL}{SAVE}", contacts=(CONTACTS, "ana 2026-03-01 x email -")
    )
    first = decided(shop, "2026-03-02")
    assert not [each for each in first.problems if each.code == "unknown_decisions"]
    own = first.decisions.loc[first.decisions["customer_id"] == "ana", "decision_id"].item()
    rows = (f"ana 2026-03-02 save email {own}", "bo 2026-03-02 save email nobody", f"cy 2026-03-02 save email {own}")
    shop.stage(contacts=(CONTACTS, *rows))
    told = [each for each in decided(shop, "2026-03-04").problems if each.code == "unknown_decisions"]
    assert [each.level for each in told] == ["warning"] and told[0].text.startswith("2 ")


def test_a_hold_out_share_changed_in_mid_year_is_told_and_nobody_leaves_early(tmp_path):
    ids = [f"c{number}" for number in range(400)]
    shop = Small(tmp_path, f"[decisions]\nhold_out = 0.2\n{CHANNEL}{SAVE}", ids=ids)
    first = decided(shop, "2026-03-02")
    assert not [each for each in first.problems if each.code == "hold_out_changed"]
    shop.toml = shop.toml.replace("0.2", "0.05")
    shop.stage()
    second = decided(shop, "2026-03-09")
    assert [each.level for each in second.problems if each.code == "hold_out_changed"] == ["warning"]
    held = [{*day.decisions.loc[day.decisions["arm"] == "hold_out", "customer_id"]} for day in (first, second)]
    assert held[0] == held[1] and len(held[0]) > 40


@pytest.mark.parametrize(("share", "is_told"), [(0.05, True), (0.5, False)])
def test_two_thousand_customers_are_told_that_it_cannot_be_told(tmp_path, share, is_told):
    shop = Small(
        tmp_path, f"[decisions]\nhold_out = {share}\n{CHANNEL}{SAVE}", ids=[f"c{number}" for number in range(2000)]
    )
    told = [each for each in decided(shop, "2026-03-02").problems if "cannot be told" in each.text]
    assert bool(told) == is_told
    assert not is_told or "2,000 customers" in told[0].text


def test_nobody_to_decide_on_is_an_empty_day_or_one_message(tmp_path):
    shop = Small(tmp_path, CHANNEL + SAVE, ids=[])
    scored = Small(tmp_path / "typed", CHANNEL + SAVE).scored()[:0]
    try:
        day = decided(shop, "2026-03-02", scored)
    except TenureError as error:
        assert "customer" in str(error)
    else:
        assert day.decisions.empty


def test_adding_an_action_takes_eight_lines_of_toml(tmp_path):
    shop = Small(tmp_path, f"[decisions]\nhold_out = 0.0\nexplore = 0.0\n{CHANNEL}{SAVE}")
    shop.decide("2026-03-02")
    added = """[actions.call]
says = "A call"
moves = "lapse"
when = "lapse_decile = 9"
channels = ["email"]
effect = 0.5
cost = 1.5
rest_days = 90
"""
    assert len(added.splitlines()) == 8 and tomllib.loads(added)
    shop.toml += added
    shop.stage()
    shop.decide("2026-03-03", shop.scored(lapse_decile=[9, 1, 1]))
    assert ("ana", "call", "2026-03-03") in shop.sent()


@pytest.mark.parametrize("bad", [np.inf, -5.0])
def test_a_stake_that_is_no_amount_is_not_acted_on(tmp_path, bad):
    shop = Small(tmp_path, f"[decisions]\nhold_out = 0.0\nexplore = 0.0\nbudget = 100\n{CHANNEL}cost = 1\n{SAVE}")
    shop.decide("2026-03-02", shop.scored(lapse_at_stake=[bad, 100.0, 100.0]))
    assert [one[0] for one in shop.sent()] == ["bo", "cy"]


def test_a_day_after_which_was_decided_is_refused(tmp_path):
    shop = Small(tmp_path, CHANNEL + SAVE)
    shop.decide("2026-03-03")
    with pytest.raises(TenureError, match="2026-03-03"):
        shop.decide("2026-03-02")


def test_consent_of_a_kind_nobody_was_asked_for_is_refused(tmp_path):
    words = ("customer_id occurred_at consent_email", "ana 2026-01-01 true")
    good = Small(tmp_path / "good", f"[decisions]\nhold_out = 0.0\n{CHANNEL}{SAVE}", customers=words)
    good.decide("2026-03-02")
    assert good.sent()
    bad = Small(tmp_path / "bad", "[channels.email]\nconsent = 'emial'\n" + SAVE, customers=words)
    with pytest.raises(DefinitionError, match=r"\[channels.email\] consent: .*'emial'.*email"):
        bad.decide("2026-03-02")
