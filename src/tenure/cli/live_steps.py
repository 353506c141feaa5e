"""A line on the terminal for each step at work: how long it has taken, and how long it still may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text


class _Remaining(ProgressColumn):
    """What is left of the time the step took in the run before."""

    def render(self, task: Task) -> Text:
        if not task.total:
            return Text()
        left = task.total - (task.elapsed or 0)
        return Text(f"about {left:.0f} s left" if left >= 1 else "longer than last time", style="dim")


class LiveSteps:
    """The steps at work. Whatever else is written comes above them: they are taken away meanwhile."""

    def __init__(self, console: Console | None = None) -> None:
        columns = (
            TextColumn(" "),
            SpinnerColumn(),
            TextColumn("{task.description:<18}"),
            TimeElapsedColumn(),
            _Remaining(),
        )
        self._shown = Progress(
            *columns,
            console=console or Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[str, TaskID] = {}
        # Steps side by side begin and end in threads of their own.
        self._lock = RLock()

    def __enter__(self) -> LiveSteps:
        return self

    def __exit__(self, *raised: object) -> None:
        self._shown.stop()

    def begin(self, step: str, usual_seconds: float) -> None:
        """Show a step that begins; ``usual_seconds`` is what it took last time, 0 where nobody knows."""
        with self._lock:
            self._tasks[step] = self._shown.add_task(step, total=usual_seconds or None)
            self._shown.start()

    @contextmanager
    def ended(self, step: str) -> Iterator[None]:
        """Take a step away, if it is shown, and leave the terminal to the block."""
        with self._lock:
            self._shown.stop()
            if step in self._tasks:
                self._shown.remove_task(self._tasks.pop(step))
            yield
            if self._tasks:
                self._shown.start()
