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
from tenure.audit.problem import AuditProblem, Kind
from tenure.core.workspace import Workspace
from tenure.features.catalogue import tables_of
from tenure.features.definition import PRODUCT_COLUMNS, FeatureColumn
from tenure.features.expression import columns_of, parse_expression
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_engine import DuckDBEngine
from tenure.snapshots.engines.duckdb_session import connect
from tenure.sources.identities import Identities
from tenure.sources.provenance import stage_as_known, static_tables
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
    """List the features made from raw files that do not say when a row was known: no replay can prove them."""
    source, folder = snapshots.staged.source, snapshots.workspace.raw(snapshots.staged.source.name)
    static = static_tables(source, folder)
    static |= {name for name, table in snapshots.staged.tables.items() if table.is_static}
    by_name = {column.name: column for column in snapshots.columns}
    return [column.name for column in snapshots.columns if _made_from(column, by_name) & static]


def _made_from(column: FeatureColumn, by_name: dict[str, FeatureColumn]) -> set[str]:
    tables = tables_of(column, by_name)
    inputs = [by_name[name] for name in column.inputs] if column.is_row_wise else [column]
    used = {name for c in inputs for name in columns_of(parse_expression(c.expression, c.name))}
    return tables | ({"products"} if used & set(PRODUCT_COLUMNS) else set())


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
