"""Churn and upsell on subscriptions that can be checked by eye."""

import sys
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from tables import staged, write_csv
from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.plugins import plugins_key
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.sources.source import parse_source
from tenure.steps.opening import open_run
from tenure.targets.catalogue import all_targets, check_targets, find_target, targets_of
from tenure.targets.definition import answers

CUTOFF = date(2024, 4, 1)
HEADER = "customer_id occurred_at known_at subscription_id event plan term_days"


def asked(root, target, *rows):
    toml = '[targets.upsell]\ntop_plan = "Office"\n'
    snapshots = Snapshots(Workspace(root), staged(root, toml, subscription_events=(HEADER, *rows)), date(2024, 8, 1))
    snapshots.build_labels(snapshots.targets[target], [CUTOFF])
    table = pd.read_parquet(snapshots.labels_path(snapshots.targets[target], CUTOFF))
    return dict(zip(table["customer_id"], table["label"], strict=True))


def test_who_is_asked_whether_they_churn(tmp_path):
    rows = (
        "live 2024-03-10 2024-03-10 s1 started Solo 30",
        "ended 2024-02-01 2024-02-01 s2 started Solo 30",
        "ended 2024-03-02 2024-03-02 s2 ended Solo 30",
        "asked_to_cancel 2024-03-10 2024-03-10 s3 started Solo 30",
        "asked_to_cancel 2024-03-20 2024-03-20 s3 cancel_requested Solo -",
        "cancel_known_late 2024-03-10 2024-03-10 s4 started Solo 30",
        "cancel_known_late 2024-03-30 2024-04-02 s4 cancel_requested Solo -",
        "on_trial 2024-03-25 2024-03-25 s5 trial_started Solo -",
        "yearly_not_due 2024-03-01 2024-03-01 s6 started Solo 365",
        "yearly_due 2023-04-10 2023-04-10 s7 started Solo 365",
        "no_term 2023-01-01 2023-01-01 s8 started Solo -",
        "due_on_the_cutoff 2024-03-02 2024-03-02 s9 started Solo 30",
        "due_the_month_after 2024-03-01 2024-03-01 s10 started Solo 30",  # 30 days are a calendar month: April 1
    )
    expected = {"live", "cancel_known_late", "yearly_due", "no_term", "due_on_the_cutoff", "due_the_month_after"}
    assert set(asked(tmp_path, "churn", *rows)) == expected


def test_churn_is_an_end_inside_the_horizon_without_a_restart_within_the_grace(tmp_path):
    rows = [
        f"{who} 2024-03-10 2024-03-10 {who}1 started Solo 30"
        for who in ("stays", "first", "last", "after", "back", "back_for_good", "again", "resumes", "late", "moves")
    ]
    rows += [
        "stays 2024-04-09 2024-04-09 stays1 renewed Solo 30",
        "first 2024-04-01 2024-04-01 first1 ended Solo -",  # the cutoff day
        "last 2024-04-30T23:00 2024-04-30T23:00 last1 ended Solo -",  # the last day of 30
        "after 2024-05-01 2024-05-01 after1 ended Solo -",  # the day after
        "back 2024-04-09 2024-04-09 back1 ended Solo -",
        "back 2024-04-23 2024-04-23 back2 started Duo 30",  # 14 days later: a restart
        "back_for_good 2024-04-02 2024-04-02 back_for_good1 ended Solo -",
        "back_for_good 2024-04-05 2024-04-05 back_for_good2 started Solo 30",
        "back_for_good 2024-05-05 2024-05-05 back_for_good2 renewed Solo 30",  # what follows a restart does not undo it
        "again 2024-04-02 2024-04-02 again1 ended Solo -",
        "again 2024-04-05 2024-04-05 again2 started Solo 30",
        "again 2024-04-20 2024-04-20 again2 ended Solo -",  # ended for good after the restart
        "resumes 2024-04-03 2024-04-03 resumes1 resumed Solo -",  # before the end: no restart of it
        "resumes 2024-04-20 2024-04-20 resumes1 ended Solo -",
        "late 2024-04-09 2024-04-09 late1 ended Solo -",
        "late 2024-04-24 2024-04-24 late2 started Duo 30",  # 15 days later: too late
        "moves 2024-04-09 2024-04-09 moves1 upgraded Duo -",  # a plan change is no end
    ]
    labels = asked(tmp_path, "churn", *rows)
    kept = dict.fromkeys(("stays", "after", "back", "back_for_good", "moves"), 0)
    assert labels == kept | dict.fromkeys(("first", "last", "again", "resumes", "late"), 1)


