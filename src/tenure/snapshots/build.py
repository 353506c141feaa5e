"""Snapshots: features and labels at many cutoffs, built once and reused while nothing they are made of changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import NotEnoughDataError
from tenure.core.lock import sole_writer
from tenure.core.time_windows import CutoffPlan, plan_cutoffs
from tenure.core.workspace import Workspace
from tenure.features.catalogue import available_columns, longest_window, tables_of
from tenure.features.definition import FeatureColumn
from tenure.identity.events import identity_before, identity_digest, same_identity
from tenure.snapshots.engine_choice import DUCKDB, open_engine
from tenure.snapshots.engines.build_cost import write_build
from tenure.snapshots.engines.duckdb_engine import ENGINE_VERSION
from tenure.snapshots.engines.known_customers import known_customers
from tenure.snapshots.engines.known_facts import KnownFacts, known_facts
from tenure.snapshots.engines.staged_facts import empty_columns, tables_with_rows
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.staged_source import StagedSource
from tenure.targets.catalogue import in_form, targets_of, why_not_asked
from tenure.targets.definition import Condition, Heuristic, Target

MIN_HISTORY_DAYS = 60
# Fitting cutoffs are stacked; two years of months is as far back as behaviour stays comparable.
MAX_FITTING_CUTOFFS = 24


@dataclass(frozen=True)
class Snapshots:
    """The snapshots of one staged source, seen from one as-of.

    ``engine`` builds what is missing; a file's key does not name it.
    """

    workspace: Workspace
    staged: StagedSource
    as_of: date
    engine: str = DUCKDB
    memory: int | None = None  # bytes a training may take; None: as the environment says
    with_features: bool = True  # without, they only tell who is asked, and what came of it
    of_everybody: bool = False  # of all who were known, not only of those whom a target asks about

    def __repr__(self) -> str:
        return f"<Snapshots of {self.staged.source.name} as of {self.as_of}, built by {self.engine}>"

    @cached_property
    def _tables(self) -> dict[str, tuple[str, ...]]:
        return tables_with_rows(self.staged, self.as_of)

    @cached_property
    def targets(self) -> dict[str, Target]:
        """The targets this source can answer, with its own numbers."""
        if self.of_everybody:
            dated = [_known_by(table) for table in self._tables if STAGED_TABLES[table].is_dated]
            return {target.name: target for target in dated}
        return {n: t for n, t in self._in_form.items() if n not in self.unavailable_targets}

    @property
    def unavailable_targets(self) -> dict[str, str]:
        """The targets it cannot answer or does not ask, and why, in one line each."""
        found = {n: why_not_asked(t, self.staged.source, self._tables, self.as_of) for n, t in self._in_form.items()}
        return {name: why for name, why in found.items() if why}

    @cached_property
    def _in_form(self) -> dict[str, Target]:
        return {n: in_form(target, self._tables) for n, target in targets_of(self.staged.source).items()}

    @cached_property
    def columns(self) -> list[FeatureColumn]:
        """The columns of the features this source can answer."""
        return self._features[0]

    @property
    def unavailable_features(self) -> list[str]:
        """What it cannot answer, in one line each."""
        return self._features[1]

    @cached_property
    def _features(self) -> tuple[list[FeatureColumn], list[str]]:
        if not self.with_features:
            return [], []
        customers = self.staged.tables.get("customers")
        return available_columns(self.staged.source, self._tables, empty_columns(self.staged, self.as_of), customers)

    def history_start(self, target: Target) -> date:
        """First day of the tables the target is asked of."""
        return min(date.fromisoformat(self.staged.tables[table].history_start) for table in target.tables)

    def plan(self, target: Target, test_cutoff: date | None = None) -> CutoffPlan:
        """Choose the fitting cutoffs and the test cutoff of a target.

        Raises
        ------
        NotEnoughDataError : no cutoff has matured with enough history, or none is left for fitting after the embargo.
        """
        source = self.staged.source
        start = self.history_start(target)
        min_history = source.min_history_days or max(MIN_HISTORY_DAYS, target.eligible_days)
        plan = plan_cutoffs(
            history_start=start,
            as_of=self.as_of,
            window=target.window,
            min_history_days=min_history,
            grid=source.cutoff_grid,
            test_cutoff=test_cutoff,
            max_fitting=MAX_FITTING_CUTOFFS,
        )
        if plan is None or not plan.fitting:
            # From one cutoff of the grid to the next, at most: once before the fitting cutoff, once before the test.
            apart = 30 if source.cutoff_grid == "month" else 6
            span = min_history + 2 * (target.lead_days + target.horizon_days + target.label_lag_days + apart)
            lacking = "matured cutoff"
            if plan is not None:
                lacking = f"fitting cutoff whose outcomes were certain at the test cutoff {plan.test}"
            weeks = ', or set cutoff_grid = "week" in the source' if source.cutoff_grid == "month" else ""
            raise NotEnoughDataError(
                f"{target.name} on {source.name}: the history from {start} to {self.as_of} "
                f"({(self.as_of - start).days} days) leaves no {lacking}. Expected {span} days: "
                f"{min_history} of history, then lead time ({target.lead_days}), horizon ({target.horizon_days}) and "
                f"label lag ({target.label_lag_days}) twice, and up to {apart} each time to the next cutoff. "
                f"Bring more history or shorten horizon_days{weeks}."
            )
        return plan

    def usable_columns(self, target: Target, plan: CutoffPlan) -> tuple[list[FeatureColumn], list[str]]:
        """Leave out features whose window is longer than the history at the earliest fitting cutoff, and list them."""
        by_name = {column.name: column for column in self.columns}
        kept, dropped = [], []
        for column in self.columns:
            days = longest_window(column, by_name)
            starts = [self.staged.tables[table] for table in tables_of(column, by_name)]
            dated = [date.fromisoformat(table.history_start) for table in starts if not table.is_static]
            if dated and max(dated) + timedelta(days=days) > plan.fitting[0] + timedelta(days=1):
                dropped.append(column.name)
            else:
                kept.append(column)
        return kept, dropped

    def scratch(self) -> TemporaryDirectory[str]:
        """Give a temporary folder on the workspace's own disk."""
        return self.workspace.scratch(self.staged.source.name)

    def _writing(self) -> AbstractContextManager[bool]:
        name = self.staged.source.name
        return sole_writer(self.workspace, name, f"building snapshots of {name}")

    @property
    def _folder(self) -> Path:
        return self.workspace.snapshots(self.staged.source.name)

    def features_path(self, cutoff: date) -> Path:
        return (
            self._folder
            / ("everybody" if self.of_everybody else "features")
            / f"{cutoff}-{self._features_key(cutoff)}.parquet"
        )

    @property
    def build_path(self) -> Path:
        """Where the last build says what its parts took."""
        return self._folder / "last_build.json"

    def labels_path(self, target: Target, cutoff: date) -> Path:
        key = digest(
            self._features_key(cutoff), self._known_facts.digest(self.as_of), target.fingerprint, str(self.as_of)
        )
        return self._folder / "labels" / target.name / f"{cutoff}-seen-{self.as_of}-{key}.parquet"

    def _features_key(self, cutoff: date) -> str:
        """Name what a snapshot is made of: the definitions, and the facts seen at its cutoff.

        Later facts leave it as it is.
        """
        facts, persons = self._known_facts.digest(cutoff), identity_digest(self.staged.identity_events, cutoff)
        return digest(str(ENGINE_VERSION), facts, self._definitions, *([persons] if persons else []))

    @cached_property
    def _known_facts(self) -> KnownFacts:
        return known_facts(self.staged)

    @cached_property
    def _definitions(self) -> str:
        asked = [(n, t.eligible, sorted(t.numbers.items())) for n, t in sorted(self.targets.items())]
        return digest(repr(self.columns), repr(asked))

    def build_features(self, cutoffs: Iterable[date]) -> dict[str, int]:
        """Build the snapshots that are missing; return how many were built and how many reused.

        A build that is killed keeps what it finished.

        Raises
        ------
        LockedError : some are missing, and another process writes.
        """
        wanted = sorted(set(cutoffs))
        missing = [cutoff for cutoff in wanted if not self.features_path(cutoff).is_file()]
        if missing:
            folder = self.features_path(missing[0]).parent
            folder.mkdir(parents=True, exist_ok=True)
            with self._writing(), open_engine(self.engine, self.staged, folder) as engine:
                paths = {cutoff: self.features_path(cutoff) for cutoff in missing}
                for alike in same_identity(self.staged.identity_events, missing):
                    engine.build_snapshot(self.targets.values(), self.columns, alike, paths)
                for cutoff in wanted:
                    _drop_outdated(self.features_path(cutoff), keep=self.features_path(cutoff).name)
                write_build(self.build_path, len(missing), engine.costs)
        return {"built": len(missing), "reused": len(wanted) - len(missing)}

    def build_labels(self, target: Target, cutoffs: Iterable[date]) -> dict[str, int]:
        """Build the labels that are missing, of matured cutoffs only.

        Raises
        ------
        NotEnoughDataError : an outcome window passes the as-of.
        """
        wanted = sorted(set(cutoffs))
        self._check_matured(target, wanted)
        missing = [cutoff for cutoff in wanted if not self.labels_path(target, cutoff).is_file()]
        if missing:
            self.build_features(missing)
            folder = self.features_path(missing[0]).parent
            with self._writing(), open_engine(self.engine, self.staged, folder) as engine:
                for cutoff in missing:
                    path = self.labels_path(target, cutoff)
                    with replaced_file(path) as fresh:
                        engine.build_labels(target, cutoff, self.as_of, self.features_path(cutoff), fresh)
                    # Seen from another day they are built anew: of daily runs each would leave all of them once more.
                    _drop_outdated(path, keep=f"{cutoff}-seen-{self.as_of}-")
        return {"built": len(missing), "reused": len(wanted) - len(missing)}

    def label(self, target: Target, scored: Mapping[date, Iterable[str]]) -> Iterator[tuple[date, pd.DataFrame]]:
        """Label those who were scored at some cutoffs, by a definition that need not be the source's own.

        => by cutoff: customer_id, label. Customers whom no fact names any more have no outcome, and no label.

        Raises
        ------
        NotEnoughDataError : an outcome window passes the as-of.
        """
        self._check_matured(target, scored)
        if not scored:
            return
        known = {*known_customers(self.staged, self.as_of)["customer_id"]}
        known |= identity_before(self.staged.identity_events, self.as_of).keys()
        with self.scratch() as scratch, open_engine(self.engine, self.staged, Path(scratch)) as engine:
            asked, labels = Path(scratch) / "asked.parquet", Path(scratch) / "labels.parquet"
            for cutoff, customers in scored.items():
                rows = pd.DataFrame({"customer_id": sorted(known.intersection(customers))}, dtype="str")
                rows.assign(**{f"eligible__{target.name}": True}).to_parquet(asked)
                engine.build_labels(target, cutoff, self.as_of, asked, labels)
                yield cutoff, pd.read_parquet(labels)

    def _check_matured(self, target: Target, cutoffs: Iterable[date]) -> None:
        for cutoff in cutoffs:
            if not target.window.is_matured(cutoff, self.as_of):
                raise NotEnoughDataError(
                    f"{target.name} at cutoff {cutoff}: outcomes are certain on {target.window.certain_on(cutoff)}, "
                    f"after the as-of {self.as_of}. Expected a matured cutoff; choose an earlier one."
                )


def _known_by(table: str) -> Target:
    """Ask of all who have a row in a table: a question without an answer, so that a snapshot holds them."""
    anything = Condition(table, "count(*) > 0")
    name, question, words = f"known_by_{table}", "Is a customer known?", "is known"
    return Target(name, question, words, (anything,), anything, Heuristic("1", "none"), "known", 1)


def digest(*parts: str, size: int = 8) -> str:
    """Name by content: hash texts into so many bytes (hexadecimal)."""
    return blake2b("\x1f".join(parts).encode(), digest_size=size).hexdigest()


def _drop_outdated(path: Path, keep: str) -> None:
    """Remove earlier versions of the same cutoff: their inputs are gone, nothing could reuse them.

    What begins with ``keep`` stays.
    """
    for other in path.parent.glob(f"{path.name[:10]}-*.parquet"):
        if not other.name.startswith(keep):
            other.unlink()
