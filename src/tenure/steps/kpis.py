"""The KPI tree: what 12_kpis calls."""

from __future__ import annotations

from tenure.core.atomic_files import replaced_file
from tenure.decisions.measured import read_effects
from tenure.measure.kpi_tree import KpiTree, kpi_tree
from tenure.measure.links import causes
from tenure.steps.opening import Session, writes
from tenure.steps.report import write_index
from tenure.steps.results import is_quick


@writes
def kpis_run(session: Session) -> KpiTree:
    """Measure every KPI known at the as-of; write ``kpis.html``, ``kpis.csv`` (month, kpi, value) and the index anew."""
    from tenure.reporting.kpis_page import kpis_page
    from tenure.reporting.pages import write_page

    tree = kpi_tree(session.staged, session.workspace, session.as_of)
    moved = causes(read_effects(session.workspace, session.source.name, session.as_of), tree.kpis)
    page = kpis_page(tree, moved, session.staged, session.as_of, is_quick=is_quick(session))
    write_page(session.output / "kpis.html", page)
    with replaced_file(session.output / "kpis.csv") as fresh:
        tree.months.dropna(subset="value").to_csv(fresh, index=False)
    write_index(session)
    return tree
