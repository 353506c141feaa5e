"""Each customer's own effect of the actions whose model is in use: what deciding reads of 11_effects."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tenure.decisions.action import Policy
from tenure.decisions.measured import SIGN
from tenure.effects.model import EffectModel
from tenure.models.registry.registry import effect_name
from tenure.snapshots.rows import read_rows
from tenure.steps.opening import Session
from tenure.steps.results import settled_effects
from tenure.targets.definition import answers


def effect_versions(session: Session, policy: Policy) -> dict[str, str]:
    """Choose, by action, the version just learnt where it passed, else, outside a run, the champion."""
    is_run = session.record is not None and session.record.document["kind"] == "run"
    settled = settled_effects(session.output) if is_run else {}
    found = {}
    for action in (one.name for one in policy.actions.values() if one.moves):
        version, passed = settled.get(action, ("", False))
        champion = None if version else session.registry.champion(effect_name(session.source.name, action))
        if chosen := (version if passed else champion):
            found[action] = chosen
    return found


def personal_effects(session: Session, policy: Policy, versions: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Predict each customer's effect of the actions whose model is in use.

    => by action, index customer_id: raw_effect, effect, low, high, helps (why, in words)
    """
    from tenure.models.explain import UP, reasons

    found = {}
    for action, version in versions.items():
        model = session.registry.load_as(effect_name(session.source.name, action), version, EffectModel)
        target = session.snapshots.targets.get(policy.actions[action].moves)
        names = {column.name for column in session.snapshots.columns}
        if target is None or not answers(model.about, target) or not {*model.feature_names} <= names:
            continue  # of another question, or of features that are gone: the mean effect stays
        columns = [column for column in session.snapshots.columns if column.name in {*model.feature_names}]
        rows = read_rows(session.snapshots, target, [session.as_of], columns, labels=False)
        sign = SIGN[target.stake]
        told = reasons(model, rows)
        helps = [
            next((str(one)[2:] for one in each if str(one).startswith(UP) == (sign > 0)), None)
            for each in told.itertuples(index=False)
        ]
        table = model.effects(rows).assign(helps=[one and f"helps here: {one}" for one in helps])
        found[action] = table.set_axis(rows["customer_id"])
    return found
