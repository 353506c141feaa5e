"""The effect of each campaign, of each action over campaigns, and of all: by assignment, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd

from tenure.identity.events import identity_before
from tenure.measure.assigned import CONTROL, TREATED, assigned_customers
from tenure.measure.difference import Difference, balance, difference, sample_ratio
from tenure.measure.outcomes import Outcome, outcomes_in
from tenure.measure.rows import TWICE, covariates_of, with_outcomes
from tenure.measure.segments import SEGMENT, effects_by_segment, with_segments
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.facts_at import facts_at

FEWEST = 30  # customers in either arm
UNLIKELY = 0.001  # arms that chance gives less often were not drawn as they should have been
TELLING = 0.2  # a comparison that would not show a fifth of the control's level tells nothing
CONTAMINATED = 0.01
KEYS = ("level", "campaign", "action", "outcome", "window", "is_main")
MARGINS = ("margin", "margin_low", "margin_high", "romi", "romi_low", "romi_high")
NOTHING_MOVED: Mapping[str, str] = MappingProxyType({})
PROVEN, NOT_PROVEN, CANNOT_TELL, NOT_MEASURED = "proven", "not proven", "cannot be told", "not measured"


@dataclass(frozen=True)
class Measured:
    """What was measured as of a day.

    ``campaigns``: one row per campaign: counts, checks, the reason where there is no effect.
    ``effects``: one row per ``level`` (campaign; arm: one action of a campaign of several; action: over its campaigns;
    all), outcome and ``window`` (horizon, twice): the difference adjusted by what was known before, ``plain_`` beside
    it, ``sure_`` the interval that the verdict rests on. ``segments``, ``policies``, ``overrides``: see
    ``effects_by_segment``, ``promised_and_realised`` and ``overrides``.
    """

    campaigns: pd.DataFrame
    effects: pd.DataFrame
    segments: pd.DataFrame
    policies: pd.DataFrame
    outcomes: tuple[Outcome, ...]
    overrides: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Assignments:
    """Who was assigned what, with what came after it.

    ``checked``: by campaign, its counts and the reason where there is no effect; ``comparable``: the rows of each campaign
    that has one, with is_treated and weight; ``outcomes``: those that somebody had.
    """

    table: pd.DataFrame
    checked: Mapping[str, dict[str, Any]]
    comparable: Sequence[pd.DataFrame]
    outcomes: tuple[Outcome, ...]

    def by_action(self) -> dict[str, pd.DataFrame]:
        """Give each action's treated beside those withheld from it, over all its campaigns."""
        found: dict[str, list[pd.DataFrame]] = {}
        for rows in self.comparable:
            for action, own in _by_action(rows):
                found.setdefault(action, []).append(own)
        return {action: pd.concat(parts) for action, parts in sorted(found.items())}


def assignments(
    snapshots: Snapshots, decided: pd.DataFrame | None = None, moves: Mapping[str, str] = NOTHING_MOVED
) -> Assignments:
    """Find every campaign of a source, as known at the as-of, and its outcomes; ``decided``: Tenure's own assignments.

    ``moves``: by action, the target whose outcome it is to change, for campaigns of before there were decisions.
    """
    if decided is not None:  # who has become one person since is one customer here, too
        persons = identity_before(snapshots.staged.identity_events, snapshots.as_of)
        decided = decided.assign(customer_id=[persons.get(one, one) for one in decided["customer_id"]])
    with facts_at(snapshots.staged, snapshots.as_of) as facts:
        outcomes, assigned = outcomes_in(facts.tables), _moving(assigned_customers(facts, decided), moves)
        table = with_segments(facts, with_outcomes(facts, snapshots, assigned, outcomes))
    labels = tuple(_label(name, snapshots) for name in table["moves"].dropna().unique() if name in snapshots.targets)
    asked = [outcome for outcome in (*labels, *outcomes) if table.get(outcome.name, pd.Series()).fillna(0).any()]
    campaigns = {str(campaign): rows for campaign, rows in table.groupby("campaign", sort=False)}
    checked = {campaign: _check(campaign, rows) for campaign, rows in campaigns.items()}
    good = [_weighted(comparable(rows)) for name, rows in campaigns.items() if not checked[name]["reason"]]
    return Assignments(table, checked, good, tuple(asked))


def _moving(assigned: pd.DataFrame, moves: Mapping[str, str]) -> pd.DataFrame:
    """Say of old campaigns of one action which target they move; whom it was withheld from belongs to its campaign."""
    named = assigned["action"].map(dict(moves)).groupby(assigned["campaign"])
    own = named.transform("first").where(named.transform("nunique") == 1)
    return assigned.assign(moves=assigned["moves"].fillna(own))


