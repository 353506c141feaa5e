"""A run's steps: each leaves a mark of what it was made from in the run's record, and is run again only when that changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tenure import HOMES
from tenure.core.code_keys import code_key
from tenure.core.hashing import fingerprint_file
from tenure.core.stored import made_of
from tenure.runs.notebooks import notebook_path
from tenure.steps.run_record import RunRecord


@dataclass(frozen=True)
class Step:
    """One notebook of a run.

    ``outputs`` are patterns of the files it writes, ``after`` the steps whose outputs it reads. ``state`` describes
    what lies outside the folder, as text: champions, the ledger. ``settles_as`` is the state that the run itself
    brings about with what this step made: finding it later is no change.
    """

    name: str
    notebook: str
    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    state: Callable[[], str] = str
    settles_as: Callable[[], str] = str

    @property
    def executed(self) -> Path:
        return Path("notebooks") / f"{self.name}.ipynb"


@dataclass(frozen=True)
class Mark:
    """What a finished step was made from, and what it made: file => hash. The executed notebook counts among them."""

    key: str
    states: tuple[str, ...]
    outputs: dict[str, str]
    seconds: float
    run_id: str


@dataclass(frozen=True)
class Marks:
    """The marks of the steps in a run's record. ``inputs`` are what every step depends on: staging, as-of, options, plugins."""

    record: RunRecord
    inputs: tuple[str, ...] = ()

    def read(self, step: str) -> Mark | None:
        stored = self.record.document["steps"].get(step)
        return made_of(Mark, stored | {"states": tuple(stored["states"])}) if stored else None

    def is_current(self, step: Step) -> bool:
        """Say whether a step's outputs are there, whole, and made from what there is now."""
        mark = self.read(step.name)
        if mark is None or mark.key != self._key(step) or step.state() not in mark.states:
            return False
        folder = self.record.folder
        return all(
            (folder / path).is_file() and fingerprint_file(folder / path) == digest
            for path, digest in mark.outputs.items()
        )

    def forget(self, step: Step) -> None:
        """Remove a step's mark, then what it wrote."""
        self.record.set_step(step.name, None)
        for path in self._outputs(step):
            path.unlink()

    def set(self, step: Step, state: str, *, seconds: float) -> None:
        """Mark a step as done; ``state`` is what it found outside when it began."""
        outputs = {self._relative(path): fingerprint_file(path) for path in self._outputs(step)}
        states = tuple(dict.fromkeys((state, step.settles_as() or state)))
        mark = Mark(self._key(step), states, outputs, seconds, self.record.document["run_id"])
        self.record.set_step(step.name, asdict(mark))

    def renew(self, paths: Iterable[Path]) -> None:
        """Take the present content of files for what their steps wrote: they were changed since, on purpose."""
        fresh = {self._relative(path): fingerprint_file(path) for path in paths}
        for name, mark in self.record.document["steps"].items():
            renewed = {path: fresh.get(path, digest) for path, digest in mark["outputs"].items()}
            if renewed != mark["outputs"]:
                self.record.set_step(name, mark | {"outputs": renewed})

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.record.folder))

    def _outputs(self, step: Step) -> Iterator[Path]:
        """Find what a step's patterns name, but for what other steps wrote."""
        marks = self.record.document["steps"].items()
        others = {path for name, mark in marks if name != step.name for path in mark["outputs"]}
        for pattern in (str(step.executed), *step.outputs):
            found = sorted(path for path in self.record.folder.glob(pattern) if path.is_file())
            yield from (path for path in found if self._relative(path) not in others)

    def _key(self, step: Step) -> str:
        earlier = {name: mark.outputs for name in step.after if (mark := self.read(name))}
        made_from = [dict(step.parameters), earlier, code_of(step.notebook), *self.inputs]
        return blake2b(json.dumps(made_from, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()


@cache
def code_of(notebook: str) -> str:
    """Hash a notebook, and the code of the functions of ours that it calls."""
    text = notebook_path(notebook).read_text(encoding="utf-8")
    called = sorted({HOMES[name] for name in re.findall(r"\btenure\.(\w+)", text) if name in HOMES})
    return blake2b(text.encode() + code_key(*called).encode(), digest_size=16).hexdigest()
