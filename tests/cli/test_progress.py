"""What is shown while a run works: lines for files, a live line for each step on a terminal."""

from io import StringIO

from rich.console import Console

from tenure.cli.live_steps import LiveSteps
from tenure.cli.progress import progress_on
from tenure.core.logs import Log
from tenure.runs.progress import StepEvent

EVENTS = (
    StepEvent("01_ingest", "started", usual_seconds=4.0),
    StepEvent("01_ingest", "done", 3.21),
    StepEvent("02_features", "reused"),
    StepEvent("03_train_lapse", "failed", 1.5),
)


def test_a_file_gets_one_line_for_each_step_that_ended(capsys):
    with progress_on(Log("text")) as progress:
        for event in EVENTS:
            progress(event)
    assert capsys.readouterr().out.splitlines() == [
        "  01_ingest               3.2 s",
        "  02_features            reused",
        "  03_train_lapse     failed after 1.5 s",
    ]


def test_a_terminal_shows_the_steps_at_work_with_the_time_left_and_takes_them_away():
    written = StringIO()
    console = Console(file=written, force_terminal=True, width=100)
    with LiveSteps(console) as live:
        live.begin("03_train_lapse", 40.0)
        live.begin("03_train_churn", 0.0)
        with live.ended("03_train_lapse"):
            written.write("  03_train_lapse          41.0 s\n")
        left = [task.description for task in live._shown.tasks]
    shown = written.getvalue()
    assert "03_train_lapse" in shown and "about 40 s left" in shown and left == ["03_train_churn"]
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "the cursor is shown again"
