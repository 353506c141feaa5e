"""What the store keeps of some models, to be searched for a person's ids and revised."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path

from tenure.models.registry.contents import StoredText, revise_files, stored_texts
from tenure.models.registry.owner import OwnedStore


class Search(OwnedStore):
    """The files and texts of an MLflow store, those of other owners left out."""

    def revise_files(self, names: Collection[str], revise: Callable[[Path], bool]) -> int:
        """Show a copy of each file of some models' runs and versions; what ``revise`` changed is stored again.

        Returns how many there were.
        """
        with self.client() as client:
            return revise_files(client, self._own(client, names), revise)

    def texts(self, names: Collection[str]) -> list[StoredText]:
        """List what the store's tables say of some models in words: tags, descriptions, parameters, data sets."""
        with self.client() as client:
            return [*stored_texts(client, self._own(client, names))]

    def revise_texts(self, names: Collection[str], revise: Callable[[str], str]) -> int:
        """Put ``revise`` of each text in its place, where the store lets it; return how many changed.

        A local store is then written anew: SQLite leaves what was there in the pages it frees.
        """
        changed = 0
        with self.client() as client:
            for stored in stored_texts(client, self._own(client, names)):
                if stored.put and (text := revise(stored.text)) != stored.text:
                    stored.put(text)
                    changed += 1
            if changed and self._database:
                with closing(sqlite3.connect(self._database)) as database:
                    database.execute("VACUUM")
        return changed
