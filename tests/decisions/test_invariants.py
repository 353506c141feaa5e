"""A company of 300 customers, decided on over five weeks: what no day may break, whatever was drawn.

``benchmarks/decision_days.py`` asks the same of 10,000 customers and a year, in ``make soak``.
"""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from broken import RULES, Lived, months
from company import NAME, Company, draw_policy
from small import CHANNEL, SAVE, Small

from tenure.decisions.ledger import SHORT, decision_files

FIRST, DAYS, CUSTOMERS, SEED = date(2026, 3, 1), 36, 300, 3
WHOLE = [*SHORT, "candidates"]


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Lived:
    """Every day of the first six, then every sixth: a scheduler that is asleep now and then."""
    toml = draw_policy(SEED, CUSTOMERS)
    company = Company(
        tmp_path_factory.mktemp("company"), SEED, CUSTOMERS, FIRST, DAYS, toml, restaged_every=15, every=6, rest=6
    )
    for _ in company.live():
        pass
    return Lived(company, company.ledger())


def test_no_day_fails_and_much_of_what_is_judged_has_happened(lived):
    assert lived.company.failed == {}
    statuses = lived.ledger["status"].value_counts()
    assert {"decided", "proposed", "rejected", "drawn"} <= {*statuses.index}
    assert {"best", "hold_out"} <= {*lived.ledger["arm"].dropna()} and len(lived.sends) > 100


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_is_never_broken(lived, rule):
    broken = [*rule(lived)]
    assert broken == [], f"{len(broken)} times"


def rows_of(path) -> pd.DataFrame:
    return pd.read_parquet(path).drop(columns="policy", errors="ignore")


def test_what_becomes_known_from_the_day_on_changes_no_decision_of_it(tmp_path):
    """Decide on all there ever will be, and on what was known before the day: the same file, to the byte."""
    company = Company(tmp_path / "whole", 5, 120, FIRST, 9, draw_policy(5, 120), restaged_every=4)
    compared = 0
    for number in range(0, company.days, 3):
        day = company.today = FIRST + timedelta(days=number)
        company.stage()
        then = company.copy_ledger(tmp_path / f"then{number}") if number else None
        if then:
            staged = company.stage(day, then.root)
            cut = company.decide(day, staged=staged, workspace=then)
        whole = company.decide(day)
        if then:
            assert cut.read_bytes() == whole.read_bytes()
            compared += 1
        company.answer(day)
        company.report(day + timedelta(days=1))
    assert compared == 2


def test_a_repeat_of_a_day_by_hand_decides_the_same_and_changes_nothing_that_stands(tmp_path):
    company = Company(tmp_path, 6, 120, FIRST, 3, draw_policy(6, 120))
    path = company.decide(FIRST)
    stands = company.ledger(columns=WHOLE)
    again = company.decide(FIRST, kind="manual")
    assert again != path and path in decision_files(company.workspace, NAME, "scheduled")
    pd.testing.assert_frame_equal(company.ledger(columns=WHOLE), stands)
    drafted = company.decide(FIRST, kind="manual")
    pd.testing.assert_frame_equal(rows_of(again), rows_of(drafted))


def held_by_month(tmp_path, share: float, customers: int, count: int) -> list[set[str]]:
    ids = [f"c{number}" for number in range(customers)]
    shop = Small(tmp_path, f"[decisions]\nhold_out = {share}\n{CHANNEL}{SAVE}", ids=ids)
    held = []
    for number in range(count):
        shop.decide(str(date(2026 + number // 12, number % 12 + 1, 10)))
    rows = shop.ledger()
    rows = rows[rows["arm"] == "hold_out"]
    for _, found in rows.groupby(pd.to_datetime(rows["as_of"]).dt.date.map(months)):
        held.append({*found["customer_id"]})
    return held


def test_the_hold_out_keeps_its_share_exchanges_a_twelfth_a_month_and_everybody_who_joins_stays_twelve_months(tmp_path):
    share, customers, count = 0.2, 2000, 14
    held = held_by_month(tmp_path, share, customers, count)
    assert len(held) == count
    for now in held:
        assert abs(len(now) - share * customers) < 4.5 * np.sqrt(customers * share * (1 - share))
    for before, now in zip(held, held[1:], strict=False):
        for moved in (before - now, now - before):
            part = share / 12
            assert abs(len(moved) - part * customers) < 4.5 * np.sqrt(customers * part * (1 - part))
    for number, now in enumerate(held[1:], start=1):
        joined = now - held[number - 1]
        for later in range(number, count):
            assert (joined <= held[later]) if later < number + 12 else not (joined & held[later])
