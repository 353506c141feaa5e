"""What a run shows while it works: plain lines, and on a terminal a live line for each step at work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenure.core.logs import Log

if TYPE_CHECKING:
    from tenure.runs.progress import Progress, StepEvent


@contextmanager
def progress_on(log: Log) -> Iterator[Progress]:
    """Give a run what shows its progress: cron, files and JSON get the lines alone."""
    if log.form != "text" or not sys.stderr.isatty():
        yield lambda event: _log(log, event)
        return
    from tenure.cli.live_steps import LiveSteps

    with LiveSteps() as live:

        def show(event: StepEvent) -> None:
            if event.what == "started":
                live.begin(event.step, event.usual_seconds)
            else:
                with live.ended(event.step):
                    _log(log, event)

        yield show


def _log(log: Log, event: StepEvent) -> None:
    step, seconds = event.step, event.seconds
    if event.what == "started" and log.form == "text":
        return
    if event.what == "day":
        log.say("day", f"as of {step}", as_of=step)
    elif event.what == "expired":
        log.say("expired", f"  {step}")
    elif event.what == "waiting":
        log.say("waiting", f"  waiting: {step}", holder=step)
    elif event.what == "failed":
        log.say("step_failed", f"  {step:<18} failed after {seconds:.1f} s", step=step, seconds=seconds)
    else:
        took = "    reused" if event.what == "reused" else f"{seconds:8.1f} s"
        log.say(event.what, f"  {step:<18} {took}", step=step, seconds=seconds)
