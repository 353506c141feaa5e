"""Scores to decisions: what 09_decide and ``tenure decide`` call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from tenure.core.errors import UsageError
from tenure.core.plugins import plugins
from tenure.core.problems import Problem, save_problems
from tenure.core.sql import parquet
from tenure.core.stored import write_stored
from tenure.decisions.action import Policy
from tenure.decisions.candidates import IS_BEST, Asked, lists_of
from tenure.decisions.day import Deciding, decide_moment
from tenure.decisions.delivery import deliver, states_in_force
from tenure.decisions.document import check_when, of_scored, read_policy
from tenure.decisions.exceptions import RepeatContacts, find_exceptions, repeat_contacts
from tenure.decisions.ledger import PROPOSED, decision_files, read_decisions, read_made, sent
from tenure.decisions.people import A_BEST_CUSTOMER, without_candidate
from tenure.decisions.spend import spend_by_group
from tenure.scoring.ledger import BACKFILL, MANUAL, QUICK, SCHEDULED
from tenure.scoring.score import read_scores_metadata
from tenure.snapshots.engines.facts_at import facts_at
from tenure.steps.decision_problems import decision_problems
from tenure.steps.opening import Session, writes
from tenure.steps.personal import effect_versions, personal_effects
from tenure.steps.results import DECISION_PROBLEMS, DECISIONS_FORMAT, DECISIONS_JSON, SCORED, is_quick


@dataclass(frozen=True)
class DecisionDay:
    """What one decision day came to.

    ``decisions``: of the day, as they stand, without their candidates. ``made``: how its first moment was decided:
    value and bound (currency), is_wave, held_share, matched_share, expired (by action), gates, prices, policy, best
    (customers). ``repeats``: who had to write twice; ``states``: the channels with offers, prices or accesses that hold.
    """

    policy: Policy
    decisions: pd.DataFrame
    made: Mapping[str, Any]
    exceptions: pd.DataFrame
    problems: list[Problem]
    repeats: RepeatContacts | None = None
    states: Sequence[str] = ()

    @property
    def table(self) -> pd.DataFrame:
        """Count what was decided. => action, channel, arm, status, customers, cost, expected_value"""
        keys = ["action", "channel", "arm", "status"]
        grouped = self.decisions.groupby(keys, dropna=False, observed=True)
        counts = grouped.agg(
            customers=("decision_id", "size"), cost=("cost", "sum"), expected_value=("expected_value", "sum")
        )
        return counts.reset_index()

    @property
    def summary(self) -> dict[str, int]:
        """Count what is to be done: customers sent, waiting, waiting_best, exceptions; of all: customers, best."""
        waiting = self.decisions[self.decisions["status"] == PROPOSED]
        return {
            "customers": int((~self.decisions["is_service"].astype(bool)).sum()),
            "best": int(self.made.get("best", 0)),
            "sent": len(sent(self.decisions)),
            "waiting": len(waiting),
            "waiting_best": int((waiting["because"] == A_BEST_CUSTOMER).sum()),
            "exceptions": len(self.exceptions),
        }

    @property
    def effects(self) -> dict[str, str]:
        """Say by which effect each action that moves a target was chosen."""
        own, measured = self.made.get("own_effects", {}), self.made["measured"]
        return {
            name: f"each customer's own, by version {own[name]}" if name in own else "measured, one for all"
            if name in measured else "assumed"
            for name, action in self.policy.actions.items() if action.moves
        }  # fmt: skip

    @property
    def gates(self) -> pd.DataFrame:
        """Say who fell out at which gate. => action, channel, candidates, refused_because, customers"""
        return pd.DataFrame(self.made["gates"])

    @property
    def prices(self) -> pd.DataFrame:
        """Say what one more unit would bring. => limit, amount, used, price (currency for each)"""
        return pd.DataFrame(self.made["prices"], columns=["limit", "amount", "used", "price"])


@writes
def decide_run(session: Session, *, since_last: bool = False) -> DecisionDay:
    """Decide for every customer scored at the as-of, append to the ledger, write what leaves the house and the page.

    A day is decided once: a repeat writes the files of what stands. ``since_last``: only on facts that have arrived
    since the last decision.

    Raises
    ------
    NotEnoughDataError : the source declares no action. UsageError : nothing was scored, or a later day was decided.
    """
    policy, kind = read_policy(session.source), kind_of(session)
    scored = session.output / SCORED
    if not scored.is_file():
        raise UsageError(
            f"{session.source.name}: nothing was scored as of {session.as_of}. Expected the scores of that day; run "
            f"'tenure score {session.source.name} --as-of {session.as_of}', or name a day that was scored with --as-of."
        )
    if not (since_last and _features_of(session).is_file()):
        session.snapshots.build_features([session.as_of])
    versions = effect_versions(session, policy)
    deciding = deciding_of(session, policy, versions)
    stands = [] if kind == MANUAL else decision_files(session.workspace, session.source.name, kind, session.as_of)
    if since_last or not stands:
        deciding = replace(deciding, personal=personal_effects(session, policy, versions))
        with _asked(session) as asked:
            deciding = replace(deciding, policy=of_scored(policy, asked.columns, session.snapshots.targets))
            check_when(deciding.policy, asked.columns, session.source.where)
            decide_moment(deciding, asked, since_last=since_last)
    return write_day(session, policy)


def deciding_of(session: Session, policy: Policy, effects: Mapping[str, str] = MappingProxyType({})) -> Deciding:
    """Say where and how a session decides, on the scores of its folder; ``effects``: by action, its model's version."""
    scored = read_scores_metadata(session.output / SCORED).get("targets", {})
    models = {name: made["model_version"] for name, made in scored.items()}
    models |= {f"{action}-effect": version for action, version in effects.items()}
    now = session.started_at.replace(tzinfo=None)
    targets = session.snapshots.targets
    return Deciding(session.workspace, session.staged, policy, targets, models, kind_of(session), now)


