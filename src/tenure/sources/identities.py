"""Who is who: pseudonyms from staging on, and the customers to be forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tenure.core.sql import literal, quoted
from tenure.core.workspace import Workspace
from tenure.sources.identity_key import IdentityKey, private_file, read_text, write_private
from tenure.sources.source import Source

# 24 hexadecimal digits, 96 bits: among n customers two share one with a chance of n²/2^97, 6e-16 for ten million. The
# letter before them keeps a spreadsheet from reading a number.
PSEUDONYM_DIGITS = 24
# Raised when staging comes to name customers otherwise: what was staged before is then staged anew.
NAMING_VERSION = "3"


@dataclass(frozen=True)
class Pseudonyms:
    """The other names of customers, and the map back to their ids in the raw files."""

    key: IdentityKey
    path: Path

    def of(self, customer: str) -> str:
        """Hash an id: ``p`` and the first 96 bits of its HMAC."""
        return "p" + self.key.hash(customer)[:PSEUDONYM_DIGITS]

    def fact_id_sql(self, column: str) -> str:
        """Give the SQL that hashes a column of ``FACT_IDS`` of ``fact``: ``i`` and 96 bits, the same in every table.

        The engine hashes, with a secret derived for this column: what SQL holds is never the key.
        """
        secret = literal(self.key.hash("", column))
        return f"'i' || left(sha256({secret} || sha256({secret} || fact.{quoted(column)})), {PSEUDONYM_DIGITS})"

    def read(self) -> pa.Table | None:
        """Read the map (customer_id, pseudonym); None where there is none yet."""
        return pq.read_table(self.path) if self.path.is_file() else None

    def write(self, known: pa.Table) -> None:
        with private_file(self.path) as fresh:
            pq.write_table(known, fresh)

    def real_ids(self) -> dict[str, str]:
        """Read the map: pseudonym => id in the raw files; empty where there is none."""
        table = self.read()
        if table is None:
            return {}
        return dict(zip(table["pseudonym"].to_pylist(), table["customer_id"].to_pylist(), strict=True))

    def drop(self, customer: str) -> None:
        """Take an id out of the map."""
        known = self.real_ids()
        if customer in known.values():
            kept = {real: name for name, real in known.items() if real != customer}
            self.write(pa.table({"customer_id": list(kept), "pseudonym": list(kept.values())}))


@dataclass(frozen=True)
class SuppressionList:
    """The customers to be left out, as keyed hashes: the list names nobody, not even by pseudonym."""

    key: IdentityKey
    path: Path

    @property
    def hashes(self) -> frozenset[str]:
        return frozenset(read_text(self.path).split())

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def __contains__(self, customer: str) -> bool:
        return self.among([customer])[0]

    def among(self, customers: Iterable[str]) -> list[bool]:
        """Say of each customer whether the list has it; the key is only needed where the list is not empty."""
        listed = self.hashes
        return [bool(listed) and self.key.hash(customer, "forgotten") in listed for customer in customers]

    def add(self, customer: str) -> None:
        listed = {*self.hashes, self.key.hash(customer, "forgotten")}
        write_private(self.path, "\n".join(sorted(listed)) + "\n")


@dataclass(frozen=True)
class Identities:
    """How one source's customers are named: as in the raw files, or by pseudonym; and who of them is forgotten.

    ``folder`` is kept apart from the data, readable by its owner alone.
    """

    source: str
    folder: Path
    is_pseudonymised: bool = False

    @classmethod
    def of(cls, workspace: Workspace, source: Source) -> Identities:
        return cls(source.name, workspace.identities(source.name), source.pseudonymise)

    @cached_property
    def key(self) -> IdentityKey:
        return IdentityKey(self.source, self.folder)

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        return Pseudonyms(self.key, self.folder / "pseudonyms.parquet")

    @cached_property
    def forgotten(self) -> SuppressionList:
        return SuppressionList(self.key, self.folder / "forgotten.txt")

    @property
    def are_needed(self) -> bool:
        """Whether staging has to look at ids at all."""
        return self.is_pseudonymised or bool(self.forgotten)

    def name_of(self, customer: str) -> str:
        """Name a customer of the raw files as every table from staging on does."""
        return self.pseudonyms.of(customer) if self.is_pseudonymised else customer

    def state(self) -> list[str]:
        """List what staging depends on beside the files; part of its fingerprint.

        Raises
        ------
        UsageError : ids are to be hashed, no key was used yet, and none is set.
        """
        if not self.are_needed:
            return []
        if not self.key.check:
            _ = self.key.secret
        return [NAMING_VERSION, str(self.is_pseudonymised), self.key.check, *sorted(self.forgotten.hashes)]

    def forget(self, customer: str) -> None:
        """Put a customer on the suppression list, and take the id out of the map."""
        self.forgotten.add(customer)
        self.pseudonyms.drop(customer)
