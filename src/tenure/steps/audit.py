"""The whole audit: what 07_audit calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.core.stored import write_stored
from tenure.models.settings import TrainingSettings
from tenure.steps.opening import Run, writes
from tenure.steps.parameters import names_in

if TYPE_CHECKING:
    from tenure.audit.full import SourceAudit

FORMAT_VERSION = 1


@writes
def audit_run(run: Run, targets: str = "") -> SourceAudit:
    """Audit everything: every cutoff of the walk replayed and perturbed, every target; write ``audit.html`` and ``audit.json``.

    Raises
    ------
    UnknownNameError : no such target.
    """
    from tenure.audit.full import audit_source
    from tenure.reporting.report import audit_page, write_page

    names = names_in(targets)
    for name in names:
        run.target(name)
    settings = TrainingSettings().quick() if run.quick else TrainingSettings()
    found = audit_source(run.snapshots, settings, names)
    run.output.mkdir(parents=True, exist_ok=True)
    write_page(run.output / "audit.html", audit_page(found, run.staged, run.as_of))
    document = {
        "alarms": [str(finding) for finding in found.alarms],
        "checks": found.checks.to_dict("records"),
        "unproven": found.unproven,
    }
    write_stored(run.output / "audit.json", document, FORMAT_VERSION)
    return found
