"""The past that was rewritten: what deliveries said of it differently, and how much of a model stands on that."""

from __future__ import annotations

from collections.abc import Mapping

from tenure.audit.lineage import columns_read, lift_carried
from tenure.audit.problem import AuditProblem
from tenure.features.definition import FeatureColumn
from tenure.models.training_result import TrainingResult
from tenure.models.verdict import CARRIES
from tenure.snapshots.build import Snapshots
from tenure.sources.deliveries import KEYS, Rewriting, compared_tables, rewritings
from tenure.sources.staged_source import StagedSource

# A share of the past facts that is more than a correction here and there, or the rows of a few who asked to be forgotten;
# and of the last weeks', more than what any system delivers a day or two late.
MANY = {"changed": 0.003, "removed": 0.01, "added": 0.05}


def is_touched(column: FeatureColumn, by_name: Mapping[str, FeatureColumn], found: Rewriting) -> bool:
    """Say whether a feature reads what was rewritten."""
    read = columns_read(column, by_name)
    if found.table not in read:
        return False
    names = read[found.table]
    return names is None or found.kind != "changed" or found.column in (*names, *KEYS, "")


def rewritten_features(snapshots: Snapshots) -> list[str]:
    """Name the features made of past facts that a later delivery told otherwise."""
    by_name = {column.name: column for column in snapshots.columns}
    found = rewritings(snapshots.staged)
    return [name for name, column in by_name.items() if any(is_touched(column, by_name, one) for one in found)]


def rewriting_problems(snapshots: Snapshots, result: TrainingResult) -> list[AuditProblem]:
    """Report what was rewritten beneath a model: an error where it is much, and carries much of the lift or the label."""
    by_name = {column.name: column for column in snapshots.columns}
    found = rewritings(snapshots.staged)
    touched = [[n for n in result.model.feature_names if is_touched(by_name[n], by_name, one)] for one in found]
    # What many rewritings carry they carry together: who left was taken out of every table.
    grave = {n for one, names in zip(found, touched, strict=True) if one.share >= MANY[one.kind] for n in names}
    together = lift_carried(result, grave)
    problems = []
    for one, names in zip(found, touched, strict=True):
        # Rows that came or went may be outcomes; which values are, only the target's definition knows.
        of_label = one.table in result.target.tables and one.kind != "changed"
        is_grave = one.share >= MANY[one.kind] and (of_label or bool(names) and together >= CARRIES)
        if names or of_label:
            problems.append(_problem(one, names, lift_carried(result, names), of_label=of_label, is_grave=is_grave))
    return problems


def _problem(found: Rewriting, names: list[str], carried: float, *, of_label: bool, is_grave: bool) -> AuditProblem:
    when = f" of {found.days:,} past days ({found.first} to {found.last})" if found.days else " without a date"
    told = [
        f"carried by {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}: {carried:.0%} of the lift"
    ]
    told = (told if names else []) + (["the label is made of them"] if of_label else [])
    about = "about " if found.kind == "changed" else ""
    return AuditProblem(
        check="deliveries compared",
        code="rewritten",
        level="error" if is_grave else "warning",
        kind="column" if found.column else "table",
        subject=f"{found.table}.{found.column}" if found.column else found.table,
        found=f"{about}{found.rows:,} rows{when} were {found.kind} since they were first delivered, {found.share:.1%} of those "
        f"{'of the last weeks' if found.kind == 'added' else 'compared'}; {'; '.join(told)}",
        expected="the past as it was first delivered",
        to_do="A column that is overwritten, or rows dated before anybody knew them, know the outcome: deliver changes as "
        "rows with a known_at of their own, or leave the column out.",
    )


def comparison_told(staged: StagedSource) -> str:
    """Say in one sentence how much of the past was compared with earlier deliveries."""
    compared = compared_tables(staged)
    if not compared:
        return "No earlier delivery is on record: whether the past is rewritten between deliveries could not be asked."
    until = max(staged.tables[name].delivered_until for name in compared)
    return f"{len(compared)} of {len(staged.tables)} tables were compared with earlier deliveries, day by day until {until}."


def deliveries_told(snapshots: Snapshots) -> list[dict[str, object]]:
    """Say of each staged table until when its past was compared with earlier deliveries; empty where it could not be.

    => table, until, rewritings (one sentence each)
    """
    staged, compared = snapshots.staged, compared_tables(snapshots.staged)
    found = rewritings(staged)
    return [
        {
            "table": name,
            "until": table.delivered_until if name in compared else "",
            "rewritings": [
                f"{one.column or 'rows'} {one.kind}: {one.rows:,} rows, {one.share:.1%}"
                for one in found
                if one.table == name
            ],
        }
        for name, table in staged.tables.items()
    ]
