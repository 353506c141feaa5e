"""The page of a decision day: what to do, whom nothing reaches and why, what one more unit would bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from tenure.core.problems import Problem
from tenure.decisions.action import Action, Policy
from tenure.decisions.exceptions import RepeatContacts
from tenure.decisions.ledger import PROPOSED, REJECTED, WITHHELD, sent
from tenure.reporting.pages import render_page
from tenure.sources.staged_source import StagedSource


class Day(Protocol):
    """What the page reads of a decision day."""

    @property
    def policy(self) -> Policy: ...
    @property
    def decisions(self) -> pd.DataFrame: ...
    @property
    def made(self) -> Mapping[str, Any]: ...
    @property
    def exceptions(self) -> pd.DataFrame: ...
    @property
    def problems(self) -> list[Problem]: ...
    @property
    def repeats(self) -> RepeatContacts | None: ...
    @property
    def summary(self) -> dict[str, int]: ...
    @property
    def states(self) -> Sequence[str]: ...


def decisions_page(
    day: Day, staged: StagedSource, as_of: object, *, is_quick: bool, spend: pd.DataFrame | None = None
) -> str:
    """Render a decision day; ``spend``: what is spent on which group, as ``spend_by_group`` gives it."""
    own, out = day.decisions, sent(day.decisions)
    waiting = own[own["status"] == PROPOSED]
    scheduled = own[~own["is_service"].astype(bool)]
    return render_page(
        "decisions.html",
        staged,
        as_of,
        is_quick=is_quick,
        problems=day.problems,
        made=day.made,
        rules=day.policy.rules,
        customers=len(scheduled),
        sent=_sums(out),
        waiting=_sums(waiting),
        arms=scheduled["arm"].value_counts().to_dict(),
        actions=[_action(action, own, out, waiting, day.made) for action in day.policy.actions.values()],
        prices=day.made["prices"],
        tenth=day.made.get("tenth"),
        spend=[] if spend is None else spend.to_dict("records"),
        exceptions=len(day.exceptions),
        repeats=day.repeats,
        summary=day.summary,
        states=day.states,
        audiences=list(day.policy.audiences.values()),
        files=sorted(out["channel"].dropna().unique()),
    )


def _sums(rows: pd.DataFrame) -> dict[str, float]:
    """Sum up decisions; measured and assumed values apart."""
    assumed = rows["is_assumed"].astype(bool)
    sums = {"count": len(rows), "cost": float(rows["cost"].sum())}
    for name, at in (("assumed", assumed), ("measured", ~assumed & ~rows["is_service"].astype(bool))):
        sums |= {
            name: float(rows.loc[at, "expected_value"].sum()),
            f"{name}_low": float(rows.loc[at, "expected_low"].sum()),
        }
    return sums


def _action(
    action: Action, decisions: pd.DataFrame, out: pd.DataFrame, waiting: pd.DataFrame, made: Mapping[str, Any]
) -> dict[str, Any]:
    gates = pd.DataFrame(made["gates"], columns=["action", "channel", "candidates", "refused_because", "customers"])
    own = gates[(gates["action"] == action.name) & (gates["refused_because"] != "open")]
    refused = own.groupby("refused_because", sort=False)["customers"].sum().sort_values(ascending=False, kind="stable")
    of_action = decisions[decisions["action"] == action.name]
    kept = {
        "withheld by chance": (of_action["arm"] == WITHHELD).sum(),
        "rejected": (of_action["status"] == REJECTED).sum(),
    }
    by_channel = gates[gates["action"] == action.name].drop_duplicates("channel")
    return {
        "action": action,
        "open": int(by_channel["candidates"].max()) if len(by_channel) else 0,
        "refused": refused.to_dict() | {why: int(count) for why, count in kept.items() if count},
        "sent": _sums(out[out["action"] == action.name]),
        "waiting": int((waiting["action"] == action.name).sum()),
        "is_assumed": action.name not in made["measured"],
    }
