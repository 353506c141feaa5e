"""A small shop's decision day as ``tenure decide`` makes it: the step, on customers that were scored by hand."""

import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
from small import Small

from tenure.scoring.score import FORMAT_VERSION, STORED_AS
from tenure.sources.source import read_source
from tenure.steps.decide import DecisionDay, decide_run
from tenure.steps.opening import Session


def session_of(shop: Small, day: str) -> Session:
    source = read_source(shop.workspace, "shop")
    return Session(shop.workspace, source, date.fromisoformat(day), run_kind="scheduled")


def decided(shop: Small, day: str, scored=None, **options) -> DecisionDay:
    session = session_of(shop, day)
    table = pa.Table.from_pandas(shop.scored() if scored is None else scored, preserve_index=False)
    made = {"format_version": FORMAT_VERSION, "targets": {"lapse": {"model_version": "1"}}, "tables": {}}
    session.output.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.replace_schema_metadata({STORED_AS: json.dumps(made)}), session.output / "scored_customers.parquet"
    )
    return decide_run(session, **options)
