"""What a run says while it works, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class StepEvent:
    """What a run reports while it works.

    ``seconds`` are known once a step is done or has failed; ``usual_seconds`` is what it took in the run before, 0
    where nobody knows. A *day* is an as-of that a backfill comes to; *expired* reports retention, *waiting* who writes.
    """

    step: str
    what: Literal["started", "done", "failed", "reused", "day", "expired", "waiting"]
    seconds: float = 0.0
    usual_seconds: float = 0.0


Progress = Callable[[StepEvent], None]


def say_nothing(event: StepEvent) -> None:
    """Let a run work in silence."""


@dataclass(frozen=True)
class StepTiming:
    """One executed notebook."""

    name: str
    seconds: float


@dataclass
class Performed:
    """What became of the steps of a run: those executed, and the names of those reused."""

    executed: list[StepTiming] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)


@dataclass
class RunResult:
    """What a run came to; ``run_json`` is the document it committed."""

    folder: Path
    run_json: dict[str, Any]
    performed: Performed = field(default_factory=Performed)
