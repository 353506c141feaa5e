"""The whole audit: what 07_audit calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.core.stored import write_stored
from tenure.models.estimators.settings import TrainingSettings
from tenure.steps.decide import declares_any
from tenure.steps.opening import Session, writes
from tenure.steps.parameters import names_in

if TYPE_CHECKING:
    from tenure.audit.full import SourceAudit

FORMAT_VERSION = 1


@writes
def audit_run(session: Session, targets: str = "") -> SourceAudit:
    """Replay and perturb every cutoff of the walk, audit every target; write ``audit.html`` and ``audit.json``.

    Raises
    ------
    UnknownNameError : no such target.
    """
    from tenure.audit.full import audit_source
    from tenure.decisions.replay import replay_openings
    from tenure.measure.kpi_replay import replay_kpis
    from tenure.reporting.pages import write_page
    from tenure.reporting.report import audit_page

    names = names_in(targets)
    for name in names:
        session.target(name)
    settings = TrainingSettings().quick() if session.quick else TrainingSettings()
    further = [replay_kpis, replay_openings] if declares_any(session) else [replay_kpis]
    found = audit_source(session.snapshots, settings, names, further)
    session.output.mkdir(parents=True, exist_ok=True)
    write_page(session.output / "audit.html", audit_page(found, session.staged, session.as_of))
    errors = [str(problem) for problem in found.errors]
    document = {
        "errors": errors,
        "warnings": [str(problem) for problem in found.warnings],
        "alarms": errors,  # their former name, for one more version
        "checks": found.checks.to_dict("records"),
        "unproven": found.unproven,
        "rewritten": found.rewritten,
        "deliveries": found.deliveries,
    }
    write_stored(session.output / "audit.json", document, FORMAT_VERSION)
    return found
