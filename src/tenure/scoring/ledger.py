"""The ledger: all scores ever given, appended and never changed; which are the last is known here alone.

A Parquet dataset below the source's folder, ``target=<target>/as_of=<day>/<run kind>-<sequence>-<content>.parquet``:
one file each time a target was scored. Their order stands in the files. ``_definitions`` holds what each target asked;
readers of datasets pass over it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.core.stored import FORMAT, made_of, parse_stored, read_stored, write_stored
from tenure.core.workspace import Workspace
from tenure.scoring.score import STORED_AS, Scores
from tenure.targets.definition import Target

FORMAT_VERSION = 2
FORMER_NAMES = {"rule_score": "heuristic_score"}
# What makes scores other ones; the rest is of the run that gave them.
CONTENT = ("customer_id", "propensity", "decile", "heuristic_score", "model_version")
# Seven digits are more than any outcome can distinguish, in half the room: the ledger is kept for years.
TYPES = {"propensity": "float32", "heuristic_score": "float32"}
# Of zstd: the lowest that finds the 4 bits in each hexadecimal digit of a pseudonym; some 5 s for a million rows.
COMPRESSION = 16
SCHEDULED, BACKFILL, MANUAL, QUICK = RUN_KINDS = ("scheduled", "backfill", "manual", "quick")


@dataclass(frozen=True)
class Entry:
    """One file: a target's scores at an as-of; of format 0 it has no ``sequence`` (0) and no ``definition`` (empty)."""

    path: Path
    run_kind: str
    model_version: str
    scored_at: datetime  # UTC
    is_hindsight: bool = False
    sequence: int = 0
    definition: str = ""

    @property
    def target(self) -> str:
        return self.path.parts[-3].removeprefix("target=")

    @property
    def as_of(self) -> date:
        return date.fromisoformat(self.path.parts[-2].removeprefix("as_of="))

    @property
    def content(self) -> str:
        return self.path.stem.rpartition("-")[2]

    @classmethod
    def of(cls, path: Path) -> Entry:
        """Read what a file says of itself: its metadata, or its rows where it is of format 0.

        Raises
        ------
        StoredFormatError : a newer Tenure wrote it.
        """
        with pq.ParquetFile(path) as file:
            if text := (file.metadata.metadata or {}).get(STORED_AS):
                own = parse_stored(text.decode(), str(path), FORMAT_VERSION)
                return made_of(cls, own | {"path": path, "scored_at": datetime.fromisoformat(own["scored_at"])})
            names = {"model_version", "scored_at", "is_hindsight"}.intersection(file.schema_arrow.names)
            first = file.read(columns=sorted(names)).slice(0, 1).to_pylist() or [{}]
        own = {"model_version": "", "scored_at": datetime.max} | first[0]
        return cls(path, path.name.partition("-")[0], **own)

    def read(self) -> pd.DataFrame:
        return self.rows().to_pandas()

    def rows(self) -> pa.Table:
        rows = pq.read_table(self.path)
        # Until format 2 the heuristic was called a rule.
        renamed = rows.rename_columns([FORMER_NAMES.get(name, name) for name in rows.column_names])
        return renamed.replace_schema_metadata(rows.schema.metadata)


def entries(workspace: Workspace, source: str, target: str = "*", as_of: date | str = "*") -> list[Entry]:
    """List what was scored, target by target and as-of by as-of, in the order in which it was."""
    found = map(Entry.of, workspace.scores_of(source).glob(f"target={target}/as_of={as_of}/*.parquet"))
    return sorted(found, key=lambda e: (e.target, e.as_of, e.sequence, e.scored_at, e.path.name))


def scored_targets(workspace: Workspace, source: str) -> list[str]:
    """Name every target that was ever scored, defined today or not."""
    return sorted(path.name.removeprefix("target=") for path in workspace.scores_of(source).glob("target=*"))


def of_each_day(found: Iterable[Entry], kinds: Sequence[str], place: int = -1) -> list[Entry]:
    """Choose the last scores of each target and as-of, or those at another ``place``, of the first kind that has any.

    Scores in hindsight do not count: nobody acted on them.
    """
    chosen = []
    for _, same in groupby(found, lambda e: (e.target, e.as_of)):
        given = [entry for entry in same if not entry.is_hindsight]
        of_kind = ([entry for entry in given if entry.run_kind == kind] for kind in kinds)
        chosen += [one[place] for one in of_kind if one][:1]
    return chosen


def last_scores(workspace: Workspace, source: str, target: str, before: date) -> tuple[date, pd.DataFrame] | None:
    """Read the last scheduled scores before a day. => as-of, the table as appended; None where there are none"""
    earlier = (entry for entry in entries(workspace, source, target) if entry.as_of < before)
    last = of_each_day(earlier, [SCHEDULED])[-1:]
    return next(((entry.as_of, entry.read()) for entry in last), None)


def scored_versions(workspace: Workspace, source: str, as_of: date) -> dict[str, str]:
    """Say which version scored each target as of a day, by its last scheduled scores. => target: version"""
    return {e.target: e.model_version for e in of_each_day(entries(workspace, source, as_of=as_of), [SCHEDULED])}


def last_days(workspace: Workspace, source: str, kinds: Collection[str], until: date) -> dict[str, date]:
    """Say as of which day, until one, each target was last scored by some kinds of run. => target: as-of"""
    # By the names alone: a ledger holds a file for each target and day.
    paths = workspace.scores_of(source).glob("target=*/as_of=*/*.parquet")
    found = {
        path.parent.parent.name.removeprefix("target="): date.fromisoformat(day)
        for path in sorted(paths)
        if path.name.partition("-")[0] in kinds and (day := path.parent.name.removeprefix("as_of=")) <= str(until)
    }
    return found


