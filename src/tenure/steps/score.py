"""Versions to scored customers: what 04_score calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from pyarrow.parquet import read_schema

from tenure.core.stored import write_stored
from tenure.decisions.measured import proven_effects, read_effects
from tenure.scoring.ledger import BACKFILL, QUICK, SCHEDULED, append_to_ledger, last_days
from tenure.scoring.score import Scores, score_customers, with_attributes, write_scores
from tenure.steps.chosen import Chosen, NotScored, choose_models, no_champion
from tenure.steps.opening import Session, writes
from tenure.steps.parameters import names_in
from tenure.steps.results import SCORING_FORMAT, SCORING_JSON, records

VERSION = "_model_version"
# A target that was not scored for longer, while others were, was given up.
REMEMBERED = timedelta(days=31)


@writes
def score(
    session: Session,
    versions: dict[str, str] | None = None,
    *,
    targets: str = "",
    allow_hindsight: bool = False,
) -> Scores:
    """Score every customer with the given versions, else the champions; write the tables and append to the ledger.

    ``targets`` adds to what was scored before. A target that cannot be scored holds up no other.

    Raises
    ------
    TenureError : of all that were to be scored by a champion, none can be: why the first cannot.
    """
    found = choose_models(session, versions, names_in(targets), scored_before(session), allow_hindsight=allow_hindsight)
    models = {one.target: one.scoring for one in found if isinstance(one, Chosen)}
    if not models and versions is None:
        others = sorted((one for one in found if isinstance(one, NotScored)), key=lambda one: one.is_refusal)
        raise others[0].error if others else no_champion(session, "no target")
    session.snapshots.build_features([session.as_of])
    scored = score_customers(session.snapshots, models, allow_hindsight=allow_hindsight)
    measured = read_effects(session.workspace, session.source.name, session.as_of)
    scores = with_attributes(session.snapshots, scored, proven_effects(measured, session.snapshots.targets))
    source, as_of, kind = session.source.name, session.as_of, QUICK if session.quick else session.run_kind
    write_scores(scores, session.output, source=source, as_of=as_of, run_kind=kind, is_hindsight=allow_hindsight)
    for one in found:
        one.leave(session.output)
    append_to_ledger(
        session.workspace,
        scores,
        source=source,
        as_of=as_of,
        run_id=session.run_id,
        run_kind=kind,
        hindsight=allow_hindsight,
        scored_at=session.started_at.replace(tzinfo=None),
    )
    document = {"targets": {one.target: one.document() for one in found}}
    write_stored(session.output / SCORING_JSON, document, SCORING_FORMAT)
    return scores


def scored_before(session: Session) -> dict[str, date]:
    """Say as of which day each target was scored last, this day included: by this day's table or by the ledger."""
    found = dict.fromkeys(scored_in(session.output), session.as_of)
    if session.run_kind != BACKFILL:
        found = last_days(session.workspace, session.source.name, (SCHEDULED, QUICK), session.as_of) | found
    since = min(max(found.values(), default=session.as_of), session.as_of - REMEMBERED)
    return {name: day for name, day in found.items() if day >= since}


def with_those_scored(folder: Path, asked: Sequence[str]) -> list[str]:
    """Add the targets of a folder's table to those asked for: a table is of one moment, so all are scored again."""
    return list(dict.fromkeys([*scored_in(folder), *asked])) if asked else []


def scored_in(folder: Path) -> list[str]:
    """Name the targets that a folder's table holds."""
    path = folder / "scored_customers.parquet"
    columns = read_schema(path).names if path.is_file() else []
    return [name.removesuffix(VERSION) for name in columns if name.endswith(VERSION)]


def run_versions(session: Session) -> dict[str, str]:
    """Choose the version just trained where it may be promoted, else the champion; empty where there is neither.

    => target: version
    """
    return {
        record.target: record.model.version
        if record.status == "trained"
        else session.registry.champion(session.model_name(record.target)) or ""
        for record in records(session)
    }
