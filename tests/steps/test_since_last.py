"""What arrives by day is answered once, for its customers alone, on the scores and features of the last midnight."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tables import write_csv
from tenure.core.workspace import Workspace
from tenure.decisions.ledger import read_decisions, sent
from tenure.scoring.score import STORED_AS
from tenure.steps.decide import decide_run
from tenure.steps.opening import open_run

TODAY, YESTERDAY = date.today(), date.today() - timedelta(days=1)
PAYMENTS = "customer_id occurred_at payment_id amount status"
TOML = """
name = "shop"
[payments]
from = "payments*.csv"
[channels.email]
consent = ""
[actions.save]
says = "Stay"
moves = "lapse"
when = "lapse_decile <= 5"
channels = ["email"]
[actions.failed]
says = "It failed"
service = true
channels = ["email"]
on = { table = "payments", expression = "count(*) filter (where status = 'failed') > 0" }
"""


@pytest.fixture
def shop(tmp_path) -> Workspace:
    workspace = Workspace(tmp_path)
    write_csv(workspace.raw("shop") / "payments-1.csv", PAYMENTS, *(f"{who} {YESTERDAY}T08:00 {who}1 20 succeeded" for who in ("ana", "bo", "cy")))  # fmt: skip
    write_csv(workspace.raw("shop") / "order_lines.csv", "customer_id occurred_at order_id amount", f"ana {YESTERDAY}T09:00 1 10")  # fmt: skip
    (workspace.raw("shop") / "source.toml").write_text(TOML, encoding="utf-8")
    scored = pd.DataFrame({"customer_id": ["ana", "bo", "cy"], "lapse_propensity": 0.5, "lapse_decile": 1, "lapse_at_stake": 90.0})  # fmt: skip
    about = {STORED_AS: json.dumps({"format_version": 1, "targets": {"lapse": {"model_version": "1"}}})}
    folder = workspace.reports("shop", TODAY)
    folder.mkdir(parents=True)
    table = pa.Table.from_pandas(scored, preserve_index=False).replace_schema_metadata(about)
    pq.write_table(table, folder / "scored_customers.parquet")
    return workspace


def decided(workspace: Workspace, *, since_last: bool = True) -> pd.DataFrame:
    session = replace(open_run("shop", as_of=str(TODAY), workspace=str(workspace.root)), run_kind="scheduled")
    before = len(read_decisions(workspace, "shop", "scheduled"))
    decide_run(session, since_last=since_last)
    return read_decisions(workspace, "shop", "scheduled").iloc[before:]


def test_a_failed_payment_is_answered_once_however_often_its_file_comes(shop):
    raw = shop.raw("shop")
    morning = decided(shop, since_last=False)
    assert set(morning["customer_id"]) == {"ana", "bo", "cy"} and "failed" not in set(morning["action"])
    features = sorted(shop.snapshots("shop").rglob("features/*.parquet"))
    write_csv(raw / "payments-2.csv", PAYMENTS, f"bo {YESTERDAY}T23:00 bo2 20 failed")
    noon = sent(decided(shop))
    assert noon[["customer_id", "action"]].to_numpy().tolist() == [["bo", "failed"]]
    # What was known late of yesterday changes no feature of the last midnight.
    assert sorted(shop.snapshots("shop").rglob("features/*.parquet")) == features
    assert sent(decided(shop)).empty
    late = [f"bo {YESTERDAY}T23:00 bo2 20 failed", f"cy {YESTERDAY}T23:30 cy2 20 failed"]
    write_csv(raw / "payments-3.csv", PAYMENTS, *late)
    assert sent(decided(shop))["customer_id"].tolist() == ["cy"]
    listed = pd.read_csv(shop.reports("shop", TODAY) / "actions" / "email.csv")
    assert listed["decision_id"].is_unique and (listed["action"] == "failed").sum() == 2