def test_upsell_asks_below_the_top_plan_and_counts_upgrades_and_addons(tmp_path):
    rows = [f"{who} 2024-03-10 2024-03-10 {who}1 started Solo 30" for who in ("stays", "up", "addon", "down", "late")]
    rows += [
        "top 2024-03-10 2024-03-10 top1 started Office 30",
        "up 2024-05-30 2024-05-30 up1 upgraded Duo -",  # day 60: the last one
        "late 2024-05-31 2024-05-31 late1 upgraded Duo -",
        "addon 2024-04-01 2024-04-01 addon1 addon_bought Solo -",
        "down 2024-04-10 2024-04-10 down1 downgraded Solo -",
    ]
    assert asked(tmp_path, "upsell", *rows) == {"stays": 0, "up": 1, "addon": 1, "down": 0, "late": 0}


def test_convert_asks_the_newly_registered_who_never_paid_with_or_without_a_trial(tmp_path):
    toml = "[targets.convert]\nhorizon_days = 30\neligible_days = 60\n"
    registered = (
        "customer_id occurred_at known_at",
        "no_events 2024-03-01 2024-03-01",  # nothing but a registration: asked, and does not start
        "starts 2024-03-01 2024-03-01",
        "on_trial 2024-02-01 2024-02-01",  # 60 days before: the first day that counts
        "too_old 2024-01-31 2024-01-31",
        "moved 2023-05-01 2023-05-01",
        "moved 2024-03-20 2024-03-20",  # a new address is no new registration
        "paid 2024-03-01 2024-03-01",
        "paid_known_late 2024-03-01 2024-03-01",
        "unknown_yet 2024-03-20 2024-04-01",
    )
    events = (
        HEADER,
        "starts 2024-04-30T20:00 2024-04-30T20:00 s1 started Solo 30",
        "on_trial 2024-03-25 2024-03-25 s2 trial_started Solo -",
        "on_trial 2024-05-01 2024-05-01 s2 started Solo 30",  # the day after the horizon
        "too_old 2024-04-02 2024-04-02 s3 started Solo 30",
        "paid 2024-03-05 2024-03-05 s4 started Solo 30",
        "paid 2024-03-20 2024-03-20 s4 ended Solo -",
        "paid_known_late 2024-03-05 2024-04-02 s5 started Solo 30",
    )
    tables = staged(tmp_path, toml, customers=registered, subscription_events=events)
    snapshots = Snapshots(Workspace(tmp_path), tables, date(2024, 8, 1))
    target = snapshots.targets["convert"]
    snapshots.build_labels(target, [CUTOFF])
    found = pd.read_parquet(snapshots.labels_path(target, CUTOFF))
    expected = {"no_events": 0, "on_trial": 0, "paid_known_late": 0, "starts": 1}
    assert dict(zip(found["customer_id"], found["label"], strict=True)) == expected


def test_a_target_that_names_nobody_is_refused():
    convert = all_targets()["convert"]
    with pytest.raises(DefinitionError, match="nobody is named"):
        replace(convert, eligible=convert.eligible[1:])


def test_a_source_gives_a_target_its_own_numbers_and_unknown_ones_are_refused():
    own = targets_of(parse_source("[targets.lapse]\nhorizon_days = 28\n", name="x", where="x"))["lapse"]
    assert own.horizon_days == 28 and "28 days" in own.describe()
    with pytest.raises(DefinitionError, match="Did you mean 'horizon_days'"):
        targets_of(parse_source("[targets.lapse]\nhorizon_day = 28\n", name="x", where="x"))
    with pytest.raises(DefinitionError, match="Did you mean 'lapse'"):
        targets_of(parse_source("[targets.laps]\nhorizon_days = 28\n", name="x", where="x"))


@pytest.mark.parametrize("target", all_targets().values(), ids=lambda t: t.name)
def test_a_target_says_its_question_with_its_numbers(target):
    assert "{" not in target.describe() + target.describe_eligible()
    assert str(target.horizon_days) in target.describe()


def test_a_source_holds_features_monotone_and_a_misspelt_one_is_refused():
    held = parse_source("[targets.lapse.monotone]\ndays_since_order = 1\n", name="shop", where="shop.toml")
    assert targets_of(held)["lapse"].monotone == {"days_since_order": 1}
    assert targets_of(held)["churn"].monotone == all_targets()["churn"].monotone
    misspelt = parse_source("[targets.lapse.monotone]\ndays_since_ordr = 1\n", name="shop", where="shop.toml")
    with pytest.raises(DefinitionError, match=r"\[targets.lapse\] monotone: .*Did you mean 'days_since_order'"):
        targets_of(misspelt)
    for wrong in ("0", '"up"'):
        text = f"[targets.lapse.monotone]\ndays_since_order = {wrong}\n"
        with pytest.raises(DefinitionError, match="expected 1 .only raises. or -1"):
            targets_of(parse_source(text, name="shop", where="shop.toml"))