def write_day(session: Session, policy: Policy) -> DecisionDay:
    """Write what leaves the house, and the page, of a day as its decisions stand."""
    from tenure.reporting.decisions_page import decisions_page
    from tenure.reporting.pages import write_page

    source, kind = session.source.name, kind_of(session)
    decisions = read_decisions(session.workspace, source, kind, as_of=session.as_of)
    made = read_made(decision_files(session.workspace, source, kind, session.as_of)[0])
    with _asked(session) as asked:
        scored = of_scored(policy, asked.columns, session.snapshots.targets)
        exceptions = _exceptions(session, scored, asked)
        audiences = lists_of(scored, asked)
        repeats = repeat_contacts(asked.facts)
        spend = spend_by_group(session.workspace, policy, asked.facts, decisions, session.output / SCORED, kind)
    problems = [*decision_problems(session, policy, made, decisions, repeats)]
    has_states = pc.field("valid_until") >= session.as_of
    given = read_decisions(session.workspace, source, kind, before=session.as_of + timedelta(days=1), where=has_states)
    states = states_in_force(given, session.as_of)
    day = DecisionDay(policy, decisions, made, exceptions, problems, repeats, sorted(states["channel"].unique()))
    if kind == MANUAL:  # a draft: nothing leaves the house
        return day
    deliver(session.output, decisions, exceptions, audiences, states)
    save_problems(day.problems, session.output / DECISION_PROBLEMS)
    write_stored(session.output / DECISIONS_JSON, day.summary | {"effects": day.effects}, DECISIONS_FORMAT)
    page = decisions_page(day, session.staged, session.as_of, is_quick=is_quick(session), spend=spend)
    write_page(session.output / "decisions.html", page)
    return day


