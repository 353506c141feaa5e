"""What policies that never ran would have been worth, from the ledger of those that did."""

from __future__ import annotations

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.decisions.action import NOTHING
from tenure.decisions.logged import logged_draws
from tenure.effects.off_policy import value_of_policy
from tenure.measure.outcomes import outcomes_in
from tenure.measure.rows import with_outcomes
from tenure.snapshots.engines.facts_at import facts_at
from tenure.steps.decide import kind_lived
from tenure.steps.opening import Session

COLUMNS = ["policy", "decisions", "effective", "value", "low", "high", "reason"]


def policy_values(session: Session) -> pd.DataFrame:
    """Value simple policies, and the choice without chance, on the decisions whose outcome is certain by the as-of.

    => policy, decisions, effective (sample), value with its 95 % interval (margin after cost per decision, currency), reason
       (why there is none). Outcome: what was ordered and paid in the horizon of ``[measure]``; an action that is not open
       to a customer is nothing.
    """
    rows, is_open = logged_draws(session.workspace, session.source.name, kind_lived(session), session.as_of)
    with facts_at(session.staged, session.as_of) as facts:
        money = [outcome for outcome in outcomes_in(facts.tables) if outcome.is_money]
        if rows.empty or not money:
            return pd.DataFrame(columns=COLUMNS)
        told = with_outcomes(facts, session.snapshots, rows.assign(moves=None), money)
    earned = told[[outcome.name for outcome in money]].sum(axis=1) * session.source.margin_rate
    certain = told["is_matured"].to_numpy()
    logged = rows.assign(reward=earned.to_numpy() - rows["cost"].to_numpy())[certain].reset_index(drop=True)
    is_open = is_open[certain].reset_index(drop=True)
    actions = [name for name in is_open if name != "best"]
    wanted = {"nothing for anybody": pd.Series(NOTHING, is_open.index)}
    wanted |= {f"{name}, to all it is open to": is_open[name].map({True: name, False: NOTHING}) for name in actions}
    wanted["as decided, without chance"] = is_open["best"]
    return pd.DataFrame([_value(name, logged, chosen, actions) for name, chosen in wanted.items()], columns=COLUMNS)


def _value(policy: str, logged: pd.DataFrame, chosen: pd.Series, actions: list[str]) -> tuple[object, ...]:
    new = pd.DataFrame({name: (chosen == name).astype(float) for name in (NOTHING, *actions)})
    try:
        found = value_of_policy(logged, new)
    except NotEnoughDataError as error:
        return policy, len(logged), None, None, None, None, str(error)
    best = found.best
    return policy, len(logged), found.effective, best.value, best.low, best.high, ""