def test_a_misspelt_target_of_the_source_is_told_before_anything_is_staged(tmp_path):
    workspace = Workspace(tmp_path)
    write_csv(
        workspace.raw("shop") / "order_lines.csv", "customer_id occurred_at order_id amount", "ana 2024-01-05 1 9"
    )
    (workspace.raw("shop") / "source.toml").write_text("[targets.lapze]\nhorizon_days = 30\n")
    with pytest.raises(DefinitionError, match="Did you mean 'lapse'"):
        open_run("shop", workspace=str(tmp_path))
    assert not workspace.staged("shop").exists()


def test_a_model_answers_the_question_it_was_fitted_for_and_an_old_one_is_known_by_its_words_and_days():
    lapse = all_targets()["lapse"]
    window = {"horizon_days": lapse.horizon_days, "lead_days": lapse.lead_days, "label_lag_days": lapse.label_lag_days}
    old = {"question": lapse.describe(), **window}
    for about in ({"definition": lapse.fingerprint}, {**old, "definition": lapse.fingerprint}, old):
        assert answers(about, lapse)
        assert not answers(about, replace(lapse, horizon_days=lapse.horizon_days - 30))
    assert not answers(old, replace(lapse, label_lag_days=7)) and not answers({}, lapse)
    # Its words are the same, what counts is not.
    asked_otherwise = replace(lapse, outcome=replace(lapse.outcome, expression="count(*) = 0"))
    assert not answers({"definition": lapse.fingerprint}, asked_otherwise)


WINBACK = """
from dataclasses import replace
from tenure.targets.lapse import TARGET as LAPSE
TARGET = replace(LAPSE, name="winback")
"""


def brought(folder, **files):
    for name, text in files.items():
        (folder / "targets").mkdir(exist_ok=True)
        (folder / "targets" / f"{name}.py").write_text(text)
    return replace(parse_source("[targets.winback]\nhorizon_days = 28\n", name="x", where="x"), folder=folder)


def test_a_target_in_a_file_of_the_source_is_found_with_the_sources_numbers_and_for_this_source_alone(tmp_path):
    source = brought(tmp_path, winback=WINBACK, _helper="raise ValueError")
    assert targets_of(source)["winback"].horizon_days == 28
    assert find_target("winback", source).horizon_days == 90
    assert "winback" not in all_targets()
    with pytest.raises(UnknownNameError, match="Target 'winbak' is not defined.*Did you mean 'winback'"):
        check_targets(["lapse", "winbak"], source)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("winback", "1 / 0", r"winback.py cannot be loaded: .*division by zero.* Mend or remove it"),
        ("winback", "TARGETS = []", r"winback.py holds no TARGET. Expected one; a file that is none begins with '_'"),
        ("winback", "TARGET = 1", r"winback.py: its TARGET is of type int. Expected Target"),
        ("win_back", WINBACK, r"win_back.py: its TARGET is named 'winback'. Expected 'win_back'"),
        ("lapse", WINBACK.replace('"winback"', '"lapse"'), r"lapse.py brings 'lapse', which is built in"),
        ("win back", WINBACK.replace('"winback"', '"win back"'), r"Target 'win back' cannot be a folder's name"),
    ],
)
def test_a_file_that_brings_no_target_is_one_clear_message(tmp_path, name, text, message):
    with pytest.raises(DefinitionError, match=message):
        all_targets(brought(tmp_path, **{name: text}))


def installed(root, monkeypatch):
    """Lay out a package as pip does, whose target uses a module beside it."""
    (info := root / "site" / "shop-1.0.dist-info").mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tenure.targets]\nwinback = shop_targets.winback:TARGET\n")
    (package := root / "site" / "shop_targets").mkdir()
    (package / "__init__.py").touch()
    (package / "beside.py").write_text("DAYS = 90\n")
    (package / "winback.py").write_text("from shop_targets.beside import DAYS\n" + WINBACK)
    monkeypatch.syspath_prepend(root / "site")
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_targets"]:
        monkeypatch.delitem(sys.modules, name)
    return package


def test_a_target_of_an_installed_package_is_found_for_every_source_and_its_key_follows_the_package(
    tmp_path, monkeypatch
):
    package = installed(tmp_path, monkeypatch)
    assert all_targets()["winback"].question == all_targets()["lapse"].question
    before = plugins_key(None)
    (package / "beside.py").write_text("DAYS = 60\n")
    assert plugins_key(None) != before


