"""The diary: what a month of runs did and met, told once each."""

from datetime import date, timedelta

from tenure.core.problems import Problem
from tenure.core.stored import write_stored
from tenure.core.workspace import Workspace
from tenure.scoring.review.diary import Reason, RunOfDay, began, write_diary
from tenure.scoring.review.failures import Failure, note_failure, read_failures
from tenure.steps.results import learnt_in

JUNE = [date(2025, 6, day) for day in range(1, 31)]
LATE = Problem("error", "orders", "nothing since 2025-06-02, 4 days.", "late")
LATER = Problem("error", "orders", "nothing since 2025-06-02, 5 days.", "late")


def told(*runs, failures=(), why=None):
    """Each entry as '<days> <what>: <events>'."""
    entries = write_diary(runs, failures, why or ())
    return [
        f"{e.first.day}{f'-{e.last.day}' if e.days > 1 else ''} {e.what}: {'; '.join(event.text for event in e.events)}"
        for e in entries
    ]


def score(day, *problems, **versions):
    return RunOfDay(JUNE[day - 1], "score", problems, versions)


def test_quiet_days_in_a_row_are_one_line():
    assert told(*(score(day, churn="1") for day in range(1, 8))) == ["1-7 score: "]


def test_what_outcomes_have_taught_is_told_on_the_day_it_changed_what_is_chosen():
    def learnt(day, **subjects):
        return RunOfDay(JUNE[day - 1], "score", learnt=subjects or None)

    assert told(
        learnt(1, call="assumed"), learnt(2, call="assumed"), learnt(3, call="measured", mail="assumed"), learnt(4)
    ) == [
        "1-2 score: ",
        "3 score: call: measured, before assumed",
        "4 score: ",
    ]


def test_what_was_learnt_is_read_from_what_a_run_left(tmp_path):
    assert learnt_in(tmp_path) == {}
    write_stored(tmp_path / "decisions.json", {"sent": 3, "effects": {"call": "measured, one for all"}}, 1)
    (tmp_path / "recommendation_quality.csv").write_text("kind,mix,ndcg\nrepeat,decayed count,.3\n", encoding="utf-8")
    (tmp_path / "best_channel_quality.csv").write_text("most_used,is_used\nemail,False\n", encoding="utf-8")
    assert learnt_in(tmp_path) == {
        "effect of call": "measured, one for all",
        "recommendations of kind repeat": "decayed count",
        "channel": "the most used one, for all",
    }


def test_a_problem_is_told_when_it_begins_and_when_it_is_over_not_in_between():
    assert told(score(1), score(2, LATE), score(3, LATER), score(4)) == [
        "1 score: ",
        "2 score: orders: nothing since 2025-06-02, 4 days.",
        "3 score: ",
        "4 score: orders: no problem any more",
    ]


def test_a_problem_that_goes_on_is_named_on_the_days_on_which_nothing_else_is_new():
    entries = write_diary([score(1), score(2, LATE), score(3, LATER), score(4, LATER), score(5)], (), ())
    assert [(e.first.day, e.last.day, e.still) for e in entries] == [
        (1, 1, ()), (2, 2, ()), (3, 4, ("orders",)), (5, 5, ()),
    ]  # fmt: skip


def test_a_problem_stands_since_the_first_of_the_days_in_a_row_that_had_it():
    runs = [score(1, LATE), score(2), score(3, LATE), score(4, LATER), score(5, LATER)]
    assert began(runs, [LATER]) == [JUNE[2]]
    assert began(runs, [Problem("warning", "churn", "new today")]) == [JUNE[4]]


def test_a_problem_that_names_something_else_is_another_one():
    one = Problem("warning", "churn", "1 of 5 features drifted.", "features_drifted", ("age_days",))
    two = Problem("warning", "churn", "2 of 5 features drifted.", "features_drifted", ("age_days", "usage_30d"))
    assert told(score(1), score(2, one), score(3, two))[2] == "3 score: churn: 2 of 5 features drifted."


def test_a_problem_is_the_same_whatever_its_words_and_the_order_of_its_names():
    one = Problem("warning", "churn", "moved.", "features_drifted", ("age_days", "usage_30d"))
    two = Problem("warning", "churn", "drifted!", "features_drifted", ("usage_30d", "age_days"))
    assert told(score(1), score(2, one), score(3, two))[2] == "3 score: "


