"""The versions of registered models: which there are, which one is champion, and the model of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tenure.core.errors import RegistryError, StoredFormatError, UnknownNameError
from tenure.models.model import PropensityModel
from tenure.models.registry.contents import read_model
from tenure.models.registry.mlflow_store import every
from tenure.models.registry.owner import OwnedStore, source_of
from tenure.models.version import FINGERPRINT_TAG, Version

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

Model = TypeVar("Model", bound=PropensityModel)
CHAMPION = "champion"
# How MLflow answers who asks for a model, a version or an alias that is not there.
UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Versions(OwnedStore):
    """The versions in a workspace's MLflow store, to be read."""

    def versions(self, name: str) -> list[Version]:
        """List a model's versions, newest first; none where there is no such model."""
        return self._listed(name)

    def _listed(self, name: str, condition: str = "") -> list[Version]:
        asked = f"name = '{name}'"
        with self.client() as client:
            models = client.search_registered_models(asked)
            listed = every(partial(client.search_model_versions, asked + condition)) if models else ()
            found = [Version.of(each, models[0].aliases) for each in listed]
        return sorted(found, key=lambda version: -int(version.version))

    def find(self, name: str, version: str) -> Version:
        """Return one version.

        Raises
        ------
        UnknownNameError : there is none of that number; lists those there are.
        """
        found = self._asked(lambda client: client.get_model_version(name, version))
        if found is None or found.version != version:
            known = [each.version for each in self.versions(name)]
            hint = f"Train it with 'tenure run {source_of(name)}'."
            raise UnknownNameError(f"Version of {name}", version, known, hint=hint)
        return found

    def champion_version(self, name: str) -> Version | None:
        """Return the version the alias ``champion`` points to, whoever moved it there, or None."""
        return self._asked(lambda client: client.get_model_version_by_alias(name, CHAMPION))

    def champion(self, name: str) -> str | None:
        """Return the number of the champion's version, or None."""
        found = self.champion_version(name)
        return found.version if found else None

    def _asked(self, ask: Callable[[MlflowClient], ModelVersion]) -> Version | None:
        """Return the version the store answers with, or None where it knows of none such."""
        from mlflow.exceptions import MlflowException

        with self.client() as client:
            try:
                return Version.of(ask(client))
            except MlflowException as error:
                if error.error_code not in UNKNOWN:
                    raise
        return None

    def model_names(self, source: str = "") -> list[str]:
        """List the registered models, of one source or of all."""
        with self.client() as client:
            names = [model.name for model in every(client.search_registered_models)]
        return sorted(name for name in names if not source or source_of(name) == source)

    def load(self, name: str, version: str) -> PropensityModel:
        """Read the model of one version, as ``load_as``."""
        return self.load_as(name, version, PropensityModel)

    def load_as(self, name: str, version: str, kind: type[Model]) -> Model:
        """Read the model of one version, of a kind: the one that was judged, or none.

        Raises
        ------
        UnknownNameError : no such version. RegistryError : its files are not those of the model that was judged, or it
            is another owner's.
        """
        found = self.find(name, version)
        to_do = f"Go back with 'tenure rollback {name}', choose another with 'tenure promote {name} VERSION', or train again with 'tenure run {source_of(name)}'."
        if not found.fingerprint:
            raise RegistryError(
                f"{name} version {version}: has no tag {FINGERPRINT_TAG}, so Tenure did not register it. Expected a version that was judged. {to_do}"
            )
        with self.client() as client:
            self.check_owner(client, name)
            where = client.get_model_version_download_uri(name, version)
            try:
                return read_model(where, found.fingerprint, self.workspace.raw, kind)
            except StoredFormatError as error:
                raise RegistryError(f"{name} version {version}: {error} {to_do}") from None
