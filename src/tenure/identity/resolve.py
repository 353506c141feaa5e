"""New records find their persons: those known before are asked, never rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import DataContractError
from tenure.core.memory import engine_memory
from tenure.core.sql import literal, parquet
from tenure.core.workspace import Workspace
from tenure.identity.events import Ledger
from tenure.identity.evidence import MOST_RECORDS_PER_KEY, write_evidence
from tenure.identity.matching import Records, exact_pairs, learn, probable_pairs
from tenure.identity.persons import Link, Persons
from tenure.identity.reasons import reason_sql
from tenure.identity.reviews import Review, Reviews
from tenure.identity.settings import FEWEST_RECORDS, LINK
from tenure.sources.staged_source import StagedSource

SEEN = "seen.parquet"  # the records that were matched before


@dataclass(frozen=True)
class Resolution:
    """What came of the new records. ``notes`` say in a line each what was left out of account, and why."""

    records: int
    new: int
    joined: int
    to_review: int
    notes: tuple[str, ...] = ()


def resolve(workspace: Workspace, staged: StagedSource) -> Resolution:
    """Match a source's new records against all, append what follows to its ledger, list the uncertain for review.

    Raises
    ------
    DataContractError : the source has no records.
    UsageError : matching by probability needs a package that is not installed.
    """
    if "records" not in staged.tables:
        raise DataContractError(
            f"{staged.source.name}: no [records]. Expected one row per person and system; map them in source.toml."
        )
    folder = workspace.identity_events(staged.source.name)
    folder.mkdir(parents=True, exist_ok=True)
    seen, model = folder / SEEN, folder / "model.json"
    with workspace.scratch(staged.source.name) as spill, _connect(spill) as connection:
        withheld = write_evidence(connection, f"FROM {parquet(staged.whole_records)}", "every_record")
        count, new = _part_new(connection, seen)
        notes = [_shared(key, values) for key, values in withheld.items() if values]
        if not new:
            return Resolution(count, 0, 0, 0, tuple(notes))
        records = Records("known_records" if count > new else "", "new_records")
        links = [Link(a, b, at, p, cause) for a, b, at, p, cause in exact_pairs(connection, records)]
        doubts: list[Review] = []
        if linker := learn(connection, "every_record", model):
            probable_pairs(connection, linker, records, "pairs")
            links += _links(connection, f"probability >= {LINK} AND NOT is_contradicted")
            doubts = [Review.of(link) for link in _links(connection, f"(probability < {LINK} OR is_contradicted)")]
        else:
            notes.append(
                f"matched by exact rules alone: probabilities are learnt from {FEWEST_RECORDS:,} records or more with names and birth dates, on which some agree (here {count:,} records)"
            )
        joined, listed = _record(connection, folder, links, doubts)
        with replaced_file(seen) as fresh:
            connection.execute(f"COPY (SELECT unique_id FROM every_record) TO {literal(str(fresh))} (FORMAT parquet)")
    return Resolution(count, new, joined, listed, tuple(notes))


@contextmanager
def _connect(spill: str) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    try:
        connection.execute(f"SET temp_directory = {literal(spill)}")
        connection.execute(f"SET memory_limit = '{engine_memory()}B'")
        yield connection
    finally:
        connection.close()


def _part_new(connection: duckdb.DuckDBPyConnection, seen: Path) -> tuple[int, int]:
    known = f"SELECT unique_id FROM {parquet(seen)}" if seen.is_file() else "SELECT '' AS unique_id WHERE false"
    connection.execute(f"CREATE TABLE new_records AS FROM every_record ANTI JOIN ({known}) USING (unique_id)")
    connection.execute(f"CREATE TABLE known_records AS FROM every_record SEMI JOIN ({known}) USING (unique_id)")
    counts = "SELECT (SELECT count(*) FROM every_record), (SELECT count(*) FROM new_records)"
    count, new = connection.execute(counts).fetchall()[0]
    return count, new


def _shared(key: str, values: int) -> str:
    return f"{key}: {values:,} value(s) on more than {MOST_RECORDS_PER_KEY} records each are shared by many, so they tell nobody apart: left out of account"


def _links(connection: duckdb.DuckDBPyConnection, asked: str) -> list[Link]:
    rows = connection.execute(
        f"SELECT customer_id_l, customer_id_r, greatest(known_at_l, known_at_r), probability, {reason_sql()} "
        "FROM pairs "
        f"WHERE customer_id_l <> customer_id_r AND {asked}"
    ).fetchall()
    return [Link(*row) for row in rows]


def _record(
    connection: duckdb.DuckDBPyConnection, folder: Path, links: list[Link], doubts: list[Review]
) -> tuple[int, int]:
    first_known = dict(connection.execute("SELECT customer_id, min(known_at) FROM every_record GROUP BY 1").fetchall())
    ledger = Ledger(folder)
    persons = Persons(ledger, first_known)
    events, forbidden = persons.join(links)
    doubts = [*doubts, *(Review.of(link) for link in forbidden)]
    # The list first: a crash between the two leaves work to do again, not a doubt that nobody sees.
    listed = Reviews(folder).append(
        doubt for doubt in doubts if persons.person(doubt.left) != persons.person(doubt.right)
    )
    return ledger.append(events), listed
