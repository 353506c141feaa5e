"""Which incentive brings most for what it costs: measured effects per cost, what is given to who takes it included."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from tenure.measure.campaigns import Measured

PER = 100  # of the source's currency
COLUMNS = ["action", "campaign", "outcome", "unit", "treated", "control", "effect", "low", "high", "cost", "per_100", "per_100_low", "per_100_high", "beside_best"]  # fmt: skip
BEST, OVERLAPS, BELOW = "best", "not told apart from the best", "below the best"


def incentives(measured: Measured, given: Mapping[str, float], fewer_is_better: Collection[str]) -> pd.DataFrame:
    """Compare every action with a randomised arm, over its campaigns and in each, by its effect per 100 of money.

    ``given``: what an action gives to who takes it, per contact, in the source's currency; ``fewer_is_better``: outcomes
    that customers are to be kept from.

    => COLUMNS: of each outcome the best first. effect: what is won per customer assigned, in the outcome's unit; cost:
       of one, contact and gift; per_100: effect for 100 spent, empty of what costs nothing, which stands first;
       beside_best: best, or whether its interval and the best's overlap, actions and campaigns apart
    """
    if measured.effects.empty or (own := _single(measured)).empty:
        return pd.DataFrame(columns=COLUMNS)
    signs = np.where(own["outcome"].isin(fewer_is_better), -1, 1)
    ends = np.sort(own[["sure_low", "sure_high"]].to_numpy() * signs[:, None], axis=1)
    cost = own["cost"] / own["treated"] + own["action"].map(given).fillna(0.0)
    table = own.assign(effect=own["effect"] * signs, low=ends[:, 0], high=ends[:, 1], cost=cost)
    for name, end in (("per_100", "effect"), ("per_100_low", "low"), ("per_100_high", "high")):
        table[name] = PER * table[end] / table["cost"].where(table["cost"] > 0)
    table["of_campaign"] = table["campaign"] != ""
    beside = ["of_campaign", "outcome"]
    table = table.sort_values([*beside, "per_100", "effect"], ascending=[True, True, False, False], na_position="first")
    best = table.groupby(beside)[["per_100_low", "per_100"]].transform("first")
    others = np.where(table["per_100_high"] < best["per_100_low"], BELOW, OVERLAPS)
    table["beside_best"] = np.where(table.duplicated(beside), others, BEST)
    return table[COLUMNS].reset_index(drop=True)


def _single(measured: Measured) -> pd.DataFrame:
    """Take what was measured of one action at the horizon: all outcomes over its campaigns, the main one in each of several."""
    effects = measured.effects[measured.effects["window"] == "horizon"]
    of_campaign = effects["campaign"].map(measured.campaigns.set_index("campaign")["actions"])
    own = effects.assign(action=effects["action"].where(effects["level"] != "campaign", of_campaign))
    over = own[own["level"] == "action"]
    each = own[own["level"].isin(["campaign", "arm"]) & own["is_main"] & own["action"].isin(over["action"])]
    return pd.concat([over, each[each.groupby("action")["campaign"].transform("nunique") > 1]])
