"""One moment of decision, from the facts known then to a file of the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import NotEnoughDataError, UsageError
from tenure.core.workspace import Workspace
from tenure.decisions.action import NOTHING, Policy
from tenure.decisions.candidates import (
    IS_BEST,
    Asked,
    find_candidates,
    gate_table,
    refuse_by_history,
    refuse_unscored,
)
from tenure.decisions.decide import decide
from tenure.decisions.exceptions import find_exceptions
from tenure.decisions.history import contaminated, first_names, history_of, taken_up
from tenure.decisions.hold_out import HoldOut
from tenure.decisions.ledger import (
    BEST,
    HOLD_OUT,
    SCHEDULE,
    WITHHELD,
    decision_files,
    next_file,
    read_decisions,
    write_decisions,
)
from tenure.decisions.measured import on_labels, read_effects
from tenure.decisions.people import careful_customers
from tenure.decisions.rows import HELPS, Moment, sending
from tenure.decisions.triggers import Seeking, find_followed, find_triggered
from tenure.decisions.values import values_of
from tenure.identity.events import identity_before
from tenure.scoring.ledger import MANUAL, SCHEDULED
from tenure.snapshots.engines.facts_at import FactsAt, facts_at
from tenure.sources.staged_source import StagedSource
from tenure.targets.catalogue import in_form, targets_of, why_not_asked
from tenure.targets.definition import Target

# How far back contacts are looked for that should not have been sent.
CONTAMINATION_DAYS = 31


@dataclass(frozen=True)
class Deciding:
    """Where and how a source is decided on. ``kind``: of run; decisions by hand are a draft on the scheduled ones.

    ``models``: by target, the version whose scores are acted on. ``now``: the clock (UTC). ``personal``: by action whose
    customers differ, each one's effect, as ``values_of`` asks, and why it helps (``helps``).
    """

    workspace: Workspace
    staged: StagedSource
    policy: Policy
    targets: Mapping[str, Target]
    models: Mapping[str, str]
    kind: str
    now: datetime
    personal: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return self.staged.source.name

    @property
    def folder(self) -> Path:
        return self.workspace.decisions_of(self.source)

    @property
    def lived(self) -> str:
        """The kind of run whose decisions were acted on."""
        return SCHEDULED if self.kind == MANUAL else self.kind

    def seen(self, decisions: Path) -> Path:
        """Where it is kept which rows had arrived when the decisions of a file were made."""
        return self.folder / "arrivals" / f"{decisions.parent.name.removeprefix('as_of=')}-{decisions.name}"


def decide_moment(deciding: Deciding, asked: Asked, *, since_last: bool = False, seed: str = "") -> Path:
    """Decide on every customer at the as-of, or only on what has arrived since the last decision; append, return the file.

    Raises
    ------
    UsageError : a later day was decided on before.
    """
    workspace, source, policy, as_of = deciding.workspace, deciding.source, deciding.policy, asked.facts.as_of
    files = decision_files(workspace, source, deciding.lived)
    if deciding.kind == MANUAL:  # a draft of the day as if nobody had decided on it
        files = [path for path in files if path.parent.name < f"as_of={as_of}"]
    if files and (last := files[-1].parent.name.removeprefix("as_of=")) > str(as_of):
        raise UsageError(
            f"{source}: decisions stand for {last}, after {as_of}. Expected that day or a later one: "
            "what was sent since is not known at an earlier one."
        )
    _check_targets(deciding, asked.facts)
    measured = on_labels(read_effects(workspace, source, as_of))
    key = policy.fingerprint(models=dict(deciding.models), measured=measured.to_json(orient="records"))
    moment = Moment(source, as_of, deciding.now, key, _now(deciding) if since_last else SCHEDULE)
    sends_on = sending(policy, moment.instant)[0].date()
    with _arrived(deciding.staged, moment, asked.facts) as facts:
        seen = deciding.seen(files[-1]) if files else None
        triggered = find_triggered(Seeking(deciding.staged, facts, asked, moment.instant.date(), seen), policy)
    where = pc.field("action") != NOTHING
    if since_last:
        where &= _concerns(policy, triggered.opened)
    decided = _decided(deciding, as_of, where)
    history = history_of(asked.facts, decided, policy.actions)
    opened = {**find_followed(asked.facts, policy, history, sends_on), **triggered.opened}
    if since_last:
        asked = asked.only({*chain.from_iterable(opened.values())})
    candidates = find_candidates(asked, policy, opened, all_open=not since_last)
    people = policy.rules.people
    refuse_by_history(candidates, policy, history, find_exceptions(asked.facts, people.never), sends_on)
    refuse_unscored(candidates)
    values = values_of(candidates, deciding.targets, measured, taken_up(history, decided), deciding.personal)
    for action, own in deciding.personal.items():
        ids = candidates.customers["customer_id"]
        candidates.customers[action + HELPS] = ids.map(own["helps"])
    hold_out = hold_out_of(deciding, as_of)
    held = hold_out.held(candidates.customers["customer_id"].tolist(), as_of, _first_names(deciding, as_of))
    is_wave = not since_last and len({path.parent for path in files}) < policy.rules.waves
    careful = careful_customers(asked.facts, people)
    made = decide(moment, policy, candidates, values, held, history, careful=careful, uniform=is_wave, seed=seed)
    path = next_file(workspace, source, deciding.kind, as_of)
    # What is kept beside it counts only once the file is there.
    if deciding.kind != MANUAL:
        hold_out.write(_hold_out_path(deciding))
        with replaced_file(deciding.seen(path)) as fresh:
            triggered.seen.to_parquet(fresh)
    columns = zip(policy.columns, values.is_assumed, strict=True)
    facts_of_it = {
        "value": made.value, "bound": made.bound, "tenth": made.tenth, "is_wave": is_wave, "policy": key, "matched_share": history.matched_share,
        "unknown_contacts": history.unknown, "expired": dict(triggered.expired),
        "own_effects": {name: deciding.models.get(f"{name}-effect", "") for name in sorted(deciding.personal)},
        "measured": sorted({action.name for (action, _), is_assumed in columns if not is_assumed}),
        "contaminated": contaminated(history, _kept_back(deciding, as_of)), "held_share": hold_out.share(as_of),
        "toml": asked.facts.source.policy, "best": int(candidates.customers[IS_BEST].sum()),
        "lacking": {
            a.name: a.on.table for a in policy.actions.values() if a.on and a.on.table and a.on.table not in asked.facts.tables
        },
        "gates": gate_table(candidates).to_dict("records"), "prices": made.prices.to_dict("records"),
    }  # fmt: skip
    write_decisions(path, made.rows, facts_of_it)
    return path


def _concerns(policy: Policy, opened: Mapping[str, pd.Series]) -> pc.Expression:
    """Take the decisions that matter to what has happened: of those customers, and those that another action follows."""
    touched = pa.array({*chain.from_iterable(opened.values())}, pa.string())
    followed = pa.array([action.name for action in policy.actions.values() if action.then], pa.string())
    return pc.field("customer_id").isin(touched) | pc.field("action").isin(followed)


def _check_targets(deciding: Deciding, facts: FactsAt) -> None:
    """Refuse an action whose target the source cannot answer: no customer could ever get it.

    Raises
    ------
    NotEnoughDataError : the table that the target needs, or that the source does not ask it.
    """
    defined = targets_of(facts.source)
    for action in deciding.policy.actions.values():
        if action.moves and action.moves not in deciding.targets:
            asked = in_form(defined[action.moves], facts.tables)
            raise NotEnoughDataError(
                f"{facts.source.where} [actions.{action.name}] moves {action.moves!r}, which "
                f"{why_not_asked(asked, facts.source, facts.tables, facts.as_of)}. Expected a target it asks and can answer; "
                "mend that, or take the action out."
            )


def held_out(deciding: Deciding, customers: Sequence[str], day: date) -> set[str]:
    """Name those of some customers who are held out on a day."""
    held = hold_out_of(deciding, day).held(customers, day, _first_names(deciding, day))
    return {customer for customer, is_held in zip(customers, held, strict=True) if is_held}


def hold_out_of(deciding: Deciding, day: date) -> HoldOut:
    return HoldOut.read(_hold_out_path(deciding), deciding.source).until(day, deciding.policy.rules.hold_out)


def _hold_out_path(deciding: Deciding) -> Path:
    return deciding.folder / f"hold_out-{deciding.lived}.json"


def _decided(deciding: Deciding, as_of: date, where: pc.Expression, **which: Any) -> pd.DataFrame:
    if deciding.kind == MANUAL:
        which |= {"before": as_of}
    return read_decisions(deciding.workspace, deciding.source, deciding.lived, where=where, **which)


def _kept_back(deciding: Deciding, as_of: date) -> pd.DataFrame:
    """Read the decisions to send nothing of the last weeks: by hold-out, or by chance."""
    since = as_of - timedelta(days=CONTAMINATION_DAYS)
    found = _decided(deciding, as_of, pc.field("arm") != BEST, since=since)
    return found[found["arm"].isin([HOLD_OUT, WITHHELD])]


def _first_names(deciding: Deciding, as_of: date) -> dict[str, str]:
    persons = identity_before(deciding.staged.identity_events, as_of)
    members = pa.array({*persons, *persons.values()}, pa.string())
    return first_names(_decided(deciding, as_of, pc.field("customer_id").isin(members)), persons) if persons else {}


def _now(deciding: Deciding) -> str:
    return (
        deciding.now.replace(tzinfo=ZoneInfo("UTC"))
        .astimezone(ZoneInfo(deciding.staged.source.timezone))
        .strftime("%Y-%m-%dT%H:%M:%S")
    )


@contextmanager
def _arrived(staged: StagedSource, moment: Moment, facts: FactsAt) -> Iterator[FactsAt]:
    """Open the facts that may trigger: those known at the as-of; of a moment later than it, those of its day as well."""
    if moment.moment == SCHEDULE:
        yield facts
        return
    today = datetime.fromisoformat(moment.moment).date()
    with facts_at(staged, today + timedelta(days=1)) as later:
        yield later
