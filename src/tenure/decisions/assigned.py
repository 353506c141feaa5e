"""Decisions as assignments: whom chance gave an action, and whom, to whom it was open as well, nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pandas as pd
import pyarrow.compute as pc

from tenure.core.workspace import Workspace
from tenure.decisions.action import NOTHING
from tenure.decisions.ledger import (
    APPROVED,
    DRAWN,
    HOLD_OUT,
    PROPOSED,
    REJECTED,
    SENT_ARMS,
    WITHHELD,
    decision_files,
    read_decisions,
    read_events,
    read_made,
    sent,
)

COLUMNS = [
    "decision_id", "customer_id", "campaign", "action", "moves", "assigned_at", "assigned", "chance", "cost",
    "expected_value", "policy",
]  # fmt: skip
# With these a candidate was open, and had a chance.
OPEN = ("another is worth more", "no budget or capacity")
READ = [
    "decision_id", "customer_id", "as_of", "action", "moves", "send_from", "arm", "chance", "cost", "expected_value",
    "is_service", "tier", "policy", "candidates",
]  # fmt: skip
EVERYTHING = "all of Tenure"


def assigned_by_decisions(workspace: Workspace, source: str, kind: str, before: date) -> pd.DataFrame:
    """List who was assigned what by the decisions of earlier days.

    Each action is compared with nothing among those for whom it was best (in a wave, those to whom it was open):
    treated are those it was drawn for, control those for whom nothing was drawn, each with the chance of that. All of
    Tenure is compared with the hold-out, among those to whom something was open. A campaign is an action in a month.

    => COLUMNS; ``assigned`` treated or control; a row per decision and comparison
    """
    parts = [
        part
        for path_day in _days(workspace, source, kind, before)
        for part in _of_day(workspace, source, kind, path_day)
    ]
    kept = [part for part in parts if len(part)]
    return pd.concat(kept, ignore_index=True)[COLUMNS] if kept else pd.DataFrame(columns=COLUMNS)


def _days(workspace: Workspace, source: str, kind: str, before: date) -> list[date]:
    names = {path.parent.name.removeprefix("as_of=") for path in decision_files(workspace, source, kind)}
    return [date.fromisoformat(name) for name in sorted(names) if name < str(before)]


def _of_day(workspace: Workspace, source: str, kind: str, day: date) -> Iterator[pd.DataFrame]:
    found = read_decisions(workspace, source, kind, as_of=day, columns=READ)
    made = read_made(decision_files(workspace, source, kind, day)[0])
    found = found[~found["is_service"].astype(bool) & found["arm"].notna()]
    listed = found[["decision_id", "candidates"]].explode("candidates").dropna()
    each = pd.DataFrame(listed["candidates"].tolist(), columns=["action", "refused_because"])
    each["decision_id"] = listed["decision_id"].to_numpy()
    is_open = each["refused_because"].isna() | each["refused_because"].isin(OPEN)
    rows = found.drop(columns="candidates").assign(assigned_at=found["send_from"].fillna(pd.Timestamp(day)))
    moved = rows[rows["action"] != NOTHING].groupby("action")["moves"].first()
    for action, moves in moved.items():
        concerned = rows["action"] == action
        if made["is_wave"]:  # whatever is best, every open action had a chance
            concerned |= rows["decision_id"].isin(each.loc[is_open & (each["action"] == action), "decision_id"])
        yield _compared(rows[concerned], str(action), moves if isinstance(moves, str) else None, day)
    would = each.loc[is_open | (each["refused_because"] == "held out"), "decision_id"]
    own = rows[rows["decision_id"].isin(would)]
    is_held = own["arm"] == HOLD_OUT
    yield own.assign(
        campaign=f"{EVERYTHING} {day:%Y-%m}", action=None, moves=None,
        assigned=is_held.map({True: "control", False: "treated"}),
        chance=is_held.map({True: made["held_share"], False: 1 - made["held_share"]}),
    )  # fmt: skip


def _compared(rows: pd.DataFrame, action: str, moves: str | None, day: date) -> pd.DataFrame:
    """Compare those for whom an action was drawn with those for whom nothing was, where each was by chance."""
    is_treated = (rows["action"] == action) & rows["arm"].isin(SENT_ARMS)
    compared = rows[is_treated | (rows["arm"] == WITHHELD)]
    assigned = is_treated.loc[compared.index].map({True: "treated", False: "control"})
    return compared.assign(campaign=f"{action} {day:%Y-%m}", action=action, moves=moves, assigned=assigned)


def answered_proposals(workspace: Workspace, source: str, kind: str, before: date) -> pd.DataFrame:
    """List what was proposed to people on earlier days, and what they answered, or that nobody did in time.

    => customer_id, action, moves, assigned_at, answer, because, why; one row per proposal that waits no more
    """
    found = read_decisions(workspace, source, kind, before=before, where=pc.field("action") != NOTHING)
    events = read_events(workspace, source)
    answers = events[events["event"].isin([APPROVED, REJECTED])].drop_duplicates("decision_id", keep="last")
    asked = found.merge(answers[["decision_id", "why"]], on="decision_id", how="left", suffixes=("", "_given"))
    words = asked["status"].map({REJECTED: "rejected", DRAWN: "approved and sent"})
    words = words.mask((asked["status"] == DRAWN) & (asked["arm"] == WITHHELD), "approved, withheld by chance")
    late = (asked["status"] == PROPOSED) & (asked["send_until"] < pd.Timestamp(before))
    told = asked.assign(answer=words.mask(late, "not answered in time"), assigned_at=asked["sent_on"])
    names = ["customer_id", "action", "moves", "assigned_at", "answer", "because", "why"]
    return told.loc[told["answer"].notna(), names].reset_index(drop=True)


def acted_on(workspace: Workspace, source: str, kind: str, before: date) -> pd.DataFrame | None:
    """List to whom an action was sent, and when: service messages apart. => customer_id, acted_at; None where nobody decided"""
    if not _days(workspace, source, kind, before):
        return None
    rows = sent(read_decisions(workspace, source, kind, before=before, where=pc.field("action") != NOTHING))
    own = rows[~rows["is_service"].astype(bool)]
    return own.rename(columns={"sent_on": "acted_at"})[["customer_id", "acted_at"]].reset_index(drop=True)


def unacted(
    workspace: Workspace, source: str, kind: str, first: date, end: date, explore: float
) -> pd.DataFrame | None:
    """Name those to whom nothing was sent from one day until another, weighted to stand for all who were decided on.

    Where nothing was open on any day the weight is 1. Others are known from the hold-out, drawn with the chance ``share``,
    and from those for whom nothing was drawn each time; both are joined as one sample by fixed parts, share :
    (1 - share) x ``explore``, so that either is unbiased for its part (Horvitz and Thompson 1952). Who waited for a
    person, or was rejected by one, is known from the hold-out alone.

    => customer_id, weight; None where nobody decided on those days
    """
    files = [
        path
        for path in decision_files(workspace, source, kind)
        if f"as_of={first}" <= path.parent.name < f"as_of={end}"
    ]
    if not files:
        return None
    share = read_made(files[0])["held_share"]
    found = read_decisions(workspace, source, kind, since=first, before=end, columns=READ)
    found = found[~found["is_service"].astype(bool)]
    is_held, acts = found["arm"] == HOLD_OUT, (found["action"] != NOTHING) & (found["arm"] != WITHHELD)
    reasons = found["candidates"].map(
        lambda each: {one["refused_because"] for one in each} if each is not None else set()
    )
    table = pd.DataFrame(
        {
            "customer_id": found["customer_id"],
            "is_held": is_held,
            "acts": acts,
            "chance": found["chance"].where(~is_held, 1.0).astype(float).fillna(1.0),
            "had_any": (is_held & reasons.map(lambda each: "held out" in each)) | (~is_held & (found["chance"] < 1)),
        }
    )
    by = table.groupby("customer_id").agg(
        is_held=("is_held", "max"), acts=("acts", "max"), chance=("chance", "prod"), had_any=("had_any", "max")
    )
    own = by[~by["acts"]]
    drawn = (1 - share) * explore
    by_draw = drawn / (share + drawn) / ((1 - share) * own["chance"])
    weight = by_draw.where(~own["is_held"], 1 / (share + drawn) if share + drawn else 0.0).where(own["had_any"], 1.0)
    return weight.rename("weight").reset_index()
