"""The cutoffs of a target at which somebody is eligible: what the calendar allows, less those with nobody to ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tenure.core.time_windows import CutoffPlan
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import count_eligible
from tenure.targets.definition import Target


def plan_asked(snapshots: Snapshots, target: Target, test_cutoff: date | None = None) -> CutoffPlan:
    """Plan a target's cutoffs, build their snapshots, and leave out those at which nobody is eligible.

    Where nobody is at the last matured cutoff, the last one with somebody, and with somebody to fit on, is tested.
    Counts of eligible customers decide that, no label does. The plan's remarks say what was left out.

    Raises
    ------
    NotEnoughDataError : as of ``Snapshots.plan``.
    """
    plan, asked = _counted(snapshots, target, test_cutoff)
    remarks = list(plan.remarks)
    if test_cutoff is None and not asked[plan.test]:
        filled = [cutoff for cutoff in plan.walk if asked[cutoff]]
        testable = [c for c in filled if any(target.window.is_matured(earlier, c) for earlier in filled)]
        if testable:
            remarks.append(f"Nobody is eligible at {plan.test}, the last matured cutoff: tested at {testable[-1]}.")
            plan, asked = _counted(snapshots, target, testable[-1])
    empty = [cutoff for cutoff in plan.all if not asked[cutoff] and cutoff != plan.test]
    if empty:
        remarks.append(f"Left out, for nobody is eligible there: {', '.join(map(str, empty))}.")
    return replace(
        plan,
        fitting=tuple(cutoff for cutoff in plan.fitting if asked[cutoff]),
        walk=tuple(cutoff for cutoff in plan.walk if asked[cutoff]),
        remarks=tuple(remarks),
    )


def _counted(snapshots: Snapshots, target: Target, test_cutoff: date | None) -> tuple[CutoffPlan, dict[date, int]]:
    plan = snapshots.plan(target, test_cutoff)
    snapshots.build_features(plan.all)
    return plan, count_eligible(snapshots, target, plan.all)
