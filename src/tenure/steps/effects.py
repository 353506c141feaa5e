"""Whom each action moves: what 11_effects calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tenure.audit.audit import check_cutoff
from tenure.audit.perturbation import perturb_future
from tenure.audit.replay import replay
from tenure.core.stored import write_stored
from tenure.core.time_windows import parse_date
from tenure.decisions.action import Policy
from tenure.decisions.assigned import assigned_by_decisions
from tenure.decisions.document import read_policy
from tenure.decisions.measured import SIGN, on_labels, read_effects, write_effects
from tenure.effects.learner import EffectFit
from tenure.effects.learnt import Learnt, learn
from tenure.effects.model import EffectModel
from tenure.effects.rows import with_features
from tenure.measure.campaigns import Assignments, assignments
from tenure.measure.outcomes import Outcome
from tenure.measure.rows import PROPENSITY
from tenure.models.fit_target import meaning_of
from tenure.models.registry.registry import effect_name
from tenure.models.verdict import Gate
from tenure.steps.decide import kind_lived
from tenure.steps.opening import Session, writes
from tenure.steps.policies import policy_values
from tenure.steps.report import write_index
from tenure.steps.results import EFFECTS_FORMAT, EFFECTS_JSON, SCORED, is_quick

# Where not everybody can get an action, half do: neither so few that nothing is proven, nor nearly all.
COMPETES = 0.5


@dataclass(frozen=True)
class Effects:
    """What was learnt of each action, and the registered version of those that a policy names (by action)."""

    learnt: Sequence[Learnt]
    gates: Mapping[tuple[str, str], Sequence[Gate]]  # by action and outcome
    versions: Mapping[str, str]
    policies: pd.DataFrame  # as ``policy_values``

    @property
    def table(self) -> pd.DataFrame:
        """Show each action's effect. => action, outcome, rows, mean, slope (with ends), differs, version, reason"""
        return pd.DataFrame([_row(one) | {"version": self.versions.get(one.action, "")} for one in self.learnt])


@writes
def effects_run(session: Session) -> Effects:
    """Learn each action's effect by customer, judge it, register what a policy can act on, write ``effects.html``."""
    from tenure.reporting.effects_page import effects_page
    from tenure.reporting.pages import write_page

    policy = read_policy(session.source) if session.source.actions else None
    found = _assigned(session, policy)
    learnt = [
        one for action, rows in found.by_action().items() for one in _of_action(session, policy, action, rows, found)
    ]
    gates = {(one.action, one.outcome): [*one.gates, *_proof(session, one)] for one in learnt if one.judged}
    versions = {
        one.action: _register(session, one, one.fit, gates[one.action, one.outcome])
        for one in learnt
        if one.fit and _is_acted_on(policy, one)
    }
    effects = Effects(learnt, gates, versions, policy_values(session))
    _keep_means(session, [one for one in learnt if _is_acted_on(policy, one)])
    page = effects_page(effects, session.staged, session.as_of, is_quick=is_quick(session))
    write_page(session.output / "effects.html", page)
    said = [
        row | {"gates": [asdict(gate) for gate in gates.get((row["action"], row["outcome"]), ())]}
        for row in effects.table.to_dict("records")
    ]
    write_stored(session.output / EFFECTS_JSON, {"effects": said}, EFFECTS_FORMAT)
    write_index(session)
    return effects


def _assigned(session: Session, policy: Policy | None) -> Assignments:
    """Find who was assigned what, Tenure's own decisions among them; an old campaign of an action moves its target."""
    decided = assigned_by_decisions(session.workspace, session.source.name, kind_lived(session), session.as_of)
    moves = {action.name: action.moves for action in policy.actions.values() if action.moves} if policy else {}
    return assignments(session.snapshots, decided if len(decided) else None, moves)


def _keep_means(session: Session, learnt: Sequence[Learnt]) -> None:
    """Keep the mean effects of old campaigns' actions for deciding; of its own decisions 10_measure kept them."""
    kept = read_effects(session.workspace, session.source.name, session.as_of)
    known = {*on_labels(kept)["action"]}
    means = [
        {
            "action": one.action, "moves": one.outcome, "outcome": one.outcome, "unit": one.unit, "horizon_days": one.horizon_days,
            "effect": one.fit.mean.value, "low": one.fit.mean.low, "high": one.fit.mean.high, "treated": one.treated,
            "control": one.rows - one.treated, "customers": one.rows, "is_anytime": False,
        }
        for one in learnt
        if one.fit and one.action not in known
    ]  # fmt: skip
    if means:
        write_effects(session.workspace, session.source.name, session.as_of, pd.concat([kept, pd.DataFrame(means)]))


