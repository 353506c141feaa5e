"""Decisions read as a log of draws: what was open, what was drawn, with what chance."""

from datetime import date

import pytest
from small import CHANNEL, SAVE, Small

from tenure.core.errors import NotEnoughDataError
from tenure.decisions.logged import logged_draws
from tenure.effects.off_policy import value_of_policy

CALL = '[actions.call]\nsays = "Call"\nmoves = "lapse"\nwhen = "lapse_at_stake >= 100"\nchannels = ["email"]\neffect = 0.3\n'
WAVE = f"[decisions]\nwaves = 1\nhold_out = 0.0\n{CHANNEL}{SAVE}{CALL}"


def test_a_wave_gives_each_open_action_and_nothing_the_same_chance(tmp_path):
    ids = [f"c{number:03d}" for number in range(300)]
    shop = Small(tmp_path, WAVE, ids=ids)
    # The first hundred are worth too little for a call; the last hundred gave no consent to anything.
    scored = shop.scored(lapse_at_stake=[50.0] * 100 + [100.0] * 200, consent_email=[True] * 200 + [False] * 100)
    shop.decide("2026-03-02", scored)
    rows, is_open = logged_draws(shop.workspace, "shop", "scheduled", date(2026, 3, 3))
    assert rows["customer_id"].tolist() == ids[:200]  # to the others nothing was open
    assert is_open["save"].all() and is_open["call"].tolist() == [False] * 100 + [True] * 100
    assert is_open["best"].tolist() == ["save"] * 100 + ["call"] * 100
    assert rows["chance"].round(4).tolist() == [0.5] * 100 + [0.3333] * 100
    counts = rows[100:]["action"].value_counts()
    assert set(counts.index) == {"nothing", "save", "call"} and counts.min() > 15
    assert set(rows[:100]["action"]) == {"nothing", "save"}
    nothing = is_open[["save", "call"]].assign(nothing=1.0, save=0.0, call=0.0)
    with pytest.raises(NotEnoughDataError, match="Expected at least 100"):  # about 85 of the 200 got nothing
        value_of_policy(rows.assign(reward=1.0), nothing)
    drawn = nothing.assign(nothing=0.4, save=0.35, call=0.25).where(
        is_open["call"], nothing.assign(nothing=0.5, save=0.5)
    )
    assert value_of_policy(rows.assign(reward=1.0), drawn).weighted.value == 1.0


def test_days_to_come_are_not_read(tmp_path):
    shop = Small(tmp_path, WAVE)
    shop.decide("2026-03-02")
    rows, _ = logged_draws(shop.workspace, "shop", "scheduled", date(2026, 3, 2))
    assert rows.empty
