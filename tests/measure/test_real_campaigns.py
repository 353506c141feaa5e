"""Randomised tests of the world, mapped by a source.toml each: effects, intervals and money equal a calculation of their own."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tenure.core.time_windows import parse_date
from tenure.core.workspace import Workspace
from tenure.measure.campaigns import measure_campaigns
from tenure.snapshots.build import Snapshots
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source


def measured(root, test_data, name, folder, as_of):
    workspace = Workspace(root)
    raw = workspace.raw(name)
    raw.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / f"{name}.toml", raw / "source.toml")
    for path in (test_data / folder).glob("*.parquet"):
        shutil.copy(path, raw)
    staged = stage_source(workspace, read_source(workspace, name))
    return measure_campaigns(Snapshots(workspace, staged, parse_date(as_of)))


def welch(treated, control):
    peer = stats.ttest_ind(treated, control, equal_var=False)
    interval = peer.confidence_interval(0.95)
    return [np.mean(treated) - np.mean(control), interval.low, interval.high]


def adjusted(own, outcome, covariates):
    """Least squares on the arm and covariates, rows weighted by 1 / (n (n - 1)); the error from the residuals of each arm."""
    treated = own["treated"].to_numpy(float)
    count = np.where(treated, treated.sum(), (1 - treated).sum())
    design = np.column_stack([np.ones(len(own)), treated, *(own[name] for name in covariates)])
    weighted = design / (count * (count - 1))[:, None]
    slopes = np.linalg.solve(weighted.T @ design, weighted.T @ own[outcome].to_numpy(float))
    squared = (own[outcome] - design @ slopes) ** 2
    return slopes[1], np.sqrt((squared / (count * (count - 1 - len(covariates)))).sum())


def test_hillstrom(tmp_path, test_data):
    """Known of the challenge: visits +7.7 points for the men's mail, +4.5 for the women's."""
    found = measured(tmp_path, test_data, "hillstrom", "hillstrom", "2008-04-03")
    raw = pd.read_parquet(test_data / "hillstrom" / "hillstrom.parquet")
    raw = raw.assign(bought=raw["spend"] > 0, year=np.log1p(raw["history"]), mailed=raw["segment"] != "No E-Mail")
    for action in ("Mens E-Mail", "Womens E-Mail"):
        own = raw[raw["segment"].isin([action, "No E-Mail"])].assign(treated=lambda t: t["mailed"])
        effects = found.effects.query("level == 'arm' and action == @action and window == 'horizon'").set_index(
            "outcome"
        )
        for outcome, column in (("visited", "visit"), ("ordered", "bought"), ("order_amount", "spend")):
            ours = effects.loc[outcome]
            values = [own.loc[own["treated"] == arm, column].astype(float) for arm in (True, False)]
            assert ours[["plain_effect", "plain_low", "plain_high"]].tolist() == pytest.approx(welch(*values), rel=1e-6)
        effect, error = adjusted(own, "visit", ["year"])
        assert effects.loc["visited", ["effect", "error"]].tolist() == pytest.approx([effect, error], rel=1e-6)
        money, treated = effects.loc["order_amount"], int(own["treated"].sum())
        assert money["margin"] == pytest.approx(money["effect"] * 0.3 * treated - 0.02 * treated)
        assert money["romi"] == pytest.approx(money["margin"] / (0.02 * treated))
    men, women = (found.effects.query("outcome == 'visited' and window == 'horizon' and action == @a and level == 'arm'").iloc[0]
                  for a in ("Mens E-Mail", "Womens E-Mail"))  # fmt: skip
    assert (round(men.plain_effect, 3), round(women.plain_effect, 3)) == (0.077, 0.045)
    assert found.campaigns[["reason", "treated", "control"]].values.tolist() == [["", 42_694, 21_306]]


def test_starbucks_offers(tmp_path, test_data):
    found = measured(tmp_path, test_data, "starbucks", "starbucks_offers", "2018-01-31")
    events = pd.read_parquet(test_data / "starbucks_offers" / "transcript.parquet")
    profile = pd.read_parquet(test_data / "starbucks_offers" / "profile.parquet")["id"]
    bought = events[events["event"] == "transaction"].assign(
        amount=lambda t: t["value"].str.extract(r": ([0-9.e-]+)")[0].astype(float).round(4)
    )
    received = events[events["event"] == "offer received"]
    for wave, day in ((0, 0), (336, 14), (504, 21)):
        inside = bought[(bought["time"] >= wave) & (bought["time"] < wave + 7 * 24)]
        spent = profile.map(inside.groupby("person")["amount"].sum()).fillna(0.0)
        treated = profile.isin(received.loc[received["time"] == wave, "person"])
        ours = found.effects.query(
            "level == 'campaign' and campaign == @name and window == 'horizon'", local_dict={"name": f"day {day}"}
        )
        ours = ours.set_index("outcome")
        for outcome, values in (("order_amount", spent), ("ordered", (spent > 0).astype(float))):
            plain = ours.loc[outcome, ["plain_effect", "plain_low", "plain_high"]].tolist()
            assert plain == pytest.approx(welch(values[treated], values[~treated]), rel=1e-6)
        money = ours.loc["order_amount"]
        cost = 0.05 * treated.sum()
        assert money["romi"] == pytest.approx((money["effect"] * 0.3 * treated.sum() - cost) / cost)
    checked = found.campaigns.set_index("campaign")["reason"]
    assert checked.pop("day 24") == "the first outcomes are certain on 2018-02-01" and set(checked) == {""}


def test_mailings_of_a_grocer_that_held_nobody_out_have_no_effect(tmp_path, test_data):
    """complete_journey, by the mapping that ships: 30 campaigns, no control."""
    workspace = Workspace(tmp_path)
    raw = workspace.raw("complete_journey")
    shutil.copytree(test_data / "complete_journey", raw)
    pd.read_parquet(raw / "transactions.parquet").head(20_000).to_parquet(raw / "transactions.parquet")
    staged = stage_source(workspace, read_source(workspace, "complete_journey"))
    found = measure_campaigns(Snapshots(workspace, staged, parse_date("2018-01-01")))
    assert found.effects.empty and len(found.campaigns) > 20
    assert set(found.campaigns["reason"]) == {"nobody was held out at random: its contacts name no arm"}
