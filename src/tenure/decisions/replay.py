"""Time travel for what opens an action: whom facts opened it to on an old day, from the raw files as they stood then."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd

from tenure.audit.comparison import DIFFERING
from tenure.audit.replay import Replay, staged_then
from tenure.core.workspace import Workspace
from tenure.decisions.action import Policy
from tenure.decisions.candidates import Asked
from tenure.decisions.document import read_policy
from tenure.decisions.exceptions import find_exceptions
from tenure.decisions.triggers import Seeking, find_triggered
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.facts_at import facts_at
from tenure.sources.staged_source import StagedSource

NOBODY = "SELECT CAST(NULL AS VARCHAR) AS customer_id LIMIT 0"


def replay_openings(snapshots: Snapshots, cutoff: date) -> Replay:
    """Find twice whom the facts of a cutoff open each action to, and who is an exception, and compare them.

    Once from the raw files cut at the cutoff, once from today's facts. What asks columns of customers is replayed with
    those columns.
    """
    policy = read_policy(snapshots.staged.source)
    of_facts = {name: one for name, one in policy.actions.items() if one.on and one.on.table}
    policy = replace(policy, actions=of_facts)
    with snapshots.scratch() as scratch:
        staged, left_out = staged_then(snapshots, cutoff, Workspace(Path(scratch)))
        then, now = (_opened(one, policy, cutoff) for one in (staged, snapshots.staged))
    rows = []
    for name in then:
        if differ := sorted(then[name] ^ now[name]):
            seen, known = (str(differ[0] in found[name]).lower() for found in (now, then))
            rows.append((name, len(differ), differ[0], seen, known, "column"))
    customers = len(set().union(*then.values(), *now.values()))
    return Replay(
        "replay of triggers", cutoff, customers, len(then), left_out, pd.DataFrame(rows, columns=list(DIFFERING))
    )


def _opened(staged: StagedSource, policy: Policy, cutoff: date) -> dict[str, set[str]]:
    with facts_at(staged, cutoff) as facts:
        seeking = Seeking(staged, facts, Asked(facts, NOBODY, NOBODY), cutoff, None)
        opened = {f"on {name}": {*ids} for name, ids in find_triggered(seeking, policy).opened.items()}
        exceptions = find_exceptions(facts, policy.rules.people.never)
    return opened | {"exceptions": {*exceptions["customer_id"]}}
