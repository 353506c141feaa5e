"""The ready schedules as texts; test_scheduled_shop runs each as its scheduler would."""

import re
from datetime import datetime

import pytest

from shop import cron_lines
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
    for text in schedule_files(scheduler, "shop", Workspace(tmp_path)).values():
        assert not re.search("<[a-z]+>", text)
