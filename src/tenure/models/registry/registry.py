"""The model registry: versions, who of them is champion, and what the MLflow store keeps of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, redirect_stderr, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.errors import RegistryError, StoredFormatError, UnknownNameError
from tenure.models.model import PropensityModel
from tenure.models.registry.contents import StoredText, read_model, revise_files, stored_texts
from tenure.models.registry.history import (
    FORMER_TAG,
    PROMOTED,
    ROLLED_BACK,
    Change,
    changes_of,
    note_change,
)
from tenure.models.registry.log import log_training, version_tags
from tenure.models.registry.mlflow_store import every
from tenure.models.registry.owner import OwnedStore, source_of
from tenure.models.verdict import Verdict
from tenure.models.version import FINGERPRINT_TAG, Version

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

    from tenure.models.training_result import TrainingResult

CHAMPION, CHALLENGER = "champion", "challenger"
# How MLflow answers who asks for a model, a version or an alias that is not there.
UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def model_name(source: str, target: str) -> str:
    return f"{source}-{target}"


class Registry(OwnedStore):
    """The registered models of a workspace's MLflow store."""

    def check(self) -> None:
        """Connect once, creating a local store where there is none.

        Raises
        ------
        RegistryError : the store cannot be reached.
        """
        with self.client() as client:
            client.search_experiments(max_results=1)

    def log_training(
        self,
        result: TrainingResult,
        verdict: Verdict,
        *,
        name: str,
        figures: Mapping[str, Path],
        catalogue: Sequence[Mapping[str, Any]],
        tags: Mapping[str, str],
    ) -> Version:
        """Log a training as a run and register its model; a version of the same content is returned, and judged anew
        where it passes now.

        ``figures`` are files; ``catalogue`` is the data dictionary of the features used.
        """
        import mlflow

        fingerprint = result.model.fingerprint
        with self.client() as client:
            experiment = self._experiment(client, name)
            if existing := self._same_content(name, fingerprint):
                # Judged anew, it may pass what it once did not: the champion of then may be gone. To be champion
                # already proves nothing.
                if verdict.is_promotable and verdict.standing.code != "same_model":
                    for key, value in version_tags(result, verdict, tags).items():
                        client.set_model_version_tag(name, existing.version, key, value)
                return existing
            model_uri = log_training(
                result, verdict, experiment=experiment, name=name, figures=figures, catalogue=catalogue, tags=tags
            )
            self._ensure_model(client, name)
            # MLflow tells of it on standard error, which a notebook would show as if something were wrong.
            with redirect_stderr(StringIO()):
                # With all its tags at once: a version is never seen without its verdict.
                created = mlflow.register_model(
                    model_uri, name, tags={FINGERPRINT_TAG: fingerprint, **version_tags(result, verdict, tags)}
                )
            client.set_registered_model_alias(name, CHALLENGER, created.version)
        return self.find(name, str(created.version))

    def _same_content(self, name: str, fingerprint: str) -> Version | None:
        """Find a version of the same content whose files are whole: training again mends a damaged one."""
        for found in self._listed(name, f" and tags.`{FINGERPRINT_TAG}` = '{fingerprint}'"):
            with suppress(RegistryError):
                self.load(name, found.version)
                return found
        return None

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
        return sorted(name for name in names if not source or name.rpartition("-")[0] == source)

    def load(self, name: str, version: str) -> PropensityModel:
        """Read the model of one version: the one that was judged, or none.

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
                return read_model(where, found.fingerprint, self.workspace.raw)
            except StoredFormatError as error:
                raise RegistryError(f"{name} version {version}: {error} {to_do}") from None

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

    def end_interrupted(self, source: str) -> int:
        """Close the runs of a source that a killed process left open; return how many. Only for who holds its lock."""
        with self.client() as client:
            experiments = every(partial(client.search_experiments, filter_string=f"name LIKE '{source}-%'"))
            own = [each.experiment_id for each in experiments if not self.other_owner(client, each.name)]
            running = "attributes.status = 'RUNNING'"
            left = [
                run
                for experiment in own
                for run in every(partial(client.search_runs, [experiment], filter_string=running))
                if run.data.tags.get("source") == source
            ]
            for run in left:
                client.set_terminated(run.info.run_id, status="KILLED")
        return len(left)

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

    def attach(self, run_id: str, path: Path, folder: str = "notebooks") -> None:
        """Attach a file to a finished run: the executed notebook exists only after its kernel ended."""
        with self.client() as client:
            experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
            self.claim(client, experiment.name)
            client.log_artifact(run_id, str(path), folder)