def test_two_targets_of_one_name_are_refused(tmp_path, monkeypatch):
    source = brought(tmp_path, winback=WINBACK)
    installed(tmp_path, monkeypatch)
    with pytest.raises(DefinitionError, match="shop 1.0 .* and .*winback.py both bring 'winback'. Expected one"):
        all_targets(source)


def test_the_code_of_what_is_brought_has_a_key(tmp_path):
    none, one = plugins_key(tmp_path), plugins_key(brought(tmp_path, winback=WINBACK).folder)
    assert one != none and plugins_key(tmp_path) == one
    assert plugins_key(brought(tmp_path, winback=WINBACK + "# changed\n").folder) not in (none, one)


def test_outcomes_of_churn_are_certain_no_sooner_than_twice_the_grace_after_the_window():
    def lag(toml):
        return targets_of(parse_source(f"[targets.churn]\n{toml}\n", name="x", where="x"))["churn"].label_lag_days

    assert (lag("grace_days = 30"), lag("grace_days = 7"), lag("label_lag_days = 90")) == (60, 28, 90)


def test_trials_of_addons_second_subscriptions_same_days_pauses_and_switches(tmp_path):
    rows = [
        "addon_trial 2024-03-10 2024-03-10 p1 started Solo -",
        "addon_trial 2024-03-25 2024-03-25 t1 trial_started Add -",
        "addon_trial 2024-04-25 2024-04-25 t1 ended Add -",
        "charged_and_gone 2024-03-10 2024-03-10 z1 started Solo 30",
        "charged_and_gone 2024-04-09T06:00 2024-04-09T06:00 z1 renewed Solo 30",
        "charged_and_gone 2024-04-09T09:30 2024-04-09T09:30 z1 ended Solo -",
        "gone_next_day 2024-03-10 2024-03-10 z2 started Solo 30",
        "gone_next_day 2024-04-09T06:00 2024-04-09T06:00 z2 renewed Solo 30",
        "gone_next_day 2024-04-10T09:30 2024-04-10T09:30 z2 ended Solo -",
        "paused_for_a_year 2023-02-10 2023-02-10 q1 started Solo -",
        "paused_for_a_year 2023-03-10 2023-03-10 q1 paused Solo -",
        "switched_at_once 2024-01-10 2024-01-10 r1 started Solo -",
        "switched_at_once 2024-03-10T12:00 2024-03-10T12:00 r1 ended Solo -",
        "switched_at_once 2024-03-10T12:00 2024-03-10T12:00 r1 started Duo -",
        "switched_a_second_later 2024-01-10 2024-01-10 r2 started Solo -",
        "switched_a_second_later 2024-03-10T12:00 2024-03-10T12:00 r2 ended Solo -",
        "switched_a_second_later 2024-03-10T12:00:01 2024-03-10T12:00:01 r2 started Duo -",
        "stays_after_all 2024-01-10 2024-01-10 u1 started Solo -",
        "stays_after_all 2024-03-10 2024-03-10 u1 cancel_requested Solo -",
        "stays_after_all 2024-03-10 2024-03-10 u1 resumed Solo -",
    ]
    for who, day in (("same_day", "2024-04-09"), ("14_later", "2024-04-23"), ("15_later", "2024-04-24")):
        rows += [
            f"other_renews_{who} 2024-03-10 2024-03-10 x{who} started Solo -",
            f"other_renews_{who} 2024-01-01 2024-01-01 y{who} started Duo -",
            f"other_renews_{who} 2024-04-09 2024-04-09 x{who} ended Solo -",
            f"other_renews_{who} {day} {day} y{who} renewed Duo -",
        ]
    labels = asked(tmp_path, "churn", *rows)
    stay = ("addon_trial", "switched_at_once", "switched_a_second_later", "stays_after_all")
    others = ("other_renews_same_day", "other_renews_14_later", "other_renews_15_later")
    assert labels == dict.fromkeys((*stay, *others), 0) | {"charged_and_gone": 1, "gone_next_day": 1}


def test_upsell_asks_on_the_plan_that_holds_since_a_downgrade_on_the_day_of_the_renewal(tmp_path):
    rows = (
        "down 2024-01-10 2024-01-10 v1 started Office -",
        "down 2024-03-10 2024-03-10 v1 renewed Office -",
        "down 2024-03-10 2024-03-10 v1 downgraded Solo -",
        "on_top 2024-01-10 2024-01-10 w1 started Office -",
    )
    assert asked(tmp_path, "upsell", *rows) == {"down": 0}
