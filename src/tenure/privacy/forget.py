"""Forgetting one customer: never staged again, taken out of everything made so far, and the proof by search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import DataContractError, RunError, UsageError
from tenure.core.lock import sole_writer
from tenure.core.workspace import Workspace
from tenure.decisions.ledger import drop_decisions_of
from tenure.identity.events import Ledger
from tenure.identity.forgetting import drop_customer, drop_seen
from tenure.identity.resolve import SEEN
from tenure.models.model import revise_sealed
from tenure.models.registry.registry import Registry, model_name
from tenure.privacy.files import names_person, take_out
from tenure.privacy.log_files import is_log
from tenure.privacy.person import Person
from tenure.scoring.ledger import drop_scores_of, scored_targets
from tenure.sources.carried_ids import is_telling
from tenure.sources.contract import RECORDS
from tenure.sources.identities import Identities
from tenure.sources.ingest import stage_source
from tenure.sources.source import Source, read_source
from tenure.steps.opening import BACKFILL_ENDING
from tenure.steps.run_record import RUN_JSON, refresh_outputs
from tenure.targets.catalogue import all_targets

CARD = "model_card.md"
CARD_NOTE = (
    "**Forgotten.** Customers were forgotten after this version was fitted. It holds no row of theirs, but what it learned from them "
    "stays in it until it is trained anew."
)


@dataclass(frozen=True)
class Forgotten:
    """What forgetting came to.

    ``files``, ``artifacts`` and ``texts`` were searched; the last two name what still holds the customer.
    """

    changed: dict[str, int]  # what => files or artefacts changed
    files: int  # of the workspace
    artifacts: int  # files of the MLflow store
    texts: int  # of the MLflow store's tables
    raw_files: list[Path]
    left: list[str]
    not_searched: list[str]  # other places of the workspace
    others: tuple[str, ...] = ()  # who was one person with the customer, and stays


def forget_customer(workspace: Workspace, source_name: str, customer: str) -> Forgotten:
    """Forget a customer, named as in the raw files or by pseudonym; a repeat finishes what a crash cut short.

    Raises
    ------
    UsageError : nothing names such a customer, or the key is missing. LockedError : another process writes.
    RunError : the search found the customer still; names the files.
    """
    source = read_source(workspace, source_name)
    identities = Identities.of(workspace, source)
    with sole_writer(workspace, source_name, f"tenure forget {source_name}"):
        customer = identities.pseudonyms.real_ids().get(customer, customer)
        names = tuple(dict.fromkeys((customer, identities.name_of(customer))))
        person = Person(names, _others_named_like(workspace, identities, customer))
        registry = Registry(workspace)
        registry.check()
        _check_known(workspace, source, identities, person, customer)
        events = workspace.identity_events(source_name)
        others = tuple(Ledger(events).same_person(identities.name_of(customer)))
        # First of all: whatever happens next, no staging brings the customer back.
        identities.forget(customer)
        changed = {
            "staged tables": _stage_anew(workspace, source),
            "snapshots": _drop_snapshots(workspace, source_name),
            "identity": drop_customer(events, person.names)
            + drop_seen(events / SEEN, _whole_records(workspace, source)),
        }
        changed["scores"] = drop_scores_of(workspace, source_name, person.names)
        changed["decisions"] = drop_decisions_of(workspace, source_name, person.names)
        changed["reports and notebooks"] = sum(
            _take_out(person, path) + _note_in_card(path) for path in _written(workspace, source_name)
        )
        changed["MLflow files and tags"] = _revise_store(workspace, source_name, registry, person)
        for document in workspace.reports_of(source_name).rglob(RUN_JSON):
            refresh_outputs(document.parent)
        return replace(_prove(workspace, source_name, registry, person, changed), others=others)


def _check_known(workspace: Workspace, source: Source, identities: Identities, person: Person, customer: str) -> None:
    """A mistyped id would be forgotten without a word, and the customer not at all."""
    if customer in identities.forgotten:
        return
    # Snapshots name nobody that staged tables do not, and the numbers of a fit may look like a short id.
    snapshots = workspace.snapshots(source.name)
    written = (path for path in _everything(workspace, source.name) if not path.is_relative_to(snapshots))
    if not any(names_person(person, path) for path in (*_raw_files(workspace, source.name), *written)):
        raise UsageError(
            f"{source.name}: no table, report or raw file names this customer. Expected an id just as the raw files write it. Nothing was changed."
        )


def _others_named_like(workspace: Workspace, identities: Identities, customer: str) -> tuple[str, ...]:
    """List the customers in whose ids this one's stands: K1234-A is not K1234."""
    if not is_telling(customer):
        return ()
    known = {*identities.pseudonyms.real_ids().values()}
    for path in workspace.staged(identities.source).glob("*.parquet"):
        if "customer_id" in pq.read_schema(path).names:
            known.update(pq.read_table(path, columns=["customer_id"])["customer_id"].unique().to_pylist())
    return tuple(other for other in known if customer in other and other != customer)