def measure_campaigns(snapshots: Snapshots, decided: pd.DataFrame | None = None) -> Measured:
    """Measure every campaign of a source, as known at the as-of; ``decided``: Tenure's own assignments."""
    found = assignments(snapshots, decided)
    good, asked, rate = found.comparable, found.outcomes, snapshots.staged.source.margin_rate
    rows = [row for level in _levels(found) for row in _effects(*level, asked, rate)]
    pooled = pd.concat(good) if good else found.table.iloc[:0].assign(is_treated=False, weight=1.0)
    return Measured(
        pd.DataFrame(list(found.checked.values())), pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(KEYS)),
        effects_by_segment(pooled, asked[0].name if asked else ""), promised_and_realised(pooled, asked, rate), asked,
    )  # fmt: skip


def _label(name: str, snapshots: Snapshots) -> Outcome:
    return Outcome(name, "contacts", "count(*)", unit="share", words=snapshots.targets[name].positive)


def comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep who counts: of one known arm of the campaign, the outcome certain. => with is_treated"""
    kept = rows[rows["assigned"].notna() & ~rows["is_in_both"] & rows["is_matured"]]
    return kept.assign(is_treated=kept["assigned"] == TREATED)


def _check(campaign: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Count a campaign's customers, and say why it has no effect; an empty reason where it has."""
    known = comparable(rows)
    certain = (rows["assigned_at"] + pd.to_timedelta(rows["horizon_days"], unit="D")).min()
    arms = rows.loc[~rows["is_in_both"], "assigned"].value_counts()
    held = rows["assigned"] == CONTROL
    counts = {
        "campaign": campaign,
        "actions": ", ".join(sorted(rows["action"].dropna().unique())),
        "first_day": rows["assigned_at"].min().date(),
        "last_day": rows["assigned_at"].max().date(),
        "horizon_days": int(rows["horizon_days"].max()),
        "customers": len(rows),
        "treated": int(known["is_treated"].sum()),
        "control": int((~known["is_treated"]).sum()),
        "not_yet": int((~rows["is_matured"]).sum()),
        "in_both": int(rows["is_in_both"].sum()),
        "contaminated": int((held & ~rows["is_in_both"] & rows["is_reached"]).sum()),
        "ratio_p": sample_ratio(known) if len(known) else math.nan,
        "balance_p": math.nan,
    }
    counts["is_contaminated"] = bool(counts["contaminated"] > CONTAMINATED * held.sum())
    fewest = min(counts["treated"], counts["control"])
    if fewest >= FEWEST:
        counts["balance_p"] = _balance(_weighted(known))
    if arms.empty:
        reason = "nobody was held out at random: its contacts name no arm"
    elif len(arms) == 1:
        reason = f"all its customers are {arms.index[0]}: nobody to compare them with"
    elif known.empty:
        reason = f"the first outcomes are certain on {certain:%Y-%m-%d}"
    elif fewest < FEWEST:
        reason = f"{counts['treated']:,} treated and {counts['control']:,} control: expected {FEWEST} of each"
    elif counts["ratio_p"] < UNLIKELY:
        reason = "the arms are not as large as their chances say: some customers are missing from one"
    elif counts["balance_p"] < UNLIKELY:
        reason = "the arms differ before the campaign: not randomised"
    elif math.isnan(counts["balance_p"]) and math.isnan(counts["ratio_p"]):
        reason = "nothing is known of its customers before it: who was held out may be no accident"
    else:
        reason = ""
    return counts | {"reason": reason}


def _balance(rows: pd.DataFrame) -> float:
    """Test each action's arms against each other before the assignment; p for all together (Bonferroni)."""
    groups = pd.get_dummies(rows[[name for name in rows if name.startswith(SEGMENT)]], dtype=float)
    told = [*covariates_of(rows), *groups]
    found = [p for _, own in _by_action(rows) if not math.isnan(p := balance(own.join(groups), told))]
    return min(1.0, len(found) * min(found)) if found else math.nan