def append_to_ledger(
    workspace: Workspace,
    scores: Scores,
    *,
    source: str,
    as_of: date,
    run_id: str,
    run_kind: str,
    hindsight: bool = False,
    scored_at: datetime | None = None,
) -> int:
    """Append scores; return the rows added. The last of a kind of run again adds nothing, and nothing is overwritten.

    => customer_id, propensity, decile, heuristic_score, model_version, run_id, run_kind, scored_at (UTC), is_hindsight,
       definition, sequence (grows with each file of a target and as-of); both scores with seven significant digits
    """
    at, added = scored_at or datetime.now(UTC).replace(tzinfo=None), 0
    for name, table in scores.ranked.items():
        content = table[list(CONTENT)].astype(TYPES)
        if target := scores.targets.get(name):
            _keep_definition(workspace, source, target)
        is_quick = name in scores.models and scores.models[name].is_quick
        former = entries(workspace, source, name, as_of)
        own = {
            "run_kind": QUICK if is_quick else run_kind,
            "is_hindsight": hindsight,
            "scored_at": at,
            "definition": target.fingerprint if target else "",
            "sequence": 1 + max((entry.sequence for entry in former), default=0),
        }
        if len(content) and not _is_last(former, content, own):
            _append(workspace.scores_of(source) / f"target={name}" / f"as_of={as_of}", content, own, run_id)
            added += len(content)
    return added


def _is_last(former: Sequence[Entry], content: pd.DataFrame, own: Mapping[str, Any]) -> bool:
    """Say whether scores are already the last of their kind of run; those without a definition may be of any."""
    last = next((entry for entry in reversed(former) if entry.run_kind == own["run_kind"]), None)
    return (
        last is not None
        and (last.content, last.is_hindsight) == (_digest(content), own["is_hindsight"])
        and last.definition in ("", own["definition"])
    )


def _append(folder: Path, content: pd.DataFrame, own: dict[str, Any], run_id: str) -> None:
    metadata = {FORMAT: FORMAT_VERSION, **own, "model_version": str(content["model_version"].iloc[0])}
    rows = pa.Table.from_pandas(content.assign(run_id=run_id, **own), preserve_index=False)
    path = folder / f"{own['run_kind']}-{own['sequence']:06d}-{_digest(content)}.parquet"
    _write(rows.replace_schema_metadata({STORED_AS: json.dumps(metadata, default=str)}), path)


def _digest(content: pd.DataFrame) -> str:
    """Name scores by what they are, whatever the order of the rows."""
    hashes = pd.util.hash_pandas_object(content[list(CONTENT)], index=False).to_numpy()
    return f"{int(np.bitwise_xor.reduce(hashes)):016x}"


def _write(rows: pa.Table, path: Path) -> None:
    # A year of daily scores is kept: zstd finds most in numbers whose bytes lie place by place.
    with replaced_file(path) as fresh:
        pq.write_table(
            rows,
            fresh,
            compression="zstd",
            compression_level=COMPRESSION,
            use_dictionary=["model_version", "run_id", "run_kind", "definition", "sequence"],
            column_encoding=dict.fromkeys(TYPES, "BYTE_STREAM_SPLIT"),
        )


def _definition_path(workspace: Workspace, source: str, fingerprint: str) -> Path:
    return workspace.scores_of(source) / "_definitions" / f"{fingerprint}.json"


def _keep_definition(workspace: Workspace, source: str, target: Target) -> None:
    path = _definition_path(workspace, source, target.fingerprint)
    if not path.is_file():
        write_stored(path, target.definition, FORMAT_VERSION)


def read_definition(workspace: Workspace, source: str, fingerprint: str) -> dict[str, Any]:
    """Read what a target asked when it was scored, for ``Target.under``; empty where it was not kept."""
    path = _definition_path(workspace, source, fingerprint)
    return read_stored(path, FORMAT_VERSION) if path.is_file() else {}


def state(workspace: Workspace, source: str, before: date) -> str:
    """Identify the scores of earlier as-ofs: the names of their files say what they hold, and in which order."""
    folder = workspace.scores_of(source)
    earlier = (path for path in folder.glob("target=*/as_of=*/*.parquet") if path.parent.name < f"as_of={before}")
    return "\n".join(sorted(str(path.relative_to(folder)) for path in earlier))


def drop_scored_before(workspace: Workspace, source: str, oldest: date) -> int:
    """Remove what was scored before a day; return the files removed."""
    old = [entry for entry in entries(workspace, source) if entry.scored_at.date() < oldest]
    for entry in old:
        entry.path.unlink()
    return len(old)


def drop_scores_of(workspace: Workspace, source: str, names: Collection[str]) -> int:
    """Remove a customer, by every name; return the files changed. Each is named by what it holds now."""
    changed = 0
    for entry in entries(workspace, source):
        rows = entry.rows()
        kept = rows.filter(pc.invert(pc.is_in(rows["customer_id"].cast(pa.string()), pa.array(names))))
        if kept.num_rows == rows.num_rows:
            continue
        if kept.num_rows:
            begins = entry.path.stem.rpartition("-")[0]
            _write(kept, entry.path.with_name(f"{begins}-{_digest(kept.to_pandas())}.parquet"))
        entry.path.unlink()
        changed += 1
    return changed
