"""Tenure: which customers will churn, which are ready for an upsell, which will lapse, and why.

The public names, in reading order; each is imported when it is first used, so that importing Tenure costs nothing.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "open_run": "tenure.steps",
    "staged_tables": "tenure.steps",
    "rejected_rules": "tenure.steps",
    "feature_catalogue": "tenure.steps",
    "build_snapshots": "tenure.steps",
    "base_rates": "tenure.steps",
    "train": "tenure.steps",
    "audit_run": "tenure.steps",
    "score": "tenure.steps",
    "run_versions": "tenure.steps",
    "write_report": "tenure.steps",
    "report_summary": "tenure.steps",
    "review_run": "tenure.steps",
    "run_flow": "tenure.run",
    "backfill_flow": "tenure.backfill",
    "TenureError": "tenure.errors",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tenure' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
