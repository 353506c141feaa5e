"""The steps of one run, each a notebook: performed or found done, and side by side where they need nothing of each other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from threading import Event
from typing import Any

from tenure.errors import TenureError
from tenure.flows.progress import Progress, StepEvent
from tenure.graph import Marks, Step
from tenure.identity.events import identity_digest
from tenure.memory import engine_memory
from tenure.notebooks import execute
from tenure.run_document import Performed, StepTiming, write_document
from tenure.steps.opening import Run, open_run
from tenure.steps.report import write_index
from tenure.workspace import replaced_folder

# On ports two kernels may choose the same one in the same instant; where they use none, their nursery imports on meanwhile.
KERNEL_START_SECONDS = 1.0
# What a training takes beside what the engine may hold.
TRAINING_BYTES = 1 << 30


@dataclass
class Work:
    """The steps of one run in one folder: performed, or found done."""

    run: Run
    folder: Path
    progress: Progress
    common: dict[str, Any]
    performed: Performed = field(default_factory=Performed)

    @property
    def marks(self) -> Marks:
        run = self.run
        persons = identity_digest(run.staged.identity_events, run.as_of)
        facts = run.source.meaning + run.staged.fingerprint + persons
        return Marks(self.folder, facts, str(run.as_of), str(run.quick), run.run_kind)

    def perform(self, step: Step) -> None:
        """Execute a step's notebook, unless its mark says that nothing it is made from has changed."""
        if self.marks.is_current(step):
            self.performed.reused.append(step.name)
            self.progress(StepEvent(step.name, "reused"))
            return
        self.marks.forget(step)
        state, started = step.state(), time.monotonic()
        self.progress(StepEvent(step.name, "started"))
        run = self.run
        common = {
            "source": run.source.name, "as_of": str(run.as_of), "workspace": str(run.workspace.root), "output": str(self.folder),
            "quick": run.quick, "run_id": run.run_id,
        }  # fmt: skip
        parameters = common | self.common | dict(step.parameters)
        try:
            execute(step.notebook, parameters, self.folder / step.executed, run.workspace.root)
        except TenureError:
            # Said at once: steps beside it may work on for long.
            self.progress(StepEvent(step.name, "failed", round(time.monotonic() - started, 2)))
            raise
        seconds = round(time.monotonic() - started, 2)
        self.marks.set(step, state, seconds=seconds, run_id=run.run_id)
        self.performed.executed.append(StepTiming(step.name, seconds))
        self.progress(StepEvent(step.name, "done", seconds))

    def finish(self, kind: str, asked: Sequence[str]) -> dict[str, Any]:
        """Write the index of all there is now, then ``run.json``, the commit mark; return what that says. ``kind``: run, score or audit."""
        write_index(self.run)
        return write_document(self.run, self.folder, self.performed, kind=kind, asked=asked)


def side_by_side(work: Work, steps: Iterable[Step]) -> None:
    """Perform steps that need nothing of each other. Their kernels start one after the other.

    Where one fails those under way end, and are kept; no other begins.
    """
    one_failed = Event()

    def perform(step: Step) -> None:
        if one_failed.is_set():
            return
        try:
            work.perform(step)
        except BaseException:
            one_failed.set()
            raise

    with ThreadPoolExecutor(max_workers=steps_at_once()) as pool:
        started = []
        for step in steps:
            started.append(pool.submit(perform, step))
            wait(started[-1:], timeout=KERNEL_START_SECONDS)
        for performed in started:
            performed.result()


def steps_at_once() -> int:
    """Say how many steps fit side by side: into the cores, and into the memory that is free now."""
    import psutil

    return max(1, min(3, os.cpu_count() or 1, psutil.virtual_memory().available // (engine_memory() + TRAINING_BYTES)))


def writing_to(run: Run, folder: Path) -> Run:
    """Return the same run with another output folder."""
    return open_run(
        run.source.name, as_of=str(run.as_of), workspace=str(run.workspace.root), output=str(folder), quick=run.quick,
        run_id=run.run_id, run_kind=run.run_kind, engine=run.engine,
    )  # fmt: skip


@contextmanager
def added_to(run: Run, progress: Progress) -> Iterator[Work]:
    """Work on a copy of the as-of's folder, which takes its place when the block ends well."""
    with replaced_folder(run.output) as fresh:
        if run.output.is_dir():
            copytree(run.output, fresh, dirs_exist_ok=True)
        yield Work(writing_to(run, fresh), fresh, progress, {"run_kind": run.run_kind})
