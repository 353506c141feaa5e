"""Who is who: pseudonyms from staging on, and the customers to be forgotten. The key lives in the environment, nowhere else."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import UsageError
from tenure.core.sql import literal, quoted
from tenure.core.workspace import Workspace
from tenure.sources.contract import RECORDS
from tenure.sources.mapping import MappedTable
from tenure.sources.mentions import find_mentions, renamed_sql, text_columns, without_own_id_sql
from tenure.sources.source import Source

KEY = "TENURE_PSEUDONYM_KEY"
SHORTEST_KEY = 16
# 24 hexadecimal digits, 96 bits: among n customers two share one with a chance of n²/2^97, 6e-16 for ten million. The
# letter before them keeps a spreadsheet from reading a number.
PSEUDONYM_DIGITS = 24
BATCH = 100_000
MARKER = "[forgotten]"  # in the place of a name, where a text told of somebody
# Raised when staging comes to name customers otherwise: what was staged before is then staged anew.
NAMING_VERSION = "2"


@dataclass(frozen=True)
class Identities:
    """How one source's customers are named: as in the raw files, or by pseudonym; and who of them is forgotten.

    ``folder`` is kept apart from the data, readable by its owner alone: the map of ids, the hashes of the forgotten, and
    a value that tells another key from the right one.
    """

    source: str
    folder: Path
    is_pseudonymised: bool = False

    @classmethod
    def of(cls, workspace: Workspace, source: Source) -> Identities:
        return cls(source.name, workspace.identities(source.name), source.pseudonymise)

    @property
    def map_path(self) -> Path:
        return self.folder / "pseudonyms.parquet"

    @property
    def _forgotten_path(self) -> Path:
        return self.folder / "forgotten.txt"

    @property
    def _key_check_path(self) -> Path:
        return self.folder / "key_check.txt"

    @property
    def forgotten(self) -> frozenset[str]:
        """The suppression list: keyed hashes of the customers to be left out."""
        return frozenset(_read(self._forgotten_path).split())

    @property
    def are_needed(self) -> bool:
        """Whether staging has to look at ids at all."""
        return self.is_pseudonymised or bool(self.forgotten)

    def check_key(self) -> None:
        """Ask for the key, and remember by which one this source's customers are hashed.

        Raises
        ------
        UsageError : it is not set, too short, or another than before.
        """
        _ = self._key

    @cached_property
    def _key(self) -> bytes:
        key = os.environ.get(KEY, "").encode()
        if len(key) < SHORTEST_KEY:
            raise UsageError(
                f"{self.source}: the environment variable {KEY} {'is not set' if not key else 'is too short'}. With it customers are "
                f"pseudonymised, and the forgotten are told from others: expected a secret of {SHORTEST_KEY} characters or more, the same at every staging. Set it (a new one: python -c "
                "'import secrets; print(secrets.token_hex(32))') and run again."
            )
        check = _hash(key, "which key", "")
        known = _read(self._key_check_path)
        if known and not hmac.compare_digest(known, check):
            raise UsageError(
                f"{self.source}: {KEY} is another key than the one this source's customers were hashed with. Expected the same: under another one "
                f"every pseudonym changes and the forgotten come back. Set the former key, or begin anew by removing {self.folder}."
            )
        if not known:
            _write_private(self._key_check_path, check)
        return key

    def pseudonym(self, customer: str) -> str:
        """Hash an id: ``p`` and the first 96 bits of its HMAC-SHA-256 (RFC 2104)."""
        return "p" + _hash(self._key, "", customer)[:PSEUDONYM_DIGITS]

    def name_of(self, customer: str) -> str:
        """Name a customer of the raw files as every table from staging on does."""
        return self.pseudonym(customer) if self.is_pseudonymised else customer

    def state(self) -> list[str]:
        """Tell what staging depends on beside the files; part of its fingerprint. Asks for the key where none was used yet."""
        if not self.are_needed:
            return []
        if not self._key_check_path.is_file():
            self.check_key()
        return [NAMING_VERSION, str(self.is_pseudonymised), _read(self._key_check_path), *sorted(self.forgotten)]

    def check_same_names(self, connection: duckdb.DuckDBPyConnection, events: Path) -> None:
        """Refuse events of who is whom in which customers are named otherwise than staging names them: asked once all ids are learnt.

        Raises
        ------
        UsageError : pseudonyms were switched on or off since; what was decided of those persons would be lost without a word.
        """
        decided = [
            pq.read_table(path, columns=["customer_id"])["customer_id"] for path in events.glob("events-*.parquet")
        ]
        named = {name for column in decided for name in column.to_pylist()}
        if not named:
            return  # as of nearly all stagings; the map may be of millions
        # By what they should not be called: whoever was forgotten is in neither.
        if self.is_pseudonymised:
            connection.register("named", pa.table({"customer_id": list(named)}))
            query = "SELECT 1 FROM named JOIN identity USING (customer_id) WHERE NOT is_forgotten LIMIT 1"
            are_others = bool(connection.execute(query).fetchall())
            connection.unregister("named")
        else:
            are_others = bool(named & self.real_ids().keys())
        if are_others:
            these, since = ("the raw files' ids", "set") if self.is_pseudonymised else ("pseudonyms", "taken out")
            raise UsageError(
                f"{self.source}: {events} says of customers by {these} who is whom, from before pseudonymise was {since}. Expected the names of "
                f"today: every person found would part. Move that folder away and run 'tenure identity match {self.source}' (what was merged or "
                "split by hand is to be said again), or undo the change. Scores, reports and exports of before keep their names, too."
            )

    def forget(self, customer: str) -> None:
        """Put a customer on the suppression list, and take the id out of the map."""
        listed = {*self.forgotten, self._suppression(customer)}
        _write_private(self._forgotten_path, "\n".join(sorted(listed)) + "\n")
        known = self.real_ids()
        if customer in known.values():
            self._save_map({real: name for name, real in known.items() if real != customer})

    def is_forgotten(self, customer: str) -> bool:
        return bool(self.forgotten) and self._suppression(customer) in self.forgotten

    def real_ids(self) -> dict[str, str]:
        """Read the map: pseudonym => id in the raw files; empty where there is none."""
        if not self.map_path.is_file():
            return {}
        table = pq.read_table(self.map_path)
        return dict(zip(table["pseudonym"].to_pylist(), table["customer_id"].to_pylist(), strict=True))

    def _suppression(self, customer: str) -> str:
        # Told apart from the pseudonym: the list names nobody, not even by pseudonym.
        return _hash(self._key, "forgotten", customer)

    def _save_map(self, names: dict[str, str]) -> None:
        table = pa.table({"customer_id": list(names), "pseudonym": list(names.values())})
        with _private(self.map_path) as fresh:
            pq.write_table(table, fresh)

    # --- in the engine ---

    def open(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Begin a staging: the ids known so far become a temporary table of the connection.

        Raises
        ------
        UsageError : the key is missing, or another one.
        """
        connection.execute("CREATE TEMP TABLE identity (customer_id VARCHAR, pseudonym VARCHAR, is_forgotten BOOLEAN)")
        if self.are_needed:
            self.check_key()
        if self.is_pseudonymised and self.map_path.is_file():
            # Who is forgotten was taken out of the map.
            _insert(connection, "customer_id, pseudonym, false", pq.read_table(self.map_path))

    def learn(self, connection: duckdb.DuckDBPyConnection, mapped: MappedTable) -> None:
        """Hash each id of a table that no earlier one had: once per customer, not once per row."""
        if not (self.are_needed and mapped.is_dated):
            return
        new = connection.sql(
            f"SELECT {mapped.casts['customer_id']} AS customer_id FROM {mapped.raw_view} WHERE customer_id IS NOT NULL "
            "EXCEPT SELECT customer_id FROM identity"
        ).to_arrow_table()
        forgotten = self.forgotten
        for batch in new.to_batches(max_chunksize=BATCH):
            ids = batch.column(0).to_pylist()
            are_forgotten = [bool(forgotten) and self._suppression(customer) in forgotten for customer in ids]
            names = [
                MARKER if gone else self.name_of(customer) for customer, gone in zip(ids, are_forgotten, strict=True)
            ]
            _insert(connection, "*", pa.table({"customer_id": ids, "pseudonym": names, "is_forgotten": are_forgotten}))

    def forgotten_rows(self, connection: duckdb.DuckDBPyConnection, mapped: MappedTable) -> int:
        """Count the raw rows that are left out."""
        if not self.forgotten:
            return 0
        customer = mapped.casts["customer_id"]
        return int(
            connection.execute(
                f"SELECT count(*) FROM {mapped.raw_view} WHERE {customer} IN (SELECT customer_id FROM identity WHERE is_forgotten)"
            ).fetchall()[0][0]
        )

    def named_sql(self, connection: duckdb.DuckDBPyConnection, mapped: MappedTable, judged: str) -> str:
        """Wrap the judged rows of a table: the forgotten are left out, the others named as they shall be, in other texts too."""
        kept = f"SELECT * FROM ({judged}) ANTI JOIN (SELECT customer_id FROM identity WHERE is_forgotten) USING (customer_id)"
        columns = text_columns(connection, mapped.name, kept)
        texts = ", ".join([*map(quoted, columns), "CASE WHEN rule IS NOT NULL THEN CAST(raw AS VARCHAR) END"])
        # What describes a person has to be matched as it is, and lies apart: of it only the forgotten go.
        is_record = mapped.name == RECORDS
        mentions = find_mentions(connection, f"SELECT unnest([{texts}]) AS text FROM ({kept})", of_forgotten=is_record)
        if not self.is_pseudonymised and not mentions:
            return kept
        raw = "CAST(coalesce(of_raw.renamed, CAST(fact.raw AS VARCHAR)) AS JSON)"
        rename = renamed_sql if is_record else without_own_id_sql
        replaced = {name: rename(name, f"of_{number}") for number, name in enumerate(columns)}
        replaced |= {"customer_id": "pseudonym", "raw": _without_id(raw, mapped)}
        listed = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in replaced.items())
        joins = [f"LEFT JOIN renamed of_{n} ON fact.{quoted(name)} = of_{n}.text" for n, name in enumerate(columns)]
        joins.append("LEFT JOIN renamed of_raw ON fact.rule IS NOT NULL AND CAST(fact.raw AS VARCHAR) = of_raw.text")
        return (
            f"SELECT fact.* REPLACE ({listed}) FROM ({kept}) fact LEFT JOIN identity ON fact.customer_id = identity.customer_id "
            + f"{' '.join(joins)} ORDER BY raw_row"
        )

    def close(self, connection: duckdb.DuckDBPyConnection) -> None:
        """End a staging: keep the map, where there are pseudonyms and it grew."""
        if not self.is_pseudonymised:
            return
        known = connection.sql(
            "SELECT customer_id, pseudonym FROM identity WHERE NOT is_forgotten ORDER BY customer_id"
        ).to_arrow_table()
        if not self.map_path.is_file() or len(known) != pq.read_metadata(self.map_path).num_rows:
            with _private(self.map_path) as fresh:
                pq.write_table(known, fresh)


