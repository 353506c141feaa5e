"""Churn on random histories, staged and built as in a run, against an oracle that shares no code with the package."""

import os
from dataclasses import replace

import pandas as pd
import pytest
from churn_oracle import ask
from histories import History, as_table, random_history

from tables import staged
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots

HISTORIES = 200
QUESTIONS = int(os.environ.get("TENURE_CHURN_QUESTIONS", "6"))  # benchmarks/states.py asks more


def labelled(root, histories: list[History]) -> dict[str, int]:
    """Stage the histories as one source, each customer named by its seed, and build the churn labels."""
    question = histories[0]
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
    rows = [
        " ".join(
            "-" if value is None else value
            for value in (
                f"{history.seed}:{e.customer_id}",
                e.occurred_at.isoformat(),
                e.known_at.isoformat(),
                e.subscription_id,
                e.event,
                None if e.term_days is None else str(e.term_days),
                None if e.monthly_price is None else str(e.monthly_price),
            )
        )
        for history in histories
        for e in history.events
    ]
    header = "customer_id occurred_at known_at subscription_id event term_days monthly_price"
    snapshots = Snapshots(Workspace(root), staged(root, toml, subscription_events=(header, *rows)), question.as_of)
    target = snapshots.targets["churn"]
    snapshots.build_labels(target, [question.cutoff])
    table = pd.read_parquet(snapshots.labels_path(target, question.cutoff))
    return dict(zip(table["customer_id"], table["label"], strict=True))


def judged(histories: list[History]) -> dict[str, int]:
    """Ask the oracle the same."""
    found = {}
    for history in histories:
        answers = ask(
            history.events,
            history.cutoff,
            history.as_of,
            history.rules,
            horizon_days=history.horizon_days,
            lead_days=history.lead_days,
        )
        found |= {f"{history.seed}:{name}": a.churned for name, a in answers.items() if a.asked}
    return found


def differing(root, question: int, count: int = HISTORIES) -> list[str]:
    """Print the histories on which the two differ."""
    histories = [random_history(1000 * question + n, question) for n in range(count)]
    histories = [replace(h, events=tuple(e for e in h.events if e.occurred_at.date() < h.as_of)) for h in histories]
    ours, oracles = labelled(root, histories), judged(histories)
    by_seed = {str(history.seed): history for history in histories}
    wrong = [name for name in {**ours, **oracles} if ours.get(name) != oracles.get(name)]
    return [f"{n}: ours {ours.get(n)}, oracle {oracles.get(n)}\n{as_table(by_seed[n.split(':')[0]])}" for n in wrong]


@pytest.mark.parametrize("question", range(QUESTIONS))
def test_who_is_asked_and_who_churned_is_what_the_oracle_finds_day_by_day(tmp_path, question):
    assert not differing(tmp_path, question)
