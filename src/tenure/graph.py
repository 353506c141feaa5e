"""A run as a graph of steps: each leaves a mark of what it was made from, and is run again only when that changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tenure.code_fingerprint import fingerprint_code
from tenure.sources.raw_files import fingerprint_file
from tenure.workspace import replaced_file

MARKS = "steps"


@dataclass(frozen=True)
class Step:
    """One notebook of a run.

    ``outputs`` are patterns of the files it writes, ``after`` the steps whose outputs it reads. ``state`` tells of what
    lies outside the folder, as text: champions, the ledger. ``settles_as`` is the state that the run itself brings about
    with what this step made: finding it later is no change.
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

    step: str
    key: str
    states: tuple[str, ...]
    outputs: dict[str, str]
    seconds: float
    run_id: str


class Marks:
    """The marks of the steps in one output folder."""

    def __init__(self, folder: Path, *inputs: str) -> None:
        """``inputs`` are what every step of the run depends on: raw data, as-of, options."""
        self._folder = folder
        self._inputs = inputs

    def read(self, step: str) -> Mark | None:
        path = self._path(step)
        if not path.is_file():
            return None
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Mark(**stored | {"states": tuple(stored["states"])})

    def is_current(self, step: Step) -> bool:
        """Say whether a step's outputs are there, whole, and made from what there is now."""
        mark = self.read(step.name)
        if mark is None or mark.key != self._key(step) or step.state() not in mark.states:
            return False
        return all(
            (self._folder / path).is_file() and fingerprint_file(self._folder / path) == digest
            for path, digest in mark.outputs.items()
        )

    def forget(self, step: Step) -> None:
        """Remove a step's mark, then what it wrote."""
        self._path(step.name).unlink(missing_ok=True)
        for path in self._outputs(step):
            path.unlink()

    def set(self, step: Step, state: str, *, seconds: float, run_id: str) -> None:
        """Mark a step as done; ``state`` is what it found outside when it began."""
        outputs = {str(path.relative_to(self._folder)): fingerprint_file(path) for path in self._outputs(step)}
        states = tuple(dict.fromkeys((state, step.settles_as() or state)))
        mark = Mark(step.name, self._key(step), states, outputs, seconds, run_id)
        with replaced_file(self._path(step.name)) as fresh:
            fresh.write_text(json.dumps(asdict(mark), indent=1), encoding="utf-8")

    def _path(self, step: str) -> Path:
        return self._folder / MARKS / f"{step}.json"

    def _outputs(self, step: Step) -> Iterator[Path]:
        for pattern in (str(step.executed), *step.outputs):
            yield from sorted(path for path in self._folder.glob(pattern) if path.is_file())

    def _key(self, step: Step) -> str:
        earlier = {name: mark.outputs for name in step.after if (mark := self.read(name))}
        made_from = [step.notebook, dict(step.parameters), earlier, fingerprint_code(), *self._inputs]
        return blake2b(json.dumps(made_from, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
