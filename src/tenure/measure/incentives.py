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
       beside_best: best, or whether its interval and the best's overlap
    """
    found = measured.effects
    if found.empty or (own := _single(measured)).empty:
        return pd.DataFrame(columns=COLUMNS)
    signs = np.where(own["outcome"].isin(fewer_is_better), -1, 1)
    ends = np.sort(own[["sure_low", "sure_high"]].to_numpy() * signs[:, None], axis=1)
    cost = own["cost"] / own["treated"] + own["action"].map(given).fillna(0.0)
    table = own.assign(effect=own["effect"] * signs, low=ends[:, 0], high=ends[:, 1], cost=cost)
    for name, end in (("per_100", "effect"), ("per_100_low", "low"), ("per_100_high", "high")):
        table[name] = PER * table[end] / table["cost"].where(table["cost"] > 0)
    table = table.sort_values(["outcome", "per_100", "effect"], ascending=[True, False, False], na_position="first")
    best = table.groupby("outcome")[["per_100_low", "per_100"]].transform("first")
    others = np.where(table["per_100_high"] < best["per_100_low"], BELOW, OVERLAPS)
    table["beside_best"] = np.where(table["outcome"].duplicated(), others, BEST)
    return table[COLUMNS].reset_index(drop=True)


def _single(measured: Measured) -> pd.DataFrame:
    """Take what was measured of one action: over all its campaigns, and in each, at the horizon."""
    effects = measured.effects[measured.effects["window"] == "horizon"]
    alone = measured.campaigns.set_index("campaign")["actions"]
    action = effects["action"].where(effects["level"] != "campaign", effects["campaign"].map(alone))
    is_one = effects["level"].isin(["action", "arm"]) | action.isin(effects.loc[effects["level"] == "action", "action"])
    own = effects.assign(action=action)[is_one & (effects["level"] != "all")]
    # Of an action with a single campaign its own rows say all.
    return own[(own["level"] != "action") | (own.groupby(["action", "outcome"])["level"].transform("size") != 2)]