def test_a_problem_stored_before_there_were_codes_goes_on_in_one_of_its_level_and_subject():
    stored = Problem("error", "orders", "late, it was said.")
    assert told(score(1), score(2, stored), score(3, LATE))[2] == "3 score: "
    assert began([score(1), score(2, stored), score(3, LATE)], [LATE]) == [JUNE[1]]


def test_a_new_champion_and_one_taken_back_are_told_with_their_reasons():
    why = [
        Reason("churn", "2", "promoted", "2025-06-02", "passed every gate (ana)"),
        Reason("churn", "2", "rolled back", "2025-06-03", "its list looked wrong (bo)"),
    ]
    assert (
        told(score(1, churn="1"), score(2, churn="2"), why=why)[1]
        == "2 score: churn champion is v2, before v1: passed every gate (ana)"
    )
    assert (
        told(score(1, churn="2"), score(2, churn="1"), why=why)[1]
        == "2 score: churn rolled back to v1 from v2: its list looked wrong (bo)"
    )


def test_a_version_promoted_twice_is_told_with_the_reason_of_each_time():
    why = [
        Reason("churn", "2", "promoted", "2025-06-02T04:00:00+00:00", "better (ana)"),
        Reason("churn", "2", "promoted", "2025-06-04T04:00:00+00:00", "checked (bo)"),
    ]
    runs = [
        RunOfDay(JUNE[day - 1], "score", (), {"churn": version}, None, finished_at)
        for day, version, finished_at in (
            (1, "1", "2025-06-01T05:00:00+00:00"), (2, "2", "2025-06-02T05:00:00+00:00"), (3, "1", "2025-06-03T05:00:00+00:00"), (4, "2", "")
        )
    ]  # fmt: skip
    assert [line for line in told(*runs, why=why) if "champion is" in line] == [
        "2 score: churn champion is v2, before v1: better (ana)",
        "4 score: churn champion is v2, before v1: checked (bo)",
    ]


def test_a_training_is_told_with_what_became_of_it():
    run = RunOfDay(JUNE[1], "run", (), {"churn": "2"}, {"churn": "trained, v2"})
    assert told(score(1, churn="1"), run)[1] == "2 run: churn trained, v2; churn champion is v2, before v1"


def test_a_day_that_failed_and_one_on_which_nothing_ran_are_told_apart():
    failed = Failure("2025-06-04T05:00:00+00:00", "2025-06-04", "tenure score shop", "the store does not answer.")
    days = [score(day) for day in (1, 2, 3, 5, 6, 8)]
    assert told(*days, failures=[failed]) == [
        "1-3 score: ",
        "4 failed: tenure score shop failed: the store does not answer.",
        "5-6 score: ",
        "7 nothing ran: nobody started a run on a day that usually has one; look at the scheduler",
        "8 score: ",
    ]


def test_monthly_runs_miss_no_days():
    months = [RunOfDay(date(2025, month, 1), "run") for month in range(1, 8)]
    assert told(*months) == ["1 run: ", "1 run: "], "the last month alone, and no day between them is missing"


def test_the_diary_ends_a_month_back():
    old, new = RunOfDay(JUNE[0] - timedelta(days=10), "run"), RunOfDay(JUNE[-1], "score")
    assert told(old, new) == ["30 score: "]


def test_failures_are_kept_one_line_each_without_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter22")
    workspace = Workspace(tmp_path)
    note_failure(workspace, "shop", as_of="2025-06-04", doing="tenure score shop", text="refused hunter22")
    (told_of,) = read_failures(workspace, "shop")
    assert (told_of.as_of, told_of.text) == ("2025-06-04", "refused ***")
    with (workspace.reports_of("shop") / "failures.txt").open("a") as file:
        file.write('{"at": "2025-06-05T0')
    assert read_failures(workspace, "shop") == [told_of], "a line that a crash cut short is left out"
    note_failure(workspace, "shop", as_of="2025-06-06", doing="tenure score shop", text="refused again")
    assert [failure.text for failure in read_failures(workspace, "shop")] == ["refused ***", "refused again"]
