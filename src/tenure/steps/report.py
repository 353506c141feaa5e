"""Records to pages: what 05_report calls."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tenure.scoring.score import read_scores_metadata
from tenure.snapshots.engines.known_customers import known_customers
from tenure.steps.opening import Session, writes
from tenure.steps.results import decided_today, is_quick, records, review_problems, saved_records, scoring_outcomes

INDEX = "index.html"
OTHER_PAGES = (
    "decisions.html",
    "customers.html",
    "value.html",
    "campaigns.html",
    "effects.html",
    "kpis.html",
    "review.html",
    "audit.html",
)


@writes
def write_report(session: Session) -> list[Path]:
    """Write every target's page, ``customers.html``, ``value.html`` and the index; return their paths, index first."""
    from tenure.reporting.pages import write_page
    from tenure.reporting.report import target_page
    from tenure.reporting.value_page import value_page

    found, scored = records(session), scoring_outcomes(session.output)
    pages = []
    for record in found:
        path = session.output / f"{record.target}.csv"
        ranked = pd.read_csv(path, dtype={"customer_id": str}) if path.is_file() else None
        figures = session.training_folder(record.target) / "figures"
        page = target_page(record, ranked, session.staged, session.as_of, figures, scored.get(record.target, {}))
        pages.append(write_page(session.output / f"{record.target}.html", page))
    pages += write_customers(session)
    if value := value_page(session.output, session.staged, session.as_of, is_quick=is_quick(session)):
        pages.append(write_page(session.output / "value.html", value))
    return [write_index(session), *pages]


def write_customers(session: Session) -> list[Path]:
    """Write ``customers.html`` from what scoring left in the output, if anything was scored; return its path."""
    from pyarrow.parquet import read_schema

    from tenure.reporting.customers_page import STANDING, customers_page, read_tables
    from tenure.reporting.pages import write_page

    path = session.output / "scored_customers.parquet"
    if not path.is_file():
        return []
    shown = [column for column in STANDING if column in read_schema(path).names]
    page = customers_page(
        pd.read_parquet(path, columns=shown),
        read_tables(session.output, read_scores_metadata(path).get("tables", ())),
        staged=session.staged,
        as_of=session.as_of,
        is_quick=is_quick(session),
    )
    return [write_page(session.output / "customers.html", page)]


def write_index(session: Session) -> Path:
    """Write ``index.html``: the page that ties together what there is by now."""
    from tenure.reporting.decision import DECIDES, decide
    from tenure.reporting.pages import write_page
    from tenure.reporting.report import index_page

    found = saved_records(session)
    lists = [(record, session.output / f"{record.target}.csv") for record in found if record.results.metrics]
    decisions = {
        record.target: decide(pd.read_csv(path, usecols=list(DECIDES)), record.definition.contact_capacity)
        for record, path in lists
        if path.is_file()
    }
    is_scored = (session.output / "scored_customers.parquet").is_file()
    customers = len(known_customers(session.staged, session.as_of)) if is_scored else 0
    index = index_page(
        found,
        session.staged,
        session.as_of,
        customers,
        decisions=decisions,
        problems=review_problems(session.output),
        today=decided_today(session.output),
        others=[name for name in OTHER_PAGES if (session.output / name).is_file()],
        is_quick=is_quick(session),
    )
    return write_page(session.output / INDEX, index)


def report_summary(session: Session) -> pd.DataFrame:
    """Show each target's outcome. => target, status, auc, auc_low, auc_high, auc_heuristic, auc_baseline, lift_top_decile, reason"""
    shown = ("auc", "auc_low", "auc_high", "auc_heuristic", "auc_baseline", "lift_top_decile")
    return pd.DataFrame(
        [
            {"target": r.target, "status": r.status, **{k: r.results.metrics.get(k) for k in shown}, "reason": r.reason}
            for r in records(session)
        ]
    )
