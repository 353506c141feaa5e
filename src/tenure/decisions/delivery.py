"""What leaves the house: a file for each channel, a queue for people, the audiences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pandas as pd

from tenure.core.atomic_files import replaced_file
from tenure.core.safe_csv import write_safe_csv
from tenure.decisions.ledger import PROPOSED, sent
from tenure.decisions.people import A_BEST_CUSTOMER

FOLDER, STATES, QUEUE = "actions", "states", "queue.csv"
REASONS = ["reason_1", "reason_2", "reason_3"]
SENT = ["decision_id", "customer_id", "action", "content", "send_from", "send_until", "valid_until", *REASONS]
# A state that holds for a customer until its last day: what a till, a shop or a gate reads every morning.
STATE = ["customer_id", "action", "content", "valid_from", "valid_until", "decision_id"]
# What a person fills in: approve or reject, and why.
FILLED_IN = ["decision", "why"]
QUEUED = [
    "who", "task", "decision_id", "customer_id", "action", "channel", "content", "send_until", "expected_value",
    "cost", "because", *REASONS, *FILLED_IN,
]  # fmt: skip
APPROVAL, SEND, EXCEPTION = "approve", "do", "exception"


def deliver(
    folder: Path,
    decisions: pd.DataFrame,
    exceptions: pd.DataFrame,
    audiences: Mapping[str, pd.DataFrame],
    in_force: pd.DataFrame,
) -> list[Path]:
    """Write ``actions/<channel>.csv``, ``states/<channel>.csv``, ``queue.csv`` and ``audiences/<name>.csv``.

    ``decisions``: of one day, as they stand. A channel's file holds what was drawn to be sent; the queue what waits for
    a person, what a role does itself (``who``), and ``exceptions`` (customer_id, content, because). ``in_force``: the
    offers, prices and accesses given on whatever day that still hold.
    => the files' paths
    """
    out = sent(decisions).sort_values("decision_id")
    tables = {f"{FOLDER}/{channel}.csv": own[SENT] for channel, own in out.groupby("channel")}
    tables |= {f"{STATES}/{channel}.csv": own[STATE] for channel, own in in_force.groupby("channel")}
    tables |= {f"audiences/{name}.csv": table for name, table in audiences.items()}
    tables[QUEUE] = _with_answers(queue(decisions, exceptions), folder / QUEUE)
    paths = []
    for former in (path for name in (FOLDER, STATES, "audiences") for path in (folder / name).glob("*.csv")):
        if str(former.relative_to(folder)) not in tables:
            former.unlink()
    for name, table in tables.items():
        with replaced_file(folder / name) as fresh:
            write_safe_csv(table, fresh)
        paths.append(folder / name)
    return paths


def queue(decisions: pd.DataFrame, exceptions: pd.DataFrame) -> pd.DataFrame:
    """List what people have to do, role by role, the most valuable first. => the columns ``QUEUED``"""
    waiting = decisions[decisions["status"] == PROPOSED].assign(task=APPROVAL)
    own = sent(decisions)
    to_do = own[own["who"] != own["channel"]].assign(task=SEND)
    looked_at = exceptions.assign(task=EXCEPTION, who="customer_service")
    rows = pd.concat([part for part in (waiting, to_do, looked_at) if len(part)] or [waiting])
    rows = rows.assign(**dict.fromkeys(FILLED_IN, "")).reindex(columns=QUEUED).round({"expected_value": 2, "cost": 2})
    order = ["who", "task", "because", "expected_value", "customer_id"]
    # The best customers come first.
    return rows.sort_values(order, ascending=[True, True, True, False, True], key=_best_first)


def _best_first(column: pd.Series) -> pd.Series:
    return column.ne(A_BEST_CUSTOMER) if column.name == "because" else column


def states_in_force(decisions: pd.DataFrame, day: date) -> pd.DataFrame:
    """Take what was given and still holds on a day, of each action the newest. => the columns ``STATE``, and channel"""
    given = sent(decisions)
    given = given[given["valid_until"].notna() & (pd.to_datetime(given["valid_until"]) >= pd.Timestamp(day))]
    newest = given.sort_values(["sent_on", "decision_id"]).drop_duplicates(["customer_id", "action"], keep="last")
    return newest.assign(valid_from=newest["sent_on"].dt.date).sort_values(["channel", "customer_id", "action"])


def _with_answers(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Keep what people have filled in already, and not yet sent off."""
    if not path.is_file():
        return rows
    former = pd.read_csv(path, dtype=str, keep_default_na=False, sep=None, engine="python", encoding="utf-8-sig")
    if not {"decision_id", *FILLED_IN} <= {*former}:
        return rows
    answers = former.drop_duplicates("decision_id").set_index("decision_id")
    return rows.assign(**{name: rows["decision_id"].map(answers[name]).fillna("") for name in FILLED_IN})