def _stage_anew(workspace: Workspace, source: Source) -> int:
    """Stage without the customer; return how many tables.

    Where raw files or settings no longer allow it, the staged tables are removed: the next run stages them again, or
    says what is wrong.
    """
    try:
        return len(stage_source(workspace, source).tables)
    except (DataContractError, UsageError):
        staged = workspace.staged(source.name)
        count = len(list(staged.glob("*.parquet")))
        rmtree(staged, ignore_errors=True)
        workspace.private_records(source.name).unlink(missing_ok=True)
        return count


def _whole_records(workspace: Workspace, source: Source) -> Path:
    private = workspace.private_records(source.name)
    return private if private.is_file() else workspace.staged(source.name) / f"{RECORDS}.parquet"


def _drop_snapshots(workspace: Workspace, source: str) -> int:
    """Remove the snapshots: each is keyed by the facts it was made of, and those have changed."""
    folder = workspace.snapshots(source)
    count = len(list(folder.rglob("*.parquet")))
    rmtree(folder, ignore_errors=True)
    return count


def _take_out(person: Person, path: Path) -> bool:
    return revise_sealed(path, lambda file: bool(take_out(person, file)))


def _note_in_card(path: Path) -> bool:
    """Say in a model's card that its training saw customers who are forgotten since; once."""
    if path.name != CARD or CARD_NOTE in (text := path.read_text(encoding="utf-8")):
        return False
    with replaced_file(path) as fresh:
        fresh.write_text(f"{text.rstrip()}\n\n{CARD_NOTE}\n", encoding="utf-8")
    return True


def _revise_store(workspace: Workspace, source: str, registry: Registry, person: Person) -> int:
    """Take the customer out of the files and texts of the source's models, wherever the store is."""
    changed = 0

    def revise(copy: Path) -> bool:
        nonlocal changed
        has_changed = _take_out(person, copy) | _note_in_card(copy)
        changed += has_changed
        return has_changed

    names = _model_names(workspace, source)
    registry.revise_files(names, revise)
    return changed + registry.revise_texts(names, person.blot)


def _prove(workspace: Workspace, source: str, registry: Registry, person: Person, changed: dict[str, int]) -> Forgotten:
    """Search everything again.

    Raises
    ------
    RunError : something still names the customer.
    """
    searched = [*_everything(workspace, source)]
    left = [str(path) for path in searched if names_person(person, path)]

    def look(copy: Path) -> bool:
        if names_person(person, copy):
            left.append(f"{registry.place}: artefact {copy.name}")
        return False

    names = _model_names(workspace, source)
    artifacts = registry.revise_files(names, look)
    texts = registry.texts(names)
    left += [f"{registry.place}: {stored.place}" for stored in texts if person.is_in(stored.text)]
    if left:
        raise RunError(
            f"{source}: {len(left)} of {len(searched) + artifacts + len(texts):,} files and texts searched still name the customer:\n  - "
            + "\n  - ".join(left)
            + "\nThe customer is on the suppression list all the same. Remove the name from them, or the files, or the MLflow runs for good ('mlflow gc'), and run the command again."
        )
    raw = [path for path in _raw_files(workspace, source) if names_person(person, path)]
    return Forgotten(changed, len(searched), artifacts, len(texts), raw, left, _not_searched(workspace, registry))


def _not_searched(workspace: Workspace, registry: Registry) -> list[str]:
    """Name what else lies in the workspace: nobody says of it that it is this source's."""
    searched = {workspace.data, workspace.root / "reports", workspace.root / "notebooks"}
    searched |= {workspace.mlruns} if registry.is_own else set()
    return sorted(path.name for path in workspace.root.iterdir() if path not in searched and not is_log(path))


def _model_names(workspace: Workspace, source: str) -> set[str]:
    """Name the models that are registered, those of every target there is, and of every one that ever scored."""
    targets = {*all_targets(read_source(workspace, source)), *scored_targets(workspace, source)}
    names = {model_name(source, target) for target in targets}
    names |= {name + BACKFILL_ENDING for name in names}
    return names | {*Registry(workspace).model_names(source)}  # those of actions among them


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _raw_files(workspace: Workspace, source: str) -> Iterable[Path]:
    """The owner's own files, and what a simulator keeps of its truth."""
    return [*_files(workspace.raw(source)), *_files(workspace.truth(source))]


def _written(workspace: Workspace, source: str) -> Iterator[Path]:
    """What people read: reports with their notebooks and tables, exports, notebooks that were run by hand, logs."""
    yield from _files(workspace.reports_of(source))
    yield from _files(workspace.exports(source))
    yield from _files(workspace.root / "notebooks")
    # Where the ready schedules let commands log: an error may have named its first case.
    yield from sorted(path for path in workspace.root.iterdir() if path.is_file() and is_log(path))


def _everything(workspace: Workspace, source: str) -> Iterator[Path]:
    """All that a source left in the workspace, but its raw files."""
    for folder in (
        workspace.staged(source),
        workspace.snapshots(source),
        workspace.identities(source),
        workspace.scores_of(source),
        workspace.decisions_of(source),
    ):
        yield from _files(folder)
    for scratch in workspace.data.glob(f"{workspace.scratch_prefix(source)}*"):
        yield from _files(scratch)
    yield from _written(workspace, source)
    for name in sorted(_model_names(workspace, source)):
        yield from _files(workspace.mlruns / "artifacts" / name)
