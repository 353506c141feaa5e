"""Nothing that was fitted on may overlap what is tested: the embargo between fitting cutoffs and the test cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tenure.audit.problem import AuditProblem
from tenure.targets.definition import Target


def split_problems(target: Target, fitting: Sequence[date], test: date) -> list[AuditProblem]:
    """Report fitting cutoffs whose outcomes were not certain before the test cutoff: a random split, or no embargo."""
    late = [cutoff for cutoff in sorted(set(fitting)) if target.window.certain_on(cutoff) > test]
    if not late:
        return []
    return [
        AuditProblem(
            check="split by time",
            code="split",
            level="error",
            kind="target",
            subject=target.name,
            found=f"{len(late)} of {len(set(fitting))} fitting cutoffs ({late[0]} to {late[-1]}) have outcomes after "
            f"the test cutoff {test}",
            expected=f"every fitting outcome certain on or before {test} (horizon {target.horizon_days}, "
            f"lead {target.lead_days}, label lag {target.label_lag_days} days)",
            to_do="Split by cutoff, never by row: fit on earlier cutoffs and test on a later one.",
        )
    ]