def _exceptions(session: Session, policy: Policy, asked: Asked) -> pd.DataFrame:
    """Find whom a person looks at. => customer_id, content, because (of the best customers); ordered by customer"""
    people = policy.rules.people
    deciles = [name for name in asked.scored_columns if name.endswith("_decile")]
    first = " OR ".join(f"{name} = 1" for name in deciles) or "false"
    found = asked.where({IS_BEST: people.best or "false", "in_danger": first})
    files = decision_files(session.workspace, session.source.name, kind_of(session))
    files = [path for path in files if path.parent.name <= f"as_of={session.as_of}"]
    parts = [
        find_exceptions(asked.facts, people.never),
        without_candidate(asked.facts, files, found.loc[found["in_danger"], "customer_id"].tolist(), people.without),
    ]
    every = pd.concat(parts).groupby("customer_id")["content"].agg("; ".join).reset_index()
    best = every["customer_id"].isin(found.loc[found[IS_BEST], "customer_id"])
    return every.assign(because=best.map({True: A_BEST_CUSTOMER, False: None}))


def _features_of(session: Session) -> Path:
    """Name the file of the features as of the day; where facts of before it have arrived since, those of the last decision.

    Scores and features stay those of the last midnight.
    """
    now = session.snapshots.features_path(session.as_of)
    return now if now.is_file() else next(now.parent.glob(f"{session.as_of}-*.parquet"), now)


@contextmanager
def _asked(session: Session) -> Iterator[Asked]:
    features = parquet(_features_of(session))
    with facts_at(session.staged, session.as_of) as facts:
        yield Asked(facts, f"SELECT * FROM {parquet(session.output / SCORED)}", f"SELECT * FROM {features}")


def declares_any(session: Session) -> bool:
    """Say whether a source has actions: of its TOML, its folder or a package."""
    return bool(session.source.actions or plugins("actions", session.source.folder))


def declares_actions(session: Session) -> bool:
    """Say whether a run decides, too: on what nobody decided on later, and not on a day that is run anew as it was."""
    if session.run_kind == BACKFILL or not declares_any(session):
        return False
    files = decision_files(session.workspace, session.source.name, kind_of(session))
    return not files or files[-1].parent.name <= f"as_of={session.as_of}"


def candidates_of(session: Session, customer_id: str = "") -> pd.DataFrame:
    """Show the candidates of one customer's decisions of the day, and why each was refused; by default of who has most.

    => moment, action (what was decided), arm, chance, candidate, channel, effect, low, high, value, cost, refused_because
    """
    source, columns = (
        session.source.name,
        ["decision_id", "customer_id", "moment", "action", "arm", "chance", "candidates"],
    )
    found = read_decisions(session.workspace, source, kind_of(session), as_of=session.as_of, columns=columns)
    most = found["candidates"].map(len).idxmax() if len(found) else None
    customer_id = customer_id or ("" if most is None else found.loc[most, "customer_id"])
    own = found[found["customer_id"] == customer_id].explode("candidates", ignore_index=True)
    listed = pd.json_normalize(own["candidates"].map(lambda one: one if isinstance(one, dict) else {}).tolist())
    shown = listed.rename(columns={"action": "candidate"}).set_axis(own.index)
    return own[["moment", "action", "arm", "chance"]].join(shown)


def decided_state(session: Session, *, earlier: bool = False) -> str:
    """Identify what a decision day depends on beside its scores: actions, decisions, answers, effects.

    ``earlier``: what was decided on earlier days, and answered.
    """
    folder = session.workspace.decisions_of(session.source.name)
    paths = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))
    if earlier:
        today = f"as_of={session.as_of}"
        return json.dumps([p for p in paths if (p.startswith("as_of=") and p < today) or p.startswith("events")])
    brought = [plugin.code for plugin in plugins("actions", session.source.folder).values()]
    return json.dumps([session.source.policy, brought, paths])


def kind_of(session: Session) -> str:
    return QUICK if session.quick else session.run_kind


def kind_lived(session: Session) -> str:
    """Name the kind of run whose decisions were acted on: a notebook opened by hand looks at the scheduled ones."""
    return QUICK if session.quick else SCHEDULED
