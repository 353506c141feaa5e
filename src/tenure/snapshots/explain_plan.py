"""How the next build of a source's snapshots goes, table by table, and what each part took in the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tenure.core.errors import NotEnoughDataError
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.bucket_plan import TablePlan
from tenure.snapshots.engines.buckets import Buckets
from tenure.snapshots.engines.build_cost import ASKED, BUCKETS, DIRECT, WRITING, LastBuild, read_build
from tenure.snapshots.engines.duckdb_engine import DuckDBEngine
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.eligibility import asked_of
from tenure.targets.definition import Target


@dataclass(frozen=True)
class PlanLine:
    """One part of the plan: which columns of which table go which way, why, and the seconds of the last build."""

    table: str
    way: str
    columns: int
    detail: str
    seconds: float | None


@dataclass(frozen=True)
class ExplainedPlan:
    """The parts of a build over ``cutoffs``; ``last_cutoffs`` says how many the last build had, 0 if there was none."""

    cutoffs: tuple[date, ...]
    lines: tuple[PlanLine, ...]
    last_cutoffs: int


def explain_plan(snapshots: Snapshots) -> ExplainedPlan:
    """Plan all cutoffs that a run of all targets needs, as if none were built yet."""
    cutoffs = {snapshots.as_of}
    for target in snapshots.targets.values():
        try:
            cutoffs |= set(snapshots.plan(target).all)
        except NotEnoughDataError:
            continue  # a run refuses it and goes on, too
    wanted = sorted(cutoffs)
    last = read_build(snapshots.build_path)
    with connect() as connection:
        engine = DuckDBEngine(snapshots.staged, connection)
        lines = [PlanLine("", ASKED, 0, _asked(engine, snapshots.targets, wanted), last.seconds(ASKED))]
        for plan in engine.plans((), snapshots.columns):
            worth = engine.is_worth_buckets(plan.table, wanted)
            facts = snapshots.staged.tables[plan.table].staged
            lines += _table_lines(plan, wanted, facts, last) if worth else [_small(plan, facts, last)]
    row_wise = sum(column.is_row_wise for column in snapshots.columns)
    lines.append(PlanLine("", WRITING, row_wise, "joins, formulas over other features", last.seconds(WRITING)))
    return ExplainedPlan(tuple(wanted), tuple(lines), last.cutoffs)


def _asked(engine: DuckDBEngine, targets: Mapping[str, Target], cutoffs: Sequence[date]) -> str:
    plans = [plan for plan in engine.plans(targets.values(), ()) if engine.is_worth_buckets(plan.table, cutoffs)]
    from_buckets = sum(len(plan.bucketed) for plan in plans)
    conditions = len(asked_of(targets.values()))
    return f"targets: {', '.join(targets)}; {from_buckets} of {conditions} conditions from the tables' buckets"


def _table_lines(plan: TablePlan, cutoffs: Iterable[date], facts: int, last: LastBuild) -> list[PlanLine]:
    lines = []
    if plan.bucketed:
        windows = {window for asked in plan.windows.values() for window in asked}
        buckets = len(Buckets.cut([day.toordinal() for day in cutoffs], windows))
        detail = f"{facts:,} facts into {buckets} buckets of days, {len(plan.parts)} numbers each"
        lines.append(PlanLine(plan.table, BUCKETS, len(plan.bucketed), detail, last.seconds(BUCKETS, plan.table)))
    if plan.direct:
        why = "; ".join(f"{reason} ({count})" for reason, count in Counter(plan.direct.values()).most_common())
        lines.append(PlanLine(plan.table, DIRECT, len(plan.direct), why, last.seconds(DIRECT, plan.table)))
    return lines


def _small(plan: TablePlan, facts: int, last: LastBuild) -> PlanLine:
    columns = len(plan.bucketed) + len(plan.direct)
    return PlanLine(
        plan.table, DIRECT, columns, f"{facts:,} facts: too few for buckets to pay", last.seconds(DIRECT, plan.table)
    )
