"""Time travel: build a snapshot from the raw files as they stood at its cutoff; nothing may differ.

Filtering staged facts would prove nothing, as the engine does that anyway: so the raw files are cut and staged anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from tenure.audit.comparison import compare_snapshots
from tenure.audit.lineage import made_from
from tenure.audit.problem import AuditProblem, Kind
from tenure.core.workspace import Workspace
from tenure.models.training_result import TrainingResult
from tenure.models.verdict import CARRIES
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_engine import DuckDBEngine
from tenure.snapshots.engines.duckdb_session import connect
from tenure.sources.identities import Identities
from tenure.sources.provenance import stage_as_known, unproven_tables
from tenure.sources.staged_source import StagedSource

ROW = ("check", "cutoff", "customers", "features", "left_out", "differing")


@dataclass(frozen=True)
class Replay:
    """One replay or perturbation; ``differing`` as ``compare_snapshots`` returns it, ``failed``: why it did not run."""

    check: str
    cutoff: date
    customers: int
    features: int
    left_out: int  # raw rows, or changed facts, not yet known at the cutoff
    differing: pd.DataFrame
    failed: str = ""

    @property
    def row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ROW} | {"differing": len(self.differing)}

    def problems(self) -> list[AuditProblem]:
        """Report each feature that differs as an error; so is a check that could not run, for it proves nothing."""
        if self.failed:
            return [
                AuditProblem(
                    check=self.check,
                    code="could_not_run",
                    level="error",
                    kind="cutoff",
                    subject=f"(cutoff {self.cutoff})",
                    found=f"could not run: {self.failed}",
                    expected="a snapshot to compare with",
                    to_do="Nothing is proven at this cutoff; mend what the message names and run again.",
                )
            ]
        return [
            AuditProblem(
                check=self.check,
                code="differs",
                level="error",
                kind=row.kind,
                subject=row.feature,
                found=f"differs for {row.customers:,} of {self.customers:,} customers at the cutoff {self.cutoff} "
                f"(first: {row.customer_id}, {row.expected} in the snapshot, {row.found} from what was known)",
                expected="the same to the bit",
                to_do="It saw facts from after the cutoff: mend its definition, the mapping's known_at, or the query.",
            )
            for row in self.differing.itertuples()
        ]


def unproven_features(snapshots: Snapshots) -> list[str]:
    """List the features of raw files that do not themselves say when a row was known: no replay can prove them."""
    return made_from(snapshots.columns, undeclared_tables(snapshots))


def undeclared_tables(snapshots: Snapshots) -> set[str]:
    """Name the staged tables for which nothing but their own dates, if they have any, says when a row was known."""
    staged = snapshots.staged
    static = {name for name, table in staged.tables.items() if table.is_static}
    return static | unproven_tables(staged, snapshots.workspace.raw(staged.source.name))


def unproven_problems(result: TrainingResult, names: list[str], carried: float) -> list[AuditProblem]:
    """Warn where features that nothing can prove carry the lift: a leak in them would look like this, too."""
    if carried < CARRIES:
        return []
    return [
        AuditProblem(
            check="time-travel replay",
            code="unproven",
            level="warning",
            kind="target",
            subject=result.target.name,
            found=f"{len(names)} of {len(result.model.feature_names)} features are of files that do not themselves say when a "
            f"row was known, and carry {carried:.0%} of the lift at {result.plan.test}",
            expected=f"less than {CARRIES:.0%}",
            to_do="Bring when each row was known, as known_at of its file; require_proof = true in the source blocks such a "
            "model.",
        )
    ]


def replay(snapshots: Snapshots, cutoff: date) -> Replay:
    """Cut the raw files at a cutoff, stage them, build the snapshot and compare every customer and feature."""
    snapshots.build_features([cutoff])
    with snapshots.scratch() as scratch:
        staged, left_out = staged_then(snapshots, cutoff, Workspace(Path(scratch)))
        return rebuild("time-travel replay", snapshots, staged, cutoff, Path(scratch), left_out)


def staged_then(snapshots: Snapshots, cutoff: date, scratch: Workspace) -> tuple[StagedSource, int]:
    """Stage the raw files as they stood at a cutoff, its customers named as today's are.

    => staged facts, raw rows left out
    """
    source, workspace = snapshots.staged.source, snapshots.workspace
    identities = Identities.of(workspace, source)
    staged, left_out = stage_as_known(
        source, workspace.raw(source.name), cutoff, scratch, identities=identities, at_hand=snapshots.staged
    )
    # Who was whom is not in the raw files: the events of that time are, in the ledger, which is only added to.
    return replace(staged, identity_events=snapshots.staged.identity_events), left_out


def rebuild(
    check: str, snapshots: Snapshots, staged: StagedSource, cutoff: date, scratch: Path, left_out: int
) -> Replay:
    """Build a cutoff's snapshot from other staged facts and compare it with the one at hand."""
    columns = snapshots.columns
    fresh = scratch / "snapshot.parquet"
    with connect(scratch) as connection:
        DuckDBEngine(staged, connection).build_snapshot(snapshots.targets.values(), columns, [cutoff], {cutoff: fresh})
    kinds: dict[str, Kind] = {f"eligible__{name}": "eligibility" for name in snapshots.targets}
    kinds |= {column.name: "feature" for column in columns}
    known = snapshots.features_path(cutoff)
    customers = len(pd.read_parquet(known, columns=["customer_id"]))
    return Replay(check, cutoff, customers, len(columns), left_out, compare_snapshots(known, fresh, kinds))
