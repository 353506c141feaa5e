"""Which version is champion: promoted, rolled back, and why."""

from __future__ import annotations

import json

from tenure.core.errors import RegistryError
from tenure.models.registry.history import FORMER_TAG, PROMOTED, ROLLED_BACK, Change, changes_of, note_change
from tenure.models.registry.versions import CHAMPION, Versions


class Champions(Versions):
    """The alias ``champion`` of each registered model, to be moved."""

    def promote(self, name: str, version: str, *, why: str = "passed every gate") -> str | None:
        """Point ``champion`` to a version; return the former one. Who, when and why are kept, and the former for
        ``rollback``.

        Raises
        ------
        UnknownNameError : no such version.
        """
        found = self.find(name, version)
        with self.client() as client:
            self.claim(client, name)
            former = self.champion(name)
            if former == version and found.was_promoted:
                return former
            # The mark comes last: a version that has it was promoted wholly, whenever the process was killed.
            if former and former != version:
                client.set_model_version_tag(name, version, FORMER_TAG, former)
            client.set_registered_model_alias(name, CHAMPION, version)
            note_change(client, name, version, PROMOTED, why)
        return former

    def was_promoted(self, name: str, version: str) -> bool:
        """Say whether a version was ever made champion, wholly."""
        return self.find(name, version).was_promoted

    def point_champion(self, name: str, version: str | None) -> None:
        """Let ``champion`` be a version, or nobody, without a mark: how a backfill stands on the day before."""
        current = self.champion(name)
        if version == current:
            return
        with self.client() as client:
            self.claim(client, name)
            if version:
                client.set_registered_model_alias(name, CHAMPION, version)
            else:
                client.delete_registered_model_alias(name, CHAMPION)

    def changes(self, name: str) -> list[Change]:
        """List the promotions and rollbacks of a model's versions, oldest first."""
        found = [change for each in self.versions(name) for change in changes_of(each.version, each.tags)]
        return sorted(found, key=lambda change: change.when)

    def overridden_gates(self, name: str, version: str) -> list[str]:
        """List the gates a version did not pass when it was judged: what promoting it by hand overrides."""
        gates = json.loads(self.find(name, version).tags.get("tenure.gates", "[]"))
        return [f"{gate['name']}: {gate['found']}" for gate in gates if not gate["passed"]]

    def rollback(self, name: str, *, why: str = "rolled back by hand") -> tuple[str, str]:
        """Give ``champion`` back to the version before; return (from, to). Who, when and why are kept.

        Raises
        ------
        RegistryError : there is no champion, none before it, or that one was deleted.
        """
        current = self.champion_version(name)
        former = current.tags.get(FORMER_TAG, "") if current else ""
        if not current or former not in {each.version for each in self.versions(name)}:
            found = f"no champion before version {current.version}" if current else "no champion"
            found += f", for version {former} was deleted" if former else ""
            raise RegistryError(
                f"{name}: {found}. Expected one to go back to; 'tenure promote {name} VERSION' makes one."
            )
        with self.client() as client:
            self.claim(client, name)
            client.set_registered_model_alias(name, CHAMPION, former)
            note_change(client, name, current.version, ROLLED_BACK, why)
        return current.version, former