def _of_action(
    session: Session, policy: Policy | None, action: str, rows: pd.DataFrame, found: Assignments
) -> Iterator[Learnt]:
    """Learn an action's effect on the outcome of the target it moves; of one that names none, on every outcome."""
    moved = [name for name in rows["moves"].dropna().unique() if name in session.snapshots.targets]
    for outcome in found.outcomes:
        if moved and outcome.name not in moved:
            continue
        # Who could not but get it, or not get it, tells nothing.
        own = rows[rows[outcome.name].notna() & (rows["weight"] > 1)] if outcome.name in rows else rows.iloc[:0]
        if not action or own.empty:
            continue
        assigned = own[["customer_id", "assigned_at", "is_treated"]].assign(
            chance=1 / own["weight"], outcome=own[outcome.name].astype(float)
        )
        if (given := own.get(f"{PROPENSITY}{outcome.name}")) is not None and given.notna().any():
            assigned["propensity"] = given
        table, features = with_features(session.snapshots, assigned)
        by_name = {column.name: column for column in session.snapshots.columns}
        about = {
            "action": action, "outcome": outcome.name, "words": outcome.words,
            "unit": "currency" if outcome.is_money else "share", "horizon_days": int(own["horizon_days"].max()),
        }  # fmt: skip
        meanings = [meaning_of(by_name[name]) for name in features]
        cost, budget = _cost(session, policy, own, outcome), _budget(policy, action)
        yield learn(table, meanings, about, cost=cost, sign=_sign(session, outcome), budget=budget)


def _sign(session: Session, outcome: Outcome) -> int:
    target = session.snapshots.targets.get(outcome.name)
    return SIGN[target.stake] if target else 1


def _budget(policy: Policy | None, action: str) -> float | None:
    """Say what share of customers can get an action: half, where another competes for them, or its channels are full."""
    own = policy.actions.get(action) if policy else None
    if policy is None or own is None:
        return None
    rivals = [one for one in policy.actions.values() if one.moves and one.name != action]
    is_scarce = policy.rules.budget is not None or any(
        policy.channels[name].per_day is not None for name in own.channels
    )
    return COMPETES if rivals or is_scarce else None


def _cost(session: Session, policy: Policy | None, rows: pd.DataFrame, outcome: Outcome) -> float:
    """Give what a contact costs in the outcome's unit: by the margin of money, or what one outcome is worth on average."""
    action = policy.actions.get(str(rows["action"].dropna().iloc[0])) if policy else None
    paid = float(rows.loc[rows["is_treated"], "cost"].astype(float).mean())
    cost = paid + (action.if_taken * action.take_up if action else 0.0)
    if outcome.is_money:
        return cost / session.source.margin_rate
    path, column = session.output / SCORED, f"{outcome.name}_at_stake"
    stake = pd.read_parquet(path, columns=[column])[column].mean() if path.is_file() and _holds(path, column) else 0.0
    return cost / stake if stake > 0 else 0.0


def _holds(path: Path, column: str) -> bool:
    from pyarrow.parquet import read_schema

    return column in read_schema(path).names


def _proof(session: Session, one: Learnt) -> list[Gate]:
    """Replay and perturb the last day an effect was learnt from, where it is to be acted on: no feature saw the future."""
    if not one.differs:
        return []
    snapshots = replace(session.snapshots, of_everybody=True)
    checks = [check_cutoff(snapshots, parse_date(one.last_day), check) for check in (replay, perturb_future)]
    problems = [str(problem) for check in checks for problem in check.problems()]
    found = "; ".join(problems) or f"replayed and perturbed at {one.last_day}: nothing differs"
    return [Gate("no feature saw the future", not problems, found, "audit")]


def _is_acted_on(policy: Policy | None, one: Learnt) -> bool:
    return policy is not None and one.action in policy.actions and bool(policy.actions[one.action].moves)


def _register(session: Session, one: Learnt, fit: EffectFit, gates: Sequence[Gate]) -> str:
    """Register the model of an action's effect; return its version."""
    target = session.snapshots.targets[one.outcome]
    by_name = {column.name: column for column in session.snapshots.columns}
    figures = {name: float(value) for name, value in _row(one).items() if isinstance(value, float)}
    about = figures | {
        "source": session.source.name, "action": one.action, "outcome": one.outcome, "unit": one.unit, "target": one.outcome,
        "definition": target.fingerprint, "question": target.describe(), "as_of": str(session.as_of), "rows": one.rows,
        "first_day": one.first_day, "last_day": one.last_day, "horizon_days": one.horizon_days, "currency": session.source.currency,
        "learner": fit.kind,
    }  # fmt: skip
    meanings = [meaning_of(by_name[name]) for name in fit.design.encoding.names]
    tags = {
        "source": session.source.name, "action": one.action, "quick": str(session.quick), "as_of": str(session.as_of),
        "run_kind": session.run_kind, "tenure.run_id": session.run_id,
    }  # fmt: skip
    version = session.registry.log_effect(
        EffectModel.of(fit, meanings, about),
        gates,
        name=effect_name(session.source.name, one.action),
        figures=figures,
        tags=tags,
    )
    return version.version


def _row(one: Learnt) -> dict[str, Any]:
    row: dict[str, Any] = {
        name: getattr(one, name) for name in ("action", "outcome", "unit", "rows", "treated", "reason")
    }
    for name, found in (("mean", one.fit and one.fit.mean), ("slope", one.fit and one.fit.slope)):
        if found:
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return row | {"differs": one.differs}
