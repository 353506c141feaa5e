"""The ready schedules as texts; test_scheduled_shop runs each as its scheduler would."""

import re
from datetime import datetime

import pytest

from shop import CronLine, cron_lines
from tenure.core.errors import UnknownNameError, UsageError
from tenure.core.workspace import Workspace
from tenure.runs.schedules import SCHEDULERS, schedule_files


def test_cron_starts_scores_daily_and_runs_monthly(tmp_path):
    croniter = pytest.importorskip("croniter", reason="croniter is not installed").croniter
    daily, monthly = cron_lines(Workspace(tmp_path))
    noon = datetime(2026, 11, 23, 12)
    assert croniter(daily.when, noon).get_next(datetime) == datetime(2026, 11, 24, 5)
    assert croniter(monthly.when, noon).get_next(datetime) == datetime(2026, 12, 1, 6)


def test_an_unknown_scheduler_or_a_path_that_needs_quoting_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'cron'"):
        schedule_files("crno", "shop", Workspace(tmp_path))
    with pytest.raises(UsageError, match="Expected a path without any"):
        schedule_files("cron", "shop", Workspace(tmp_path / "my files"))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_no_placeholder_is_left(tmp_path, scheduler):
    texts = schedule_files(scheduler, "shop", Workspace(tmp_path), decides=True)
    assert not any(re.search("<[a-z]+>", text) for text in texts.values())


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_source_with_actions_is_decided_on_daily_and_answers_every_five_minutes(tmp_path, scheduler):
    plain, deciding = (schedule_files(scheduler, "shop", Workspace(tmp_path), decides=does) for does in (False, True))
    assert not any(" decide " in text for text in plain.values())
    commands = " ".join(deciding.values())
    assert (
        "--since last" in commands and commands.count(" decide ") >= commands.count("--since last") and "/5" in commands
    )


def test_cron_answers_every_five_minutes_from_six_to_ten_in_the_evening(tmp_path):
    croniter = pytest.importorskip("croniter", reason="croniter is not installed").croniter
    text = schedule_files("cron", "shop", Workspace(tmp_path), decides=True)["cron_decide.txt"]
    daily, often = (CronLine(line) for line in text.splitlines() if not line.startswith("#"))
    assert croniter(daily.when, datetime(2026, 11, 23, 12)).get_next(datetime) == datetime(2026, 11, 24, 5, 30)
    assert croniter(often.when, datetime(2026, 11, 23, 21, 56)).get_next(datetime) == datetime(2026, 11, 24, 6)
    assert croniter(often.when, datetime(2026, 11, 23, 12)).get_next(datetime) == datetime(2026, 11, 23, 12, 5)
