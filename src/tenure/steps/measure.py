"""The effects of campaigns: what 10_measure calls."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow.compute as pc

from tenure.core.errors import NotEnoughDataError
from tenure.core.stored import write_stored
from tenure.decisions.action import NOTHING
from tenure.decisions.assigned import answered_proposals, assigned_by_decisions
from tenure.decisions.document import read_policy
from tenure.decisions.history import history_of, taken_up
from tenure.decisions.ledger import read_decisions
from tenure.decisions.measured import SIGN, write_effects
from tenure.measure.campaigns import Measured, measure_campaigns
from tenure.measure.incentives import incentives
from tenure.measure.overrides import overrides
from tenure.measure.words import results
from tenure.snapshots.engines.facts_at import facts_at
from tenure.steps.decide import kind_lived
from tenure.steps.opening import Session, writes
from tenure.steps.report import write_index
from tenure.steps.results import CAMPAIGNS_FORMAT, CAMPAIGNS_JSON, is_quick


@writes
def measure_run(session: Session) -> Measured:
    """Measure every campaign and all of Tenure's decisions known at the as-of; keep each action's effects for deciding.

    Writes ``campaigns.html`` and ``campaigns.json``, and the index anew.
    """
    from tenure.reporting.campaigns_page import campaigns_page
    from tenure.reporting.pages import write_page

    source = session.source
    decided = assigned_by_decisions(session.workspace, source.name, kind_lived(session), session.as_of)
    measured = measure_campaigns(session.snapshots, decided if len(decided) else None)
    proposals = answered_proposals(session.workspace, source.name, kind_lived(session), session.as_of)
    measured = replace(measured, overrides=overrides(session.snapshots, proposals))
    worth = incentives(
        measured, _given(session), {n for n, t in session.snapshots.targets.items() if SIGN[t.stake] < 0}
    )
    page = campaigns_page(measured, worth, session.staged, session.as_of, is_quick=is_quick(session))
    write_page(session.output / "campaigns.html", page)
    said = results(measured, source.currency)
    write_stored(session.output / CAMPAIGNS_JSON, {"campaigns": said}, CAMPAIGNS_FORMAT)
    write_effects(session.workspace, source.name, session.as_of, _of_actions(measured))
    write_index(session)
    return measured


def _given(session: Session) -> dict[str, float]:
    """Say what each action gives to who takes it, per contact: by what came back where that tells, else as assumed."""
    try:
        actions = read_policy(session.source).actions
    except NotEnoughDataError:  # it declares none
        return {}
    where = pc.field("action") != NOTHING
    decided = read_decisions(
        session.workspace, session.source.name, kind_lived(session), before=session.as_of, where=where
    )
    with facts_at(session.staged, session.as_of) as facts:
        taken = taken_up(history_of(facts, decided, actions), decided)
    return {name: action.if_taken * taken.get(name, action.take_up) for name, action in actions.items()}


def _of_actions(measured: Measured) -> pd.DataFrame:
    """Give each action's effects at the horizon, with the interval its verdict rests on."""
    if measured.effects.empty:
        return measured.effects
    chosen = measured.effects.query("level == 'action' and window == 'horizon'")
    customers = chosen["treated"] + chosen["control"]
    return chosen.assign(low=chosen["sure_low"], high=chosen["sure_high"], customers=customers)