def _by_action(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give each action's treated beside those withheld from it; a control without an action is one to all."""
    for action in sorted(rows.loc[rows["is_treated"], "action"].dropna().unique()) or [""]:
        own = rows if action == "" else rows[(rows["action"] == action) | (~rows["is_treated"] & rows["action"].isna())]
        if own.groupby("is_treated").size().reindex([True, False], fill_value=0).min() >= FEWEST:
            yield action, _weighted(own)


def _weighted(rows: pd.DataFrame) -> pd.DataFrame:
    """Weight each row by 1/chance; where chances are unknown but equal, both arms of a campaign weigh the same."""
    everyone = rows.groupby("campaign")["row"].transform("size")
    equal = everyone / rows.groupby(["campaign", "is_treated"])["row"].transform("size")
    return rows.assign(weight=(1 / rows["chance"].astype(float)).fillna(equal))


def _levels(found: Assignments) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Give what is compared: all together, each action, each campaign (the last first), each action of one of several."""
    if len(found.comparable) > 1:
        yield {"level": "all", "campaign": "", "action": ""}, pd.concat(found.comparable)
    for action, rows in found.by_action().items():
        yield {"level": "action", "campaign": "", "action": action}, rows
    for rows in found.comparable[::-1]:
        campaign, actions = rows["campaign"].iloc[0], list(_by_action(rows))
        yield {"level": "campaign", "campaign": campaign, "action": ""}, rows
        for action, own in actions if len(actions) > 1 else ():
            yield {"level": "arm", "campaign": campaign, "action": action}, own


def _effects(
    level: Mapping[str, Any], rows: pd.DataFrame, outcomes: Sequence[Outcome], margin_rate: float
) -> Iterator[dict[str, Any]]:
    moved = rows["moves"].dropna().unique()
    about = {"moves": moved[0] if len(moved) == 1 else None, "horizon_days": int(rows["horizon_days"].max())}
    is_once, main = rows["assigned_at"].nunique() == 1, ""
    money = next((outcome for outcome in outcomes if outcome.is_money), None)
    for outcome in outcomes:
        for window, column in (("horizon", outcome.name), ("twice", outcome.name + TWICE)):
            own = rows[rows[column].notna()] if column in rows else rows.iloc[:0]
            counts = own["is_treated"].value_counts().reindex([True, False], fill_value=0)
            if counts.min() < FEWEST:
                continue
            plain = difference(own, column)
            found = difference(own, column, covariates_of(own, outcome.name))
            main = main or outcome.name
            cost = float(own.loc[own["is_treated"], "cost"].astype(float).sum())
            sure = found.believed(is_once=is_once)
            worth = (
                _margins((found.effect, *sure), int(counts[True]), cost, margin_rate)
                if outcome == money
                else [math.nan] * 6
            )
            yield {
                **level, **about, "outcome": outcome.name, "unit": outcome.unit, "window": window, "is_main": outcome.name == main,
                "treated": int(counts[True]), "control": int(counts[False]), "is_anytime": not is_once,
                **asdict(found), **{f"plain_{name}": getattr(plain, name) for name in ("effect", "low", "high")},
                "sure_effect": found.effect, "sure_low": sure[0], "sure_high": sure[1], "detectable": found.detectable,
                "verdict": _verdict(found, sure), "cost": cost, **dict(zip(MARGINS, worth, strict=True)),
            }  # fmt: skip


def _verdict(found: Difference, sure: tuple[float, float]) -> str:
    """Judge by the interval where all were assigned on one day, so that there is one look; else by the sequence."""
    if sure[0] > 0 or sure[1] < 0:
        return PROVEN
    return CANNOT_TELL if found.detectable > TELLING * abs(found.control_mean) else NOT_PROVEN


def _margins(effects: Sequence[float], treated: int, cost: float, rate: float) -> list[float]:
    """Give what the campaign brought: effect x margin rate x treated - cost, then each over the cost (ROMI)."""
    margins = [effect * rate * treated - cost for effect in effects]
    return margins + [margin / cost if cost else math.nan for margin in margins]


def promised_and_realised(rows: pd.DataFrame, outcomes: Sequence[Outcome], margin_rate: float) -> pd.DataFrame:
    """Compare what decisions promised with what they brought. => policy, treated, promised, realised, low, high

    Amounts of margin after cost; empty where no decision says its ``expected_value``, or the source has no money.
    """
    money = next((outcome for outcome in outcomes if outcome.is_money), None)
    found = []
    if money and "expected_value" in rows:
        told = rows[rows["expected_value"].notna()]
        for policy, own in told.groupby(told["policy"] if "policy" in told else told["action"]):
            for row in _effects({"policy": policy}, own, [money], margin_rate):
                if row["window"] == "horizon":
                    promised = float(own.loc[own["is_treated"], "expected_value"].sum())
                    ends = {"realised": row["margin"], "low": row["margin_low"], "high": row["margin_high"]}
                    found.append({"policy": policy, "treated": row["treated"], "promised": promised, **ends})
    return pd.DataFrame(found, columns=["policy", "treated", "promised", "realised", "low", "high"])
