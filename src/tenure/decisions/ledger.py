"""The ledger of decisions: appended and never changed; what became of each is a second table of events, by its id.

``data/decisions/source=<source>/as_of=<day>/<run kind>-<sequence>.parquet`` holds one row per customer of each decision;
``events/<sequence>.parquet`` approvals, rejections and the draws after them. A file is written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.core.stored import FORMAT, parse_stored
from tenure.core.workspace import Workspace
from tenure.decisions.action import NOTHING
from tenure.scoring.ledger import MANUAL
from tenure.scoring.score import STORED_AS

FORMAT_VERSION = 1

CANDIDATE = pa.struct(
    {
        "action": pa.string(), "channel": pa.string(), "effect": pa.float64(), "low": pa.float64(),
        "high": pa.float64(), "value": pa.float64(), "cost": pa.float64(), "refused_because": pa.string(),
    }
)  # fmt: skip
SCHEMA = pa.schema(
    {
        "decision_id": pa.string(), "customer_id": pa.string(), "as_of": pa.date32(), "decided_at": pa.timestamp("us"),
        "moment": pa.string(), "action": pa.string(), "channel": pa.string(), "moves": pa.string(),
        "send_from": pa.timestamp("us"), "send_until": pa.timestamp("us"), "valid_until": pa.date32(),
        "content": pa.string(), "arm": pa.string(), "chance": pa.float64(), "candidates": pa.list_(CANDIDATE),
        "expected_value": pa.float64(), "expected_low": pa.float64(), "cost": pa.float64(), "is_assumed": pa.bool_(),
        "price_paid": pa.float64(), "reason_1": pa.string(), "reason_2": pa.string(), "reason_3": pa.string(),
        "tier": pa.string(), "who": pa.string(), "is_service": pa.bool_(), "policy": pa.string(),
        "because": pa.string(),  # why it waits for a person, where its tier does not say it
    }
)  # fmt: skip
EVENTS = pa.schema(
    {
        "decision_id": pa.string(), "event": pa.string(), "at": pa.timestamp("us"), "by": pa.string(),
        "why": pa.string(), "arm": pa.string(), "chance": pa.float64(), "send_from": pa.timestamp("us"),
        "send_until": pa.timestamp("us"),
    }
)  # fmt: skip
HOLD_OUT, WITHHELD, EXPLORED, BEST = ARMS = ("hold_out", "withheld", "explored", "best")
SENT_ARMS = (EXPLORED, BEST)
PROPOSED, APPROVED, REJECTED, DRAWN = "proposed", "approved", "rejected", "drawn"
SCHEDULE = "schedule"
SHORT = [name for name in SCHEMA.names if name != "candidates"]


def decision_files(workspace: Workspace, source: str, kind: str, as_of: date | None = None) -> list[Path]:
    """List the files of one kind of run, of one day or of all, in the order in which they were written."""
    day = f"as_of={as_of or '*'}"
    return sorted(workspace.decisions_of(source).glob(f"{day}/{kind}-*.parquet"))


def next_file(workspace: Workspace, source: str, kind: str, as_of: date) -> Path:
    """Name the file of the next decisions. Those by hand are a draft: the next ones take their place."""
    former = [] if kind == MANUAL else decision_files(workspace, source, kind, as_of)
    return workspace.decisions_of(source) / f"as_of={as_of}" / f"{kind}-{len(former) + 1:06d}.parquet"


def write_decisions(path: Path, table: pa.Table, made: Mapping[str, Any]) -> None:
    """Append the decisions of one moment, with how they were ``made``."""
    own = {STORED_AS: json.dumps({FORMAT: FORMAT_VERSION, **made}, default=str)}
    with replaced_file(path) as fresh:
        pq.write_table(table.replace_schema_metadata(own), fresh, compression="zstd")


def read_made(path: Path) -> dict[str, Any]:
    """Read how the decisions of a file were made.

    Raises
    ------
    StoredFormatError : a newer Tenure wrote it.
    """
    text = (pq.read_schema(path).metadata or {})[STORED_AS].decode()
    return parse_stored(text, str(path), FORMAT_VERSION)


def read_decisions(
    workspace: Workspace,
    source: str,
    kind: str,
    *,
    as_of: date | None = None,
    before: date | None = None,
    since: date | None = None,
    where: pc.Expression | None = None,
    columns: Sequence[str] = SHORT,
) -> pd.DataFrame:
    """Read the decisions of a kind of run as they stand: with what was approved, rejected and drawn since.

    ``as_of``: of that day alone; ``before`` and ``since``: of days before one, and from one on; ``where``: of those rows.

    => one row per decision: ``columns`` (by default all but the candidates), ``status`` (decided, or of what waits for a
    person: proposed, rejected, drawn) and ``sent_on``, its day. A proposal has neither arm nor chance until it is drawn.
    """
    files = decision_files(workspace, source, kind, as_of)
    first, end = f"as_of={since or ''}", f"as_of={before or '~'}"
    kept = [path for path in files if first <= path.parent.name < end]
    dataset = pa.dataset.dataset([str(path) for path in kept], schema=SCHEMA, format="parquet")
    names = list(dict.fromkeys([*columns, "decision_id", "as_of", "send_from", "arm"]))
    table = dataset.to_table(columns=names, filter=where) if kept else SCHEMA.empty_table().select(names)
    return _as_they_stand(table.to_pandas(), read_events(workspace, source))


def _as_they_stand(found: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    found["status"] = found["arm"].isna().map({True: PROPOSED, False: "decided"})
    last = events[events["event"].isin([REJECTED, DRAWN])].drop_duplicates("decision_id", keep="last")
    at = found["decision_id"].isin(last["decision_id"]) & (found["status"] == PROPOSED)
    own = last.set_index("decision_id").loc[found.loc[at, "decision_id"]]
    found.loc[at, "status"] = own["event"].to_numpy()
    for name in ("arm", "chance", "send_from", "send_until"):
        if name in found:
            is_drawn = own[name].notna().to_numpy()
            found.loc[at[at].index[is_drawn], name] = own.loc[is_drawn, name].to_numpy()
    found["sent_on"] = pd.to_datetime(found["send_from"]).fillna(pd.to_datetime(found["as_of"])).dt.normalize()
    return found


def append_events(workspace: Workspace, source: str, events: pd.DataFrame) -> Path | None:
    """Append events as one more file; none where there is none."""
    if events.empty:
        return None
    folder = workspace.decisions_of(source) / "events"
    path = folder / f"{len([*folder.glob('*.parquet')]) + 1:06d}.parquet"
    with replaced_file(path) as fresh:
        pq.write_table(pa.Table.from_pandas(events, schema=EVENTS, preserve_index=False), fresh, compression="zstd")
    return path


def read_events(workspace: Workspace, source: str) -> pd.DataFrame:
    """Read all events, in the order in which they came. => the columns of ``EVENTS``"""
    paths = sorted((workspace.decisions_of(source) / "events").glob("*.parquet"))
    parts = [pq.ParquetFile(path).read().to_pandas() for path in paths]
    return pd.concat(parts, ignore_index=True) if parts else EVENTS.empty_table().to_pandas()


def sent(decisions: pd.DataFrame) -> pd.DataFrame:
    """Take those that went out: an action, drawn, and not proposed, held out or withheld."""
    return decisions[decisions["arm"].isin(SENT_ARMS) & (decisions["action"] != NOTHING)]


def drop_decisions_of(workspace: Workspace, source: str, names: Collection[str]) -> int:
    """Remove a customer, by every name; return the files changed."""
    changed = 0
    for path in sorted(workspace.decisions_of(source).glob("as_of=*/*.parquet")):
        rows = pq.ParquetFile(path).read()
        kept = rows.filter(pc.invert(pc.is_in(rows["customer_id"], pa.array(names, pa.string()))))
        if kept.num_rows < rows.num_rows:
            with replaced_file(path) as fresh:
                pq.write_table(kept, fresh, compression="zstd")
            changed += 1
    return changed


def drop_decided_before(workspace: Workspace, source: str, oldest: date) -> int:
    """Remove the decisions of days before one; return the files removed."""
    old = [
        path
        for path in workspace.decisions_of(source).glob("as_of=*/*.parquet")
        if path.parent.name < f"as_of={oldest}"
    ]
    for path in old:
        path.unlink()
    return len(old)
