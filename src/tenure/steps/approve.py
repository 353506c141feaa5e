"""What people decide: proposals listed, approved or rejected; the draw comes after the approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow.compute as pc

from tenure.core.errors import UsageError
from tenure.decisions.action import NOTHING
from tenure.decisions.approval import answer_proposals
from tenure.decisions.document import read_policy
from tenure.decisions.ledger import BEST, PROPOSED, REJECTED, WITHHELD, append_events, decision_files, read_decisions
from tenure.scoring.ledger import QUICK, SCHEDULED
from tenure.sources.staged_source import check_as_of
from tenure.steps.decide import deciding_of, write_day
from tenure.steps.opening import Session, open_run


@dataclass(frozen=True)
class Answered:
    """What came of some answers: sent, withheld by chance, rejected: how many each; where the files lie."""

    counts: dict[str, int]
    folder: Path

    @property
    def summary(self) -> str:
        if not self.counts:
            return "Nothing new: what was named was answered before, or no row says approve or reject."
        return ", ".join(f"{count:,} {what}" for what, count in self.counts.items())


def open_decided(source: str, *, as_of: str = "", workspace: str = "") -> Session:
    """Open the day that was decided on, by default the last one.

    Raises
    ------
    UsageError : nobody decided on that day.
    """
    opened = open_run(source, as_of=as_of, workspace=workspace)
    for kind in (SCHEDULED, QUICK):
        if files := decision_files(opened.workspace, source, kind, opened.as_of_given):
            day = date.fromisoformat(files[-1].parent.name.removeprefix("as_of="))
            return replace(opened, as_of_given=day, quick=kind == QUICK, run_kind=SCHEDULED)
    on = f"as of {as_of}" if as_of else "yet"
    raise UsageError(f"{source}: nothing was decided {on}. Expected a decision day; run 'tenure decide {source}'.")


def listed(source: str, *, as_of: str = "", workspace: str = "", every: bool = False) -> pd.DataFrame:
    """List the decisions of a day that wait for a person, or all that act, the most valuable first."""
    session = open_decided(source, as_of=as_of, workspace=workspace)
    found = _decisions(session)
    found = found[found["as_of"] == session.as_of]
    kept = found if every else found[found["status"] == PROPOSED]
    return kept.sort_values(["expected_value", "customer_id"], ascending=[False, True], ignore_index=True)


def answer(
    source: str,
    word: str,
    ids: Sequence[str] = (),
    *,
    csv: str = "",
    every: bool = False,
    why: str = "",
    by: str = "",
    as_of: str = "",
    workspace: str = "",
) -> Answered:
    """Approve or reject proposals by their ids, all of a day, or as the column ``decision`` of a CSV says; then draw.

    A repeat changes nothing: what was answered stays so. Consent that was withdrawn since, and a proposal that has
    expired, is rejected.

    Raises
    ------
    UsageError : no such proposal, a word that is neither approve nor reject, no file.
    """
    session = open_decided(source, as_of=as_of, workspace=workspace)
    policy, decisions = read_policy(session.source), _decisions(session)
    answers = _read_answers(csv) if csv else pd.DataFrame({"decision_id": list(ids), "decision": word, "why": why})
    if every:
        is_waiting = (decisions["status"] == PROPOSED) & (decisions["as_of"] == session.as_of)
        waiting = decisions.loc[is_waiting, "decision_id"]
        answers = pd.DataFrame({"decision_id": waiting, "decision": word, "why": why})
    elif answers.empty and not csv:
        raise UsageError("No decision is named. Expected ids, --csv queue.csv or --all.")
    today = check_as_of(session.staged, None)
    session.snapshots.build_features([session.as_of])  # facts may have arrived since
    # The business's day, at the hour of the clock: what is approved today goes out today.
    clock = datetime.now(ZoneInfo(session.source.timezone)).time().replace(microsecond=0)
    at = datetime.combine(today, clock)
    events = answer_proposals(deciding_of(session, policy), answers, today=today, at=at, by=by)
    with session.writing("answer"):
        append_events(session.workspace, source, events)
        write_day(session, policy)
    arms = {"sent": int((events["arm"] == BEST).sum()), "withheld by chance": int((events["arm"] == WITHHELD).sum())}
    counts = arms | {"rejected": int((events["event"] == REJECTED).sum())}
    return Answered({what: count for what, count in counts.items() if count}, session.output)


def _decisions(session: Session) -> pd.DataFrame:
    """Read all decisions that act, of whatever day."""
    kind, acts = QUICK if session.quick else SCHEDULED, pc.field("action") != NOTHING
    return read_decisions(session.workspace, session.source.name, kind, where=acts)


def _read_answers(path: str) -> pd.DataFrame:
    """Read who approved what. => decision_id, decision (approve, reject), why"""
    if not Path(path).is_file():
        raise UsageError(f"{path} is not there. Expected a queue.csv that was filled in.")
    # Some spreadsheets write semicolons.
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", sep=None, engine="python")
    if missing := [name for name in ("decision_id", "decision") if name not in table]:
        raise UsageError(f"{path}: no column {' and no '.join(missing)}. Expected the columns of queue.csv.")
    table["decision"] = table["decision"].str.strip().str.lower()
    answered = table[table["decision"] != ""]
    if wrong := sorted({*answered["decision"]} - {"approve", "reject"}):
        which = answered.loc[answered["decision"] == wrong[0], "decision_id"].iloc[0]
        raise UsageError(f"{path}, {which}: decision is {wrong[0]!r}. Expected approve or reject, or an empty cell.")
    return answered.reindex(columns=["decision_id", "decision", "why"]).fillna("")
