"""Everything of the audit, for one source: what ``tenure audit`` runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.audit.audit import Check, audit_training, run_checks
from tenure.audit.copies import with_tables
from tenure.audit.customer_replay import replay_customers
from tenure.audit.deliveries import deliveries_told, rewritten_features
from tenure.audit.labels import (
    duplicate_problems,
    funnel_with_intervals,
    lead_time_sweep,
    sensitivity,
    sweep_problems,
    unmatured_cutoffs,
)
from tenure.audit.perturbation import perturb_future
from tenure.audit.problem import AuditProblem
from tenure.audit.replay import ROW, Replay, replay, undeclared_tables, unproven_features
from tenure.audit.table_sweep import table_sweep, table_sweep_problems
from tenure.core.auc import Auc, auc_with_interval
from tenure.core.errors import NotEnoughDataError
from tenure.core.sql import parquet
from tenure.core.workspace import Workspace
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.scorecard import WALK_CUTOFFS, walk_cutoffs
from tenure.models.train import train_model
from tenure.models.training_result import TrainingResult, train_target
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.snapshots.rows import read_rows
from tenure.snapshots.states_told import label_cases

# How far above .5 an AUC on shuffled labels must lie to be more than chance.
CLEARLY = 0.05


@dataclass(frozen=True)
class TargetAudit:
    """What is wrong with one target; ``refused`` says why it could not be asked.

    ``shuffled``: out-of-fold AUC on shuffled labels. ``hindsight``: the AUC a model would wrongly show that took every
    fact as known when it happened; None where no fact arrives late.
    """

    target: str
    refused: str = ""
    auc: Auc | None = None
    problems: list[AuditProblem] = field(default_factory=list)
    funnel: pd.DataFrame = field(default_factory=pd.DataFrame)
    unmatured: list[date] = field(default_factory=list)
    cases: pd.DataFrame = field(default_factory=pd.DataFrame)  # what the definition met: part, case, customers
    sensitivity: pd.DataFrame = field(default_factory=pd.DataFrame)
    sweep: pd.DataFrame = field(default_factory=pd.DataFrame)
    univariate: pd.DataFrame = field(default_factory=pd.DataFrame)
    table_sweep: pd.DataFrame = field(default_factory=pd.DataFrame)
    shuffled: Auc | None = None
    hindsight: Auc | None = None


@dataclass(frozen=True)
class SourceAudit:
    """The whole audit: ``replays`` of every cutoff, the features nothing can prove or that were rewritten, each target."""

    replays: list[Replay]
    unproven: list[str]
    late_facts: pd.DataFrame  # table, rows, late, share, median_days_late
    targets: list[TargetAudit]
    rewritten: list[str] = field(default_factory=list)
    deliveries: list[dict[str, object]] = field(default_factory=list)  # as ``deliveries_told``

    @property
    def problems(self) -> list[AuditProblem]:
        replayed = [problem for one in self.replays for problem in one.problems()]
        return list(dict.fromkeys([*replayed, *(problem for target in self.targets for problem in target.problems)]))

    @property
    def errors(self) -> list[AuditProblem]:
        return [problem for problem in self.problems if problem.level == "error"]

    @property
    def warnings(self) -> list[AuditProblem]:
        return [problem for problem in self.problems if problem.level == "warning"]

    @property
    def checks(self) -> pd.DataFrame:
        """=> check, cutoff, customers, features, left_out, differing, failed (why it could not run; empty where it did)"""
        return pd.DataFrame([one.row | {"failed": one.failed} for one in self.replays], columns=[*ROW, "failed"])


def audit_source(
    snapshots: Snapshots, settings: TrainingSettings, names: Iterable[str] = (), further: Sequence[Check] = ()
) -> SourceAudit:
    """Audit every target a source can answer, or those named, and every cutoff of their walks; ``further``: at the last."""
    targets, cutoffs = [], set()
    with in_hindsight(snapshots) as naive:
        for name in list(names) or list(snapshots.targets):
            try:
                result = train_target(snapshots, snapshots.targets[name], settings)
            except NotEnoughDataError as error:
                targets.append(TargetAudit(name, refused=str(error)))
                continue
            targets.append(_audit_target(snapshots, naive, result, settings))
            cutoffs |= {result.plan.test, *walk_cutoffs(result, WALK_CUTOFFS - 1)}
    checks: list[tuple[date, Check]] = [
        (cutoff, check) for cutoff in sorted(cutoffs) for check in (replay, perturb_future)
    ]
    if cutoffs:  # attributes are fitted anew each time: once is enough
        checks += [(max(cutoffs), check) for check in (replay_customers, *further)]
    return SourceAudit(
        run_checks(snapshots, checks),
        unproven_features(snapshots),
        late_facts(snapshots),
        targets,
        rewritten_features(snapshots),
        deliveries_told(snapshots),
    )


def _audit_target(
    snapshots: Snapshots, naive: Snapshots | None, result: TrainingResult, settings: TrainingSettings
) -> TargetAudit:
    cheap = audit_training(snapshots, result)
    sweep = lead_time_sweep(snapshots, result)
    by_table = table_sweep(snapshots, result, undeclared_tables(snapshots) & snapshots.staged.dated.keys())
    shuffled = shuffled_auc(snapshots, result, settings)
    problems = [
        *cheap.problems,
        *duplicate_problems(snapshots, result),
        *sweep_problems(result, sweep),
        *table_sweep_problems(result, by_table),
        *_shuffled_problems(result, shuffled),
    ]
    return TargetAudit(
        target=result.target.name,
        auc=_auc(result),
        problems=problems,
        funnel=funnel_with_intervals(result.funnel),
        unmatured=unmatured_cutoffs(snapshots, result),
        cases=label_cases(snapshots, result.target, result.plan.test),
        sensitivity=sensitivity(snapshots, result.target, result.plan.test),
        sweep=sweep,
        table_sweep=by_table,
        univariate=pd.DataFrame(cheap.univariate),
        shuffled=shuffled,
        hindsight=hindsight_auc(naive, result, settings),
    )


def _auc(result: TrainingResult) -> Auc:
    return auc_with_interval(result.test["label"].to_numpy(), result.test["propensity"].to_numpy())


def shuffled_auc(snapshots: Snapshots, result: TrainingResult, settings: TrainingSettings) -> Auc:
    """Cross-fit on shuffled labels: out of fold nothing can be predicted, unless a label reaches the other side."""
    few = replace(settings, folds=3, max_trees=min(settings.max_trees, 300))
    columns = [c for c in snapshots.columns if c.name in set(result.model.feature_names)]
    fitting = read_rows(
        snapshots, result.target, result.plan.fitting, columns, max_customers=few.max_customers, seed=few.seed
    )
    labels = np.random.default_rng(few.seed).permutation(fitting["label"].to_numpy(dtype=int))
    trained = train_model(fitting, labels, fitting["customer_id"].to_numpy(), result.model.meanings, few)
    return auc_with_interval(labels, trained.out_of_fold)


def _shuffled_problems(result: TrainingResult, found: Auc) -> list[AuditProblem]:
    # The interval of one draw misses .5 once in twenty; a label that reaches the other side shows far above that.
    if found.low <= 0.5 or found.value < 0.5 + CLEARLY:
        return []
    return [
        AuditProblem(
            check="shuffled labels",
            code="shuffled_labels",
            level="error",
            kind="target",
            subject=result.target.name,
            found=f"out-of-fold AUC {found.value:.3f} ({found.low:.3f} to {found.high:.3f}) on shuffled labels of the "
            "fitting block",
            expected="about .5",
            to_do="A label reaches the other side of a fold: look at the folds' groups and at features made from labels.",
        )
    ]


def late_facts(snapshots: Snapshots) -> pd.DataFrame:
    """Count the facts that became known only after they happened. => table, rows, late, share, median_days_late"""
    rows = []
    with connect() as connection:
        for table in tables_with_rows(snapshots.staged):
            relation = parquet(snapshots.staged.path(table))
            count, late, days = connection.execute(
                f"""
                SELECT
                    count(*),
                    count(*) FILTER (known_at::DATE > occurred_at::DATE),
                    median(date_diff('day', occurred_at, known_at)) FILTER (known_at::DATE > occurred_at::DATE)
                FROM {relation}"""
            ).fetchall()[0]
            rows.append((table, count, late, late / count, days))
    return pd.DataFrame(rows, columns=["table", "rows", "late", "share", "median_days_late"])


@contextmanager
def in_hindsight(snapshots: Snapshots) -> Iterator[Snapshots | None]:
    """Give the same source as if every fact had been known when it happened; None where no fact arrives late."""
    if not late_facts(snapshots)["late"].sum():
        yield None
        return
    early = {
        table: f"SELECT * REPLACE (occurred_at AS known_at) FROM {parquet(snapshots.staged.path(table))}"
        for table in tables_with_rows(snapshots.staged)
    }
    with snapshots.scratch() as scratch:
        with connect() as connection:
            staged = with_tables(connection, snapshots.staged, Path(scratch) / "staged", early)
        staged = replace(staged, fingerprint=f"{staged.fingerprint}-hindsight")
        yield Snapshots(Workspace(Path(scratch)), staged, snapshots.as_of)


def hindsight_auc(naive: Snapshots | None, result: TrainingResult, settings: TrainingSettings) -> Auc | None:
    """Train and test with late facts taken early: how good a model would wrongly look."""
    if naive is None:
        return None
    try:
        return _auc(train_target(naive, naive.targets[result.target.name], settings, test_cutoff=result.plan.test))
    except NotEnoughDataError:
        return None
