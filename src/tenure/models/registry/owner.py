"""Whose models a shared MLflow store holds: two workspaces with a source of one name are told apart by the owner of the
source.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import RegistryError, UnknownNameError
from tenure.core.workspace import Workspace, check_name
from tenure.models.registry.mlflow_store import MlflowStore
from tenure.sources.source import read_source

if TYPE_CHECKING:
    from mlflow.entities import Experiment
    from mlflow.entities.model_registry import RegisteredModel
    from mlflow.tracking import MlflowClient

OWNER_TAG = "tenure.owner"
# Ends the name of an action's model: <source>-<action>-effect.
EFFECT_ENDING = "-effect"


def source_of(name: str) -> str:
    """Return the source of a registered model: no target's or action's name holds a hyphen, but a source's may.

    >>> source_of("my-shop-churn"), source_of("my-shop-save_call-effect")
    ('my-shop', 'my-shop')
    """
    return name.removesuffix("-backfill").removesuffix(EFFECT_ENDING).rpartition("-")[0]


def owner_of(workspace: Workspace, source: str, *, make: bool) -> str:
    """Return who owns a source: what its ``source.toml`` says, else an id that the workspace keeps, and ``make``s at
    the first write.
    """
    with suppress(UnknownNameError):
        if stated := read_source(workspace, source).owner:
            return stated
    path = workspace.data / "owners" / check_name("Source", source)
    if make and not path.is_file():
        # The folder's name is for who reads the id; the rest makes it this workspace's alone.
        with replaced_file(path) as fresh:
            fresh.write_text(f"{re.sub(r'[^A-Za-z0-9_-]+', '-', workspace.root.name)}-{uuid4().hex[:12]}")
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


class OwnedStore(MlflowStore):
    """An MLflow store whose models say who owns their source; a workspace's own store needs no such mark."""

    def check_loggable(self, name: str) -> None:
        """Ask before anything is fitted whether a training can be logged; its experiment is created where there is
        none.

        Raises
        ------
        RegistryError : the experiment was deleted, is another owner's, or may not be written to.
        """
        with self.client() as client:
            # A write, for only a write shows whether one is allowed.
            client.set_experiment_tag(self._experiment(client, name), "tenure.source", source_of(name))

    def _experiment(self, client: MlflowClient, name: str) -> str:
        """Return the id of a model's experiment, created where there is none."""
        found = client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            raise RegistryError(
                f"{name}: experiment {found.experiment_id} was deleted in MLflow. Expected one that takes trainings; restore it with "
                f"'MLFLOW_TRACKING_URI={self.place} mlflow experiments restore --experiment-id {found.experiment_id}'."
            )
        if found is None:
            self.check_owner(client, name)  # of a model there may be already
        own = f"{self.artifacts.as_uri()}/{name}" if self.is_own else None
        experiment = str(found.experiment_id if found else client.create_experiment(name, artifact_location=own))
        self.claim(client, name)
        return experiment

    def _ensure_model(self, client: MlflowClient, name: str) -> None:
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name, description="Registered by Tenure; 'champion' is the version in use.")
        self.claim(client, name)

    def claim(self, client: MlflowClient, name: str) -> None:
        """Mark a model and its experiment as this source's, before they are written to.

        Raises
        ------
        RegistryError : they are another's.
        """
        if self.is_own:
            return
        self.check_owner(client, name)
        own = owner_of(self.workspace, source_of(name), make=True)
        experiment, model = self._holders(client, name)
        if experiment is not None and OWNER_TAG not in experiment.tags:
            client.set_experiment_tag(experiment.experiment_id, OWNER_TAG, own)
        if model is not None and OWNER_TAG not in model.tags:
            client.set_registered_model_tag(name, OWNER_TAG, own)

    def check_owner(self, client: MlflowClient, name: str) -> None:
        """Refuse what belongs to a source of the same name elsewhere. What nobody has marked yet is anyone's.

        Raises
        ------
        RegistryError : in one message that says whose it is.
        """
        if other := self.other_owner(client, name):
            raise RegistryError(
                f"{name}: {self.place} holds it for the source {source_of(name)} of another owner, '{other}'. Expected a name of its own for each "
                f"company's source: rename this one's folder in data/raw; or, where both are one company's, write owner = \"{other}\" into its source.toml."
            )

    def other_owner(self, client: MlflowClient, name: str) -> str:
        """Return who else owns a model or its experiment, or nothing."""
        if self.is_own:
            return ""
        own = owner_of(self.workspace, source_of(name), make=False)
        marks = [holder.tags.get(OWNER_TAG, "") for holder in self._holders(client, name) if holder is not None]
        return next((mark for mark in marks if mark and mark != own), "")

    @staticmethod
    def _holders(client: MlflowClient, name: str) -> tuple[Experiment | None, RegisteredModel | None]:
        found = client.search_registered_models(f"name = '{name}'")
        return client.get_experiment_by_name(name), found[0] if found else None

    def _own(self, client: MlflowClient, names: Collection[str]) -> list[str]:
        """Leave out the models of other owners."""
        return [name for name in names if not self.other_owner(client, name)]
