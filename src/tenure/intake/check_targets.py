"""Of whom each target would be asked, cutoff by cutoff, and what came of it; without any feature."""

from __future__ import annotations

from datetime import date

from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.intake.checked import CheckedTarget
from tenure.snapshots.asked_cutoffs import plan_asked
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import count_funnel
from tenure.sources.staged_source import StagedSource
from tenure.targets.catalogue import targets_of
from tenure.targets.sufficiency import check_positives


def ask_targets(aside: Workspace, staged: StagedSource, as_of: date, *, is_sample: bool) -> list[CheckedTarget]:
    """Count each target's funnel on its grid of cutoffs; say why where it cannot be asked."""
    snapshots = Snapshots(aside, staged, as_of, with_features=False)
    plans, reasons = {}, dict(snapshots.unavailable_targets)
    for name, target in snapshots.targets.items():
        try:
            plans[name] = snapshots.plan(target)
        except NotEnoughDataError as error:
            reasons[name] = str(error)
    # All cutoffs in one pass over the facts.
    snapshots.build_features({cutoff for plan in plans.values() for cutoff in plan.all})
    checked = []
    for name, target in targets_of(staged.source).items():
        if name not in plans:
            checked.append(CheckedTarget(target, reasons[name]))
            continue
        plan = plan_asked(snapshots, target)
        snapshots.build_labels(target, plan.all)
        funnel = count_funnel(snapshots, target, plan.all)
        funnel["used"] = ["test" if c == plan.test else "fitting" if c in plan.fitting else "" for c in plan.all]
        reason = ""
        if not is_sample:  # of a sample it is not known whether all of them are enough
            counted = funnel.groupby("used")[["eligible", "positives"]].sum().astype(int)
            counts = counted.rename(columns={"eligible": "rows"}).reindex(["fitting", "test"], fill_value=0)
            try:
                check_positives(target, *counts.to_dict("index").values())
            except NotEnoughDataError as error:
                reason = str(error)
        checked.append(CheckedTarget(target, reason, funnel, plan.remarks))
    return checked
