"""The cutoffs of a target at which somebody is eligible: what the calendar allows, less those with nobody to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from tenure.core.time_windows import FEWEST_FITTING, CutoffPlan, grid_dates
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import count_eligible
from tenure.targets.definition import Target

# Outcomes of one Monday and the next are nearly the same: with so many rows without the next (cdnow, 410,000 rows of 18
# Mondays), a training takes three times as long for the same AUC; with fewer (365_learning) each adds to it.
ROWS_ENOUGH = 200_000


def plan_asked(snapshots: Snapshots, target: Target, test_cutoff: date | None = None) -> CutoffPlan:
    """Plan a target's cutoffs, build their snapshots, and leave out those at which nobody is eligible.

    Where nobody is at the last matured cutoff, the last one with somebody, and with somebody to fit on, is tested.
    Of very many rows at Mondays fewer cutoffs are fitted on, six or more. Counts of eligible customers decide all that,
    no label does. The plan's remarks say what was left out.

    Raises
    ------
    NotEnoughDataError : as of ``Snapshots.plan``.
    """
    plan = snapshots.plan(target, test_cutoff)
    asked, remarks = _eligible(snapshots, target, plan.all), list(plan.remarks)
    if test_cutoff is None and not asked[plan.test]:
        earlier = _eligible(snapshots, target, grid_dates(plan.walk[0], plan.test, plan.grid))
        filled = [cutoff for cutoff, count in earlier.items() if count]
        testable = [c for c in filled if any(target.window.is_matured(before, c) for before in filled)]
        if testable:
            remarks.append(f"Nobody is eligible at {plan.test}, the last matured cutoff: tested at {testable[-1]}.")
            plan = snapshots.plan(target, testable[-1])
            asked = _eligible(snapshots, target, plan.all)
    empty = [cutoff for cutoff in plan.all if not asked[cutoff] and cutoff != plan.test]
    if empty:
        remarks.append(f"Left out, for nobody is eligible there: {', '.join(map(str, empty))}.")
    fitting = tuple(cutoff for cutoff in plan.fitting if asked[cutoff])
    rows = sum(asked[cutoff] for cutoff in fitting)
    every = min(-(-rows // ROWS_ENOUGH), len(fitting) // FEWEST_FITTING)
    if plan.grid == "week" and snapshots.staged.source.cutoff_grid is None and every > 1:
        remarks.append(f"Fitted on one in {every} of {len(fitting)} Mondays: all of them would be {rows:,} rows.")
        fitting = fitting[::-every][::-1]
    return replace(
        plan,
        fitting=fitting,
        walk=tuple(cutoff for cutoff in plan.walk if asked[cutoff]),
        remarks=tuple(remarks),
    )


def _eligible(snapshots: Snapshots, target: Target, cutoffs: Sequence[date]) -> dict[date, int]:
    """Count who is eligible at each cutoff; snapshots that are not there are built."""
    snapshots.build_features(cutoffs)
    return count_eligible(snapshots, target, cutoffs)
