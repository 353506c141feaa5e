"""What a run says while it works, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tenure.run_document import Performed


@dataclass(frozen=True)
class StepEvent:
    """What a run says while it works; ``seconds`` once a step is done or has failed. A *day* is an as-of that a backfill comes to; *expired* tells of retention, *waiting* of who writes."""

    step: str
    what: Literal["started", "done", "failed", "reused", "day", "expired", "waiting"]
    seconds: float = 0.0


Progress = Callable[[StepEvent], None]


def say_nothing(event: StepEvent) -> None:
    """Let a run work in silence."""


@dataclass
class RunResult:
    """What a run came to; ``run_json`` is the document it committed."""

    folder: Path
    run_json: dict[str, Any]
    performed: Performed = field(default_factory=Performed)