def _without_id(raw: str, mapped: MappedTable) -> str:
    """Give the SQL of a rejected row's content with the pseudonym for the id: in its own columns, and as a text anywhere."""
    columns = ", ".join(f"{literal(column)}, pseudonym" for column in mapped.raw_columns["customer_id"])
    renamed = f"CAST(json_merge_patch({raw}, json_object({columns})) AS VARCHAR)"
    everywhere = f"replace({renamed}, CAST(to_json(fact.customer_id) AS VARCHAR), CAST(to_json(pseudonym) AS VARCHAR))"
    return f"CAST(coalesce({everywhere}, {renamed}) AS JSON)"


def _hash(key: bytes, purpose: str, text: str) -> str:
    """HMAC-SHA-256, hexadecimal; a purpose keeps hashes made for different ends apart."""
    return hmac.digest(key, (f"{purpose}\x1f{text}" if purpose else text).encode(), "sha256").hex()


def _insert(connection: duckdb.DuckDBPyConnection, columns: str, rows: pa.Table) -> None:
    connection.register("learned", rows)
    connection.execute(f"INSERT INTO identity SELECT {columns} FROM learned")
    connection.unregister("learned")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@contextmanager
def _private(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of ``path``; from its first byte on only the owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replaced_file(path) as fresh:
        os.close(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600))
        yield fresh


def _write_private(path: Path, text: str) -> None:
    with _private(path) as fresh:
        fresh.write_text(text, encoding="utf-8")
