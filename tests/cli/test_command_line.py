"""The command line on bad input: one message, the right exit code, nothing written."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest


def tenure(*arguments, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-m", "tenure", *arguments], capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | environment,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "../etc"], "cannot be a folder's name"),
        (["run", "demo", "--targets", "laps"], "Did you mean 'lapse'"),
        (["run", "demo", "--fail-on", "warn"], "Level 'warn' is not defined. Defined: error, warning."),
        (["run", "demo", "--log", "xml"], "Log 'xml' is not defined"),
        (["help", "03_trian"], "Did you mean '03_train'"),
        (["backfill", "demo", "--from", "2025-02-01", "--to", "2025-01-01"], "--to 2025-01-01 lies before --from"),
        (["backfill", "demo", "--from", "2025-13-01", "--to", "2025-01-01"], "--from '2025-13-01' is not a date"),
        (["backfill", "demo", "--from", "2025-01-01", "--to", "2025-02-01", "--every", "often"], "is no spacing"),
    ],
)
def test_wrong_usage_is_one_message_exit_code_2_and_nothing_written(tmp_path, arguments, said):
    place = [] if arguments[0] == "help" else ["--workspace", str(tmp_path)]
    told = tenure(*arguments, *place)
    assert told.returncode == 2 and said in told.stderr and "Traceback" not in told.stderr
    assert not list(tmp_path.iterdir())


def test_help_prints_every_parameter_with_type_default_and_values():
    told = tenure("help", "03_train").stdout
    assert (
        "walk_cutoffs (int, default 3): 1 to 24 cutoffs" in told and "target (str, default 'lapse'): a target" in told
    )


def test_a_text_of_the_data_sends_no_command_to_the_terminal(tmp_path):
    folder = tmp_path / "data" / "raw" / "shop"
    folder.mkdir(parents=True)
    rows = "ana,2024-01-05,1,3.5,\x1b]0;owned\x07web\nbo,2024-01-06,2,4.5,shop\n"
    (folder / "order_lines.csv").write_text(f"customer_id,occurred_at,order_id,amount,channel\n{rows}")
    told = tenure("check", "shop", "--workspace", str(tmp_path))
    assert "channel = ]0;ownedweb" in told.stdout and "channel = shop" in told.stdout
    assert not {"\x1b", "\x07"} & {*told.stdout, *told.stderr}


def test_a_json_log_holds_nothing_but_json_and_no_secret(tmp_path):
    told = tenure(
        "run", "nowhere", "--log", "json", "--workspace", str(tmp_path), MLFLOW_TRACKING_URI="http://ana:nowhere@host"
    )
    lines = [json.loads(line) for line in (told.stdout + told.stderr).splitlines()]
    assert [line["event"] for line in lines] == ["begin", "failed"] and lines[-1]["exit_code"] == 2
    assert lines[0]["source"] == "***" and "nowhere" not in told.stderr


def test_an_error_that_nobody_foresaw_is_one_message_too_and_its_trace_is_for_the_asking(tmp_path):
    scored = tmp_path / "reports" / "demo" / "2026-01-01"
    scored.mkdir(parents=True)
    (scored / "run.json").write_text("{}")
    (scored / "churn.csv").touch()
    command = ["export", "demo", "--workspace", str(tmp_path)]
    told = tenure(*command)
    assert told.returncode == 1 and "Traceback" not in told.stderr
    assert told.stderr.startswith(
        "tenure: an error that nobody foresaw: EmptyDataError: No columns to parse from file."
    )
    assert "Traceback" in tenure(*command, "--debug").stderr


def test_problems_are_said_last_to_people_and_to_machines_and_decide_the_exit(capsys):
    from tenure.cli.runs import conclude
    from tenure.core.errors import RunError
    from tenure.core.logs import Log
    from tenure.core.problems import Problem

    problems = [
        asdict(Problem("warning", "churn", "propensities moved.")),
        asdict(Problem("error", "usage", "nothing since May.")),
    ]
    conclude(Log("text"), {"problems": problems}, "")
    assert capsys.readouterr().err == "  error: usage: nothing since May.\n  warning: churn: propensities moved.\n"
    with pytest.raises(RunError, match="1 problem.* of level error or worse"):
        conclude(Log("json"), {"problems": problems}, "error")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"], line["text"]) for line in lines] == [
        ("problem", "error", "nothing since May."), ("problem", "warning", "propensities moved."),
    ]  # fmt: skip


def test_a_shop_is_told_who_is_unknown_and_which_target_it_cannot_answer(tmp_path):
    raw = tmp_path / "data" / "raw" / "shop"
    raw.mkdir(parents=True)
    (raw / "order_lines.csv").write_text("customer_id,occurred_at,order_id,amount\nana,2024-01-05,1,9\n")
    place = ("--workspace", str(tmp_path))
    unknown = tenure("identity", "show", "shop", "nobody", *place)
    assert unknown.returncode == 2 and "shop has no row of customer 'nobody'" in unknown.stderr
    assert "ana is the person's own id" in tenure("identity", "show", "shop", "ana", *place).stdout
    asked = tenure("score", "shop", "--as-of", "2024-01-06", "--targets", "churn", *place)
    assert asked.returncode == 1 and "needs subscription_events, which the source does not have" in asked.stderr
    assert not list(tmp_path.glob("reports/shop/2*"))
