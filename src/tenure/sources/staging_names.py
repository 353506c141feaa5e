"""The names of customers while tables are staged: a temporary table of the engine, where each fact finds its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tenure.core.errors import UsageError
from tenure.core.sql import literal, quoted
from tenure.sources.carried_ids import own_id_in, own_id_replaced
from tenure.sources.contract import FACT_IDS, PERSON_IDS, RECORDS
from tenure.sources.identities import Identities
from tenure.sources.mapping import MappedTable
from tenure.sources.mentions import find_mentions, renamed_sql, text_columns, without_own_id_sql

BATCH = 100_000
MARKER = "[forgotten]"  # in the place of a name, where a text told of somebody
FORGOTTEN = "SELECT customer_id FROM identity WHERE is_forgotten"


@dataclass(frozen=True)
class StagingNames:
    """The names of one staging: its connection's table ``identity`` (customer_id, pseudonym, is_forgotten)."""

    identities: Identities
    connection: duckdb.DuckDBPyConnection

    @classmethod
    def open(cls, identities: Identities, connection: duckdb.DuckDBPyConnection) -> StagingNames:
        """Begin with the ids known so far.

        Raises
        ------
        UsageError : the key is missing, or another one.
        """
        names = cls(identities, connection)
        connection.execute("CREATE TEMP TABLE identity (customer_id VARCHAR, pseudonym VARCHAR, is_forgotten BOOLEAN)")
        if identities.are_needed:
            _ = identities.key.secret
        if identities.is_pseudonymised and (known := identities.pseudonyms.read()) is not None:
            # Who is forgotten was taken out of the map.
            names._insert("customer_id, pseudonym, false", known)
        return names

    def _insert(self, columns: str, rows: pa.Table) -> None:
        self.connection.register("learned", rows)
        self.connection.execute(f"INSERT INTO identity SELECT {columns} FROM learned")
        self.connection.unregister("learned")

    def learn(self, mapped: MappedTable) -> None:
        """Hash each id of a table that no earlier one had: once per customer, not once per row."""
        if not (self.identities.are_needed and mapped.is_dated):
            return
        named = ", ".join(mapped.casts[name] for name in ("customer_id", *_person_ids(mapped)))
        new = self.connection.sql(
            f"SELECT customer_id FROM (SELECT unnest([{named}]) AS customer_id FROM {mapped.raw_view}) "
            "WHERE customer_id IS NOT NULL EXCEPT SELECT customer_id FROM identity"
        ).to_arrow_table()
        for batch in new.to_batches(max_chunksize=BATCH):
            ids = batch.column(0).to_pylist()
            gone = self.identities.forgotten.among(ids)
            names = [
                MARKER if is_gone else self.identities.name_of(customer)
                for customer, is_gone in zip(ids, gone, strict=True)
            ]
            self._insert("*", pa.table({"customer_id": ids, "pseudonym": names, "is_forgotten": gone}))

    def check_same(self, events: Path) -> None:
        """Refuse events of who is whom that name customers otherwise than staging does, once all ids are learnt.

        Raises
        ------
        UsageError : pseudonyms were switched on or off since; what was decided of those persons would be lost without
            a word.
        """
        decided = [
            pq.read_table(path, columns=["customer_id"])["customer_id"] for path in events.glob("events-*.parquet")
        ]
        named = {name for column in decided for name in column.to_pylist()}
        if not named:
            return  # as of nearly all stagings; the map may be of millions
        # By what they should not be called: whoever was forgotten is in neither.
        if self.identities.is_pseudonymised:
            self.connection.register("named", pa.table({"customer_id": list(named)}))
            query = "SELECT 1 FROM named JOIN identity USING (customer_id) WHERE NOT is_forgotten LIMIT 1"
            are_others = bool(self.connection.execute(query).fetchall())
            self.connection.unregister("named")
        else:
            are_others = bool(named & self.identities.pseudonyms.real_ids().keys())
        if are_others:
            source = self.identities.source
            these, since = (
                ("the raw files' ids", "set") if self.identities.is_pseudonymised else ("pseudonyms", "taken out")
            )
            raise UsageError(
                f"{source}: {events} says of customers by {these} who is whom, from before pseudonymise was {since}. "
                "Expected the names of today: every person found would part. Move that folder away and run 'tenure "
                f"identity match {source}' (what was merged or split by hand is to be said again), or undo the change. "
                "Scores, reports and exports of before keep their names, too."
            )

    def forgotten_rows(self, mapped: MappedTable) -> int:
        """Count the raw rows that are left out."""
        if not self.identities.forgotten:
            return 0
        counted = f"SELECT count(*) FROM {mapped.raw_view} WHERE {mapped.casts['customer_id']} IN ({FORGOTTEN})"
        return int(self.connection.execute(counted).fetchall()[0][0])

    def named_sql(self, mapped: MappedTable, judged: str) -> str:
        """Wrap the judged rows of a table: without the forgotten, the others named as they shall be.

        Other texts that name a customer are rewritten, too.
        """
        kept = f"SELECT * FROM ({judged}) ANTI JOIN ({FORGOTTEN}) USING (customer_id)"
        hashed = self._fact_ids(mapped)
        columns = [name for name in text_columns(self.connection, mapped.name, kept) if name not in hashed]
        texts = ", ".join([*map(quoted, columns), "CASE WHEN rule IS NOT NULL THEN CAST(raw AS VARCHAR) END"])
        # What describes a person has to be matched as it is, and lies apart: of it only the forgotten go.
        is_record = mapped.name == RECORDS
        every = f"SELECT unnest([{texts}]) AS text FROM ({kept})"
        mentions = find_mentions(self.connection, every, of_forgotten=is_record)
        if not (self.identities.is_pseudonymised or mentions or _person_ids(mapped)):
            return kept
        raw = "CAST(coalesce(of_raw.renamed, CAST(fact.raw AS VARCHAR)) AS JSON)"
        rename = renamed_sql if is_record else without_own_id_sql
        replaced = {name: rename(name, f"of_{number}") for number, name in enumerate(columns)}
        replaced |= {"customer_id": "pseudonym", "raw": _without_ids(raw, mapped, hashed)} | hashed
        listed = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in replaced.items())
        joins = [f"LEFT JOIN renamed of_{n} ON fact.{quoted(name)} = of_{n}.text" for n, name in enumerate(columns)]
        joins += [
            f"LEFT JOIN (SELECT customer_id AS person, pseudonym AS called FROM identity) of_{name} "
            f"ON fact.{name} = of_{name}.person"
            for name in _person_ids(mapped)
        ]
        joins.append("LEFT JOIN renamed of_raw ON fact.rule IS NOT NULL AND CAST(fact.raw AS VARCHAR) = of_raw.text")
        return (
            f"SELECT fact.* REPLACE ({listed}) "
            f"FROM ({kept}) fact "
            "LEFT JOIN identity ON fact.customer_id = identity.customer_id "
            f"{' '.join(joins)} "
            "ORDER BY raw_row"
        )

    def _fact_ids(self, mapped: MappedTable) -> dict[str, str]:
        """Map the ids of a table's facts to the SQL of their other names; no record, which lies apart, has any."""
        persons = {name: f"of_{name}.called" for name in _person_ids(mapped)}
        if not self.identities.is_pseudonymised or mapped.name == RECORDS:
            return persons
        hashed = self.identities.pseudonyms.fact_id_sql
        return persons | {name: hashed(name) for name in mapped.casts if name in FACT_IDS}

    def close(self) -> None:
        """Keep the map, where there are pseudonyms and it grew."""
        if not self.identities.is_pseudonymised:
            return
        known = self.connection.sql(
            "SELECT customer_id, pseudonym FROM identity WHERE NOT is_forgotten ORDER BY customer_id"
        ).to_arrow_table()
        kept = self.identities.pseudonyms
        if not kept.path.is_file() or len(known) != pq.read_metadata(kept.path).num_rows:
            kept.write(known)


