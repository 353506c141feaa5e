"""Identity: pairwise F1 against truth, beside Splink's own settings; then a million records, and ten thousand more.

Usage: python benchmarks/identity.py [febrl4 febrl3 historical_50k million]   (data: TENURE_TEST_DATA)
Every set goes the way of a source: records staged from Parquet, matched by the same settings, persons read from the ledger.
"""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import identity_peer
import ordinary

from tenure.core.workspace import Workspace
from tenure.identity.events import Ledger
from tenure.identity.resolve import resolve
from tenure.identity.settings import LINK
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

MILLION = 1_000_000
MORE = 10_000


def febrl(*names: str) -> str:
    """Give the SQL of generated Australian persons: a social security number is the account, the truth is in rec_id."""
    files = ", ".join(f"'{ordinary.DATA / 'febrl' / f'febrl_dataset{name}.parquet'}'" for name in names)
    return f"""
        SELECT rec_id AS customer_id, split_part(rec_id, '-', 2) AS truth, 'febrl' AS system, rec_id AS record_id,
            trim(" given_name") AS first_name, trim(" surname") AS surname, trim(" soc_sec_id") AS account,
            CAST(try_strptime(trim(" date_of_birth"), '%Y%m%d') AS DATE) AS birth_date, trim(" suburb") AS city,
            trim(" street_number") || ' ' || trim(" address_1") AS street, trim(" postcode") AS postcode
        FROM read_parquet([{files}])"""


def historical() -> str:
    """Give the SQL of persons of Wikidata with injected errors; the place of birth is the place that stays with a person."""
    return f"""
        SELECT unique_id AS customer_id, cluster AS truth, 'wikidata' AS system, unique_id AS record_id, first_name, surname,
            try_cast(dob AS DATE) AS birth_date, birth_place AS city, postcode_fake AS postcode
        FROM read_parquet('{ordinary.DATA / "historical_50k" / "historical_figures_with_errors_50k.parquet"}')"""


def generated(first: int, end: int) -> str:
    """Give the SQL of invented persons, every fifth record a second one of the person before, with one error each."""
    return f"""
        WITH records AS (SELECT n, CASE WHEN n % 5 = 4 THEN n - 1 ELSE n END AS person FROM range({first}, {end}) t(n)),
        said AS (SELECT *, hash(person, 'f') AS f, hash(person, 's') AS s, hash(person, 'b') AS b, hash(person, 'p') AS p,
            hash(person, 'e') % 10 < 7 AS has_email, hash(n, 'error') % 4 AS error, n <> person AS is_second FROM records),
        named AS (SELECT *, 'f' || translate(CAST(f % 3000 AS VARCHAR), '0123456789', 'aeioubdgkl') AS first,
            's' || translate(CAST(s % 60000 AS VARCHAR), '0123456789', 'aeioumnrst') AS last FROM said)
        SELECT 'c' || n AS customer_id, CAST(person AS VARCHAR) AS truth, 'made' AS system, CAST(n AS VARCHAR) AS record_id,
            CASE WHEN is_second AND error = 0 THEN first || 'h' ELSE first END AS first_name,
            CASE WHEN is_second AND error = 1 THEN last || 'e' ELSE last END AS surname,
            DATE '1940-01-01' + CAST(b % 24000 AS INTEGER) + CASE WHEN is_second AND error = 2 THEN 1 ELSE 0 END AS birth_date,
            CASE WHEN has_email THEN first || '.' || last || person || '@example.org' END AS email,
            CAST(10000 + p % 40000 AS VARCHAR) AS postcode, 'town ' || p % 4000 AS city,
            CASE WHEN is_second AND error = 3 THEN 'elsewhere' ELSE 'street ' || p % 90000 || ' no ' || b % 80 END AS street
        FROM named"""


@contextmanager
def source() -> Iterator[tuple[Workspace, Path]]:
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.raw("people").mkdir(parents=True)
        yield workspace, workspace.raw("people") / "records.parquet"


def write_records(path: Path, truth: str) -> None:
    """Write a staged-name file: records with all columns of the contract, made known on one day."""
    duckdb.sql(f"COPY (SELECT *, TIMESTAMP '2024-01-01' AS occurred_at FROM ({truth})) TO '{path}' (FORMAT parquet)")


def match(workspace: Workspace) -> tuple[float, dict[str, str]]:
    """Match what is new. => seconds without staging, customer => person"""
    staged = stage_source(workspace, read_source(workspace, "people"))
    started = time.monotonic()
    resolve(workspace, staged)
    seconds = time.monotonic() - started
    return seconds, Ledger(workspace.identity_events("people")).mapping()


def report(name: str, who: str, truth: str, persons: dict[str, str], seconds: float) -> None:
    precision, recall, f1 = identity_peer.pairwise(truth, persons)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    (count,) = duckdb.sql(f"SELECT count(*) FROM ({truth})").fetchall()[0]
    print(
        f"{name:<22} {who:<22} {count:>9,} records  precision {precision:.4f}  recall {recall:.4f}  F1 {f1:.4f}  {seconds:6.1f} s  peak so far {peak:.1f} GiB",
        flush=True,
    )


def run_set(name: str, truth: str) -> None:
    with source() as (workspace, path):
        write_records(path, truth)
        seconds, persons = match(workspace)
        report(name, "Tenure", truth, persons, seconds)


def run_million() -> None:
    with source() as (workspace, path):
        write_records(path, generated(0, MILLION))
        seconds, persons = match(workspace)
        report("a million", "Tenure", generated(0, MILLION), persons, seconds)
        every = generated(0, MILLION + MORE)
        write_records(path, every)
        seconds, persons = match(workspace)
        report("ten thousand more", "Tenure, incremental", every, persons, seconds)


def main(asked: list[str]) -> None:
    print(
        f"One threshold, {LINK}, and one set of comparisons for all; pairwise F1 of persons after transitive joining. Sets in this order:"
    )
    sets = {
        "febrl4": lambda: run_set("febrl 4a against 4b", febrl("4a", "4b")),
        "febrl3": lambda: run_set("febrl 3", febrl("3")),
        "historical_50k": lambda: (run_set("historical_50k", historical()), identity_peer.run(historical(), report)),
        "million": run_million,
    }
    for name in asked or sets:
        sets[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
