"""The steps of one run, each a notebook: performed or found done, side by side where they are independent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from shutil import copyfile, copytree, rmtree
from threading import Event
from typing import Any

from tenure.core.atomic_files import replaced_folder
from tenure.core.errors import TenureError
from tenure.core.memory import engine_memory
from tenure.core.plugins import plugins_key
from tenure.core.recovery import end_kernels_of
from tenure.identity.events import identity_digest
from tenure.reporting.style import restyle
from tenure.runs.notebooks import execute
from tenure.runs.progress import Performed, Progress, StepEvent, StepTiming
from tenure.runs.sealing import seal
from tenure.runs.step_cache import Marks, Step
from tenure.steps.opening import Session
from tenure.steps.run_record import RunRecord, former_steps

# Kernels on ports may choose the same one in the same instant; without ports, their nursery imports on meanwhile.
KERNEL_START_SECONDS = 1.0
# What a training takes beside what the engine may hold.
TRAINING_BYTES = 1 << 30
INGEST = "01_ingest"


@dataclass
class Work:
    """The steps of one run in the folder of its record: performed, or found done."""

    run: Session
    record: RunRecord
    progress: Progress
    performed: Performed = field(default_factory=Performed)
    restyled: Sequence[Path] = ()

    @classmethod
    def taking_up(cls, session: Session, folder: Path, progress: Progress, **facts: Any) -> Work:
        """Go on with a run, begun and ingested elsewhere, in a folder that may hold what an earlier one did."""
        begun = session.recorded
        record = RunRecord(folder, begun.document | facts | {"steps": former_steps(folder)})
        work = cls(replace(session, record=record), record, progress)
        record.extend()
        rmtree(folder / "steps", ignore_errors=True)  # marks as they were kept before a run had a record
        work.restyled = restyle(folder)
        work.marks.renew(work.restyled)
        work._take_ingest(begun)
        return work

    def _take_ingest(self, begun: RunRecord) -> None:
        """Keep the ingest of an unchanged staging; else copy what this run ingested, or perform it."""
        step = Step(INGEST, INGEST, state=lambda: self.run.staged.key)
        done = begun.document["steps"].get(INGEST)
        if done and not self.marks.is_current(step):
            self.marks.forget(step)
            (self.record.folder / step.executed).parent.mkdir(exist_ok=True)
            copyfile(begun.folder / step.executed, self.record.folder / step.executed)
            self.marks.set(step, step.state(), seconds=done["seconds"])
            self.performed.executed.append(StepTiming(INGEST, done["seconds"]))
        else:
            self.perform(step)

    @property
    def marks(self) -> Marks:
        run = self.run
        if not self.record.document["staging"]:
            return Marks(self.record)
        persons = identity_digest(run.staged.identity_events, run.as_of)
        facts = run.staged.fingerprint + persons + run.source.meaning
        inputs = (facts, str(run.as_of), str(run.quick), run.run_kind, plugins_key(run.source.folder))
        return Marks(self.record, inputs)

    @cached_property
    def _usual_seconds(self) -> dict[str, float]:
        """How long each step took in the last run of the source, whatever its as-of."""
        folders = self.run.workspace.reports_of(self.run.source.name).glob("[0-9]*")
        steps = former_steps(max(folders, default=self.record.folder))
        return {name: mark["seconds"] for name, mark in steps.items()}

    def perform(self, *steps: Step) -> None:
        """Perform steps that need nothing of each other, side by side; their kernels start one after the other.

        Where one fails, those under way end and are kept; no other begins. This thread only waits: a signal reaches it,
        and ends them all.
        """
        one_failed, stopped = Event(), Event()
        with ThreadPoolExecutor(max_workers=steps_at_once()) as pool:
            try:
                started = []
                for step in steps:
                    started.append(pool.submit(self._perform, step, one_failed, stopped))
                    wait(started[-1:], timeout=KERNEL_START_SECONDS)
                for performed in started:
                    performed.result()
            except BaseException as error:
                one_failed.set()
                if not isinstance(error, Exception):
                    stopped.set()
                    while wait(started, timeout=0.2).not_done:
                        end_kernels_of(os.getpid())
                raise

    def _perform(self, step: Step, one_failed: Event, stopped: Event) -> None:
        """Execute a step's notebook, unless its mark says that nothing it is made from has changed."""
        if one_failed.is_set():
            return
        if self.marks.is_current(step):
            self.performed.reused.append(step.name)
            self.progress(StepEvent(step.name, "reused"))
            return
        usual = self._usual_seconds.get(step.name, 0.0)
        self.marks.forget(step)
        state, started = step.state(), time.monotonic()
        self.progress(StepEvent(step.name, "started", usual_seconds=usual))
        document, root = self.record.document, self.run.workspace.root
        which_run = {"source": document["source"], "as_of": document["as_of"], "run": document["run_id"]}
        parameters = {**which_run, "workspace": str(root), **step.parameters}
        try:
            execute(step.notebook, parameters, self.record.folder / step.executed, root)
        except TenureError:
            # Said at once: steps beside it may work on for long.
            one_failed.set()
            if not stopped.is_set():
                self.progress(StepEvent(step.name, "failed", round(time.monotonic() - started, 2)))
            raise
        seconds = round(time.monotonic() - started, 2)
        self.marks.set(step, state, seconds=seconds)
        self.performed.executed.append(StepTiming(step.name, seconds))
        self.progress(StepEvent(step.name, "done", seconds))

    def finish(self, asked: Sequence[str]) -> dict[str, Any]:
        """Write the index of all there is now, then seal the record, the commit mark; return what it says."""
        timings = [asdict(timing) for timing in self.performed.executed]
        return seal(self.run, self.record, {"timings": timings, "reused": self.performed.reused}, asked)


def steps_at_once() -> int:
    """Say how many steps fit side by side: into the cores, and into the memory that is free now."""
    import psutil

    return int(
        max(1, min(3, os.cpu_count() or 1, psutil.virtual_memory().available // (engine_memory() + TRAINING_BYTES)))
    )


@contextmanager
def added_to(session: Session, progress: Progress) -> Iterator[Work]:
    """Work on a copy of the as-of's folder, which takes its place when the block ends well."""
    final = session.workspace.reports(session.source.name, session.as_of)
    with replaced_folder(final) as fresh:
        if final.is_dir():
            copytree(final, fresh, dirs_exist_ok=True)
        yield Work.taking_up(session, fresh, progress)
