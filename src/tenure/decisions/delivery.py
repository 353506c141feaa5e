"""What leaves the house: a file for each channel, a queue for people, the audiences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tenure.core.atomic_files import replaced_file
from tenure.core.safe_csv import write_safe_csv
from tenure.decisions.ledger import sent

FOLDER, QUEUE = "actions", "queue.csv"
REASONS = ["reason_1", "reason_2", "reason_3"]
SENT = ["decision_id", "customer_id", "action", "content", "send_from", "send_until", "valid_until", *REASONS]
# What a person fills in: approve or reject, and why.
FILLED_IN = ["decision", "why"]
QUEUED = [
    "who", "task", "decision_id", "customer_id", "action", "channel", "content", "send_until", "expected_value",
    "cost", *REASONS, *FILLED_IN,
]  # fmt: skip
APPROVAL, SEND, EXCEPTION = "approve", "do", "exception"


def deliver(
    folder: Path, decisions: pd.DataFrame, exceptions: pd.DataFrame, audiences: Mapping[str, pd.DataFrame]
) -> list[Path]:
    """Write ``actions/<channel>.csv``, ``queue.csv`` and ``audiences/<name>.csv``; return their paths.

    ``decisions``: of one day, as they stand. A channel's file holds what was drawn to be sent; the queue what waits for
    a person, what a role does itself (``who``), and ``exceptions`` (customer_id, content).
    """
    out = sent(decisions).sort_values("decision_id")
    tables = {f"{FOLDER}/{channel}.csv": own[SENT] for channel, own in out.groupby("channel")}
    tables |= {f"audiences/{name}.csv": table for name, table in audiences.items()}
    tables[QUEUE] = _with_answers(queue(decisions, exceptions), folder / QUEUE)
    paths = []
    for former in [*(folder / FOLDER).glob("*.csv"), *(folder / "audiences").glob("*.csv")]:
        if str(former.relative_to(folder)) not in tables:
            former.unlink()
    for name, table in tables.items():
        with replaced_file(folder / name) as fresh:
            write_safe_csv(table, fresh)
        paths.append(folder / name)
    return paths


def queue(decisions: pd.DataFrame, exceptions: pd.DataFrame) -> pd.DataFrame:
    """List what people have to do, role by role, the most valuable first. => the columns ``QUEUED``"""
    waiting = decisions[decisions["status"] == "proposed"].assign(task=APPROVAL)
    own = sent(decisions)
    to_do = own[own["who"] != own["channel"]].assign(task=SEND)
    looked_at = exceptions.assign(task=EXCEPTION, who="customer_service")
    rows = pd.concat([part for part in (waiting, to_do, looked_at) if len(part)] or [waiting])
    rows = rows.assign(**dict.fromkeys(FILLED_IN, "")).reindex(columns=QUEUED).round({"expected_value": 2, "cost": 2})
    return rows.sort_values(["who", "task", "expected_value", "customer_id"], ascending=[True, True, False, True])


def _with_answers(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Keep what people have filled in already, and not yet sent off."""
    if not path.is_file():
        return rows
    former = pd.read_csv(path, dtype=str, keep_default_na=False, sep=None, engine="python", encoding="utf-8-sig")
    if not {"decision_id", *FILLED_IN} <= {*former}:
        return rows
    answers = former.drop_duplicates("decision_id").set_index("decision_id")
    return rows.assign(**{name: rows["decision_id"].map(answers[name]).fillna("") for name in FILLED_IN})