def _person_ids(mapped: MappedTable) -> list[str]:
    return [name for name in PERSON_IDS if name in mapped.casts]


def _without_ids(raw: str, mapped: MappedTable, hashed: dict[str, str]) -> str:
    """Give the SQL of a rejected row's content with the new names: each id in its own columns, the customer's anywhere."""
    others = {raw for name, made_of in mapped.raw_columns.items() if name not in hashed for raw in made_of}
    fact_ids = {
        raw: sql for name, sql in hashed.items() for raw in mapped.raw_columns.get(name, ()) if raw not in others
    }
    names = fact_ids | dict.fromkeys(mapped.raw_columns["customer_id"], "pseudonym")
    columns = ", ".join(f"{literal(column)}, {sql}" for column, sql in names.items())
    renamed = f"CAST(json_merge_patch({raw}, json_object({columns})) AS VARCHAR)"
    everywhere = f"replace({renamed}, CAST(to_json(fact.customer_id) AS VARCHAR), CAST(to_json(pseudonym) AS VARCHAR))"
    glued = (
        f"CASE WHEN {own_id_in(renamed, 'fact.customer_id')} THEN {own_id_replaced(everywhere)} ELSE {everywhere} END"
    )
    return f"CAST(coalesce({glued}, {renamed}) AS JSON)"
