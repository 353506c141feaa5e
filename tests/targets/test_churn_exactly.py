"""Churn on random histories, staged and built as in a run, against an oracle that shares no code with the package."""

import os
from functools import partial

import pandas as pd
import pytest
from churn_oracle import ask
from histories import History, Question, as_table, random_history, random_question, staged_rows

from tables import staged
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engine_choice import DUCKDB, SPARK

HISTORIES = 200
QUESTIONS = int(os.environ.get("TENURE_CHURN_QUESTIONS", "3"))  # benchmarks/states.py asks more


def labelled(root, question: Question, histories: list[History], engine: str = DUCKDB) -> dict[str, int]:
    """Stage the histories as one source and build the churn labels."""
    rules = question.rules
    toml = f"""
[targets.churn]
horizon_days = {question.horizon_days}
lead_days = {question.lead_days}
grace_days = {rules.grace_days}
label_lag_days = {2 * rules.grace_days}
pause_is_end_days = {rules.pause_is_end_days or 0}
renewals = "{"delivered" if rules.renewals_delivered else "not delivered"}"
"""
    rows = staged_rows(histories)
    lines = (" ".join("-" if v is None else str(v).replace(" ", "T") for v in row.values()) for row in rows)
    events = (" ".join(rows[0]), *lines)
    staged_source = staged(root, toml, subscription_events=events)
    snapshots = Snapshots(Workspace(root), staged_source, question.as_of, engine, with_features=False)
    target = snapshots.targets["churn"]
    snapshots.build_labels(target, [question.cutoff])
    table = pd.read_parquet(snapshots.labels_path(target, question.cutoff))
    return dict(zip(table["customer_id"], table["label"], strict=True))


def judged(question: Question, histories: list[History]) -> dict[str, int]:
    """Ask the oracle the same."""
    events = [event for history in histories for event in history.events]
    window = {"horizon_days": question.horizon_days, "lead_days": question.lead_days}
    answers = ask(events, question.cutoff, question.as_of, question.rules, **window)
    return {name: answer.churned for name, answer in answers.items() if answer.asked}


def differing(root, seed: int, count: int = HISTORIES) -> list[str]:
    """Print the histories on which the two differ."""
    question = random_question(seed)
    histories = {1000 * seed + n: random_history(1000 * seed + n, question) for n in range(count)}
    ours, oracles = (answer(question, [*histories.values()]) for answer in (partial(labelled, root), judged))
    wrong = [name for name in {**ours, **oracles} if ours.get(name) != oracles.get(name)]
    return [
        f"{name}: ours {ours.get(name)}, the oracle's {oracles.get(name)}\n{as_table(histories[int(name[3:])])}"
        for name in wrong
    ]


@pytest.mark.parametrize("seed", range(QUESTIONS))
def test_who_is_asked_and_who_churned_is_what_the_oracle_finds_day_by_day(tmp_path, seed):
    assert not differing(tmp_path, seed)


@pytest.mark.skipif("TENURE_SOAK" not in os.environ, reason="in make soak; the suite compares the demo on both engines")
def test_spark_finds_the_same(tmp_path):
    import local_spark  # noqa: F401 -- a Spark, or a skip

    question = random_question(9)
    histories = [random_history(n, question) for n in range(HISTORIES)]
    assert labelled(tmp_path, question, histories, SPARK) == judged(question, histories)
