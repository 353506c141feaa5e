"""The effects of campaigns: what 10_measure calls."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tenure.core.stored import write_stored
from tenure.decisions.assigned import answered_proposals, assigned_by_decisions
from tenure.decisions.measured import write_effects
from tenure.measure.campaigns import Measured, measure_campaigns
from tenure.measure.overrides import overrides
from tenure.measure.words import results
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
    page = campaigns_page(measured, session.staged, session.as_of, is_quick=is_quick(session))
    write_page(session.output / "campaigns.html", page)
    said = results(measured, source.currency)
    write_stored(session.output / CAMPAIGNS_JSON, {"campaigns": said}, CAMPAIGNS_FORMAT)
    write_effects(session.workspace, source.name, session.as_of, _of_actions(measured))
    write_index(session)
    return measured


def _of_actions(measured: Measured) -> pd.DataFrame:
    """Give each action's effects at the horizon, with the interval its verdict rests on."""
    if measured.effects.empty:
        return measured.effects
    chosen = measured.effects.query("level == 'action' and window == 'horizon'")
    customers = chosen["treated"] + chosen["control"]
    return chosen.assign(low=chosen["sure_low"], high=chosen["sure_high"], customers=customers)
