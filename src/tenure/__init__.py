"""Tenure: which customers will churn, which are ready for an upsell, which will lapse, and why.

The public names, in reading order; each is imported when it is first used, so that importing Tenure costs nothing.
"""

from importlib import import_module
from typing import Any

HOMES = {
    "check": "tenure.intake.check",
    "open_run": "tenure.steps.opening",
    "ingest": "tenure.steps.opening",
    "staged_tables": "tenure.steps.prepare",
    "rejected_rules": "tenure.steps.prepare",
    "feature_catalogue": "tenure.steps.prepare",
    "build_snapshots": "tenure.steps.prepare",
    "base_rates": "tenure.steps.prepare",
    "train": "tenure.steps.training",
    "audit_run": "tenure.steps.audit",
    "score": "tenure.steps.score",
    "run_versions": "tenure.steps.score",
    "write_report": "tenure.steps.report",
    "report_summary": "tenure.steps.report",
    "review_run": "tenure.steps.review",
    "decide_run": "tenure.steps.decide",
    "candidates_of": "tenure.steps.decide",
    "describe_customer": "tenure.steps.customer",
    "write_customer": "tenure.steps.customer",
    "measure_run": "tenure.steps.measure",
    "effects_run": "tenure.steps.effects",
    "kpis_run": "tenure.steps.kpis",
    "campaign_results": "tenure.steps.results",
    "detectable": "tenure.measure.difference",
    "customers_needed": "tenure.measure.difference",
    "run_flow": "tenure.runs.run",
    "backfill_flow": "tenure.runs.backfill",
    "TenureError": "tenure.core.errors",
}
__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("tenure")
    if name not in HOMES:
        raise AttributeError(f"module 'tenure' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, which completion by the tab key offers."""
    return [*__all__, "__version__"]
