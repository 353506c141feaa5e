"""The model registry: versions, who of them is champion, and what the MLflow store keeps of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, redirect_stderr
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.errors import RegistryError, UnknownNameError
from tenure.models.champion_history import (
    FORMER_TAG,
    PROMOTED,
    ROLLED_BACK,
    Change,
    changes_of,
    note_change,
)
from tenure.models.mlflow_store import MlflowStore, every
from tenure.models.model import PropensityModel
from tenure.models.store_contents import StoredText, revise_files, stored_texts
from tenure.models.study_log import log_training, version_tags
from tenure.models.verdict import Verdict
from tenure.models.version import FINGERPRINT_TAG, Version

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

    from tenure.models.study import Study

CHAMPION, CHALLENGER = "champion", "challenger"
# How MLflow answers who asks for a model, a version or an alias that is not there.
UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str
    fingerprint: str
    was_reused: bool = False


def model_name(source: str, target: str) -> str:
    return f"{source}-{target}"


def source_of(name: str) -> str:
    """Return the source of a registered model: no target's name holds a hyphen, but a source's may."""
    return name.removesuffix("-backfill").rpartition("-")[0]


class Registry(MlflowStore):
    """The registered models of a workspace's MLflow store."""

    def check(self) -> None:
        """Connect once, creating a local store where there is none.

        Raises
        ------
        RegistryError : the store cannot be reached.
        """
        with self.client() as client:
            client.search_experiments(max_results=1)

    def log_study(
        self,
        study: Study,
        verdict: Verdict,
        *,
        name: str,
        figures: Mapping[str, Path],
        catalogue: Sequence[Mapping[str, Any]],
        tags: Mapping[str, str],
    ) -> RegisteredVersion:
        """Log a training as a run and register its model; a version of the same content is reused.

        ``figures`` are files; ``catalogue`` is the data dictionary of the features used.
        """
        import mlflow

        fingerprint = study.model.fingerprint
        if existing := self._same_content(name, fingerprint):
            return existing
        with self.client() as client:
            experiment = self._experiment(client, name)
            run_id, model_uri = log_training(
                study, verdict, experiment=experiment, name=name, figures=figures, catalogue=catalogue, tags=tags
            )
            self._ensure_model(client, name)
            # MLflow tells of it on standard error, which a notebook would show as if something were wrong.
            with redirect_stderr(StringIO()):
                # With all its tags at once: a version is never seen without its verdict.
                created = mlflow.register_model(
                    model_uri, name, tags={FINGERPRINT_TAG: fingerprint, **version_tags(study, verdict, tags)}
                )
            client.set_registered_model_alias(name, CHALLENGER, created.version)
        return RegisteredVersion(name, str(created.version), run_id, fingerprint)

    def check_loggable(self, name: str) -> None:
        """Ask before anything is fitted whether a training can be logged; its experiment is created where there is none.

        Raises
        ------
        RegistryError : the experiment was deleted, or may not be written to.
        """
        with self.client() as client:
            self._experiment(client, name)

    def _experiment(self, client: MlflowClient, name: str) -> str:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            return str(
                client.create_experiment(
                    name, artifact_location=f"{self.artifacts.as_uri()}/{name}" if self.is_own else None
                )
            )
        if experiment.lifecycle_stage == "deleted":
            raise RegistryError(
                f"{name}: experiment {experiment.experiment_id} was deleted in MLflow. Expected one that takes trainings; restore it with "
                f"'MLFLOW_TRACKING_URI={self.place} mlflow experiments restore --experiment-id {experiment.experiment_id}'."
            )
        return str(experiment.experiment_id)

    @staticmethod
    def _ensure_model(client: MlflowClient, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(name, description="Registered by Tenure; 'champion' is the version in use.")
        except MlflowException as error:
            if "RESOURCE_ALREADY_EXISTS" not in str(error.error_code):
                raise

    def _same_content(self, name: str, fingerprint: str) -> RegisteredVersion | None:
        for found in self.versions(name):
            if found.fingerprint == fingerprint:
                return RegisteredVersion(name, found.version, found.run_id, fingerprint, was_reused=True)
        return None

    def versions(self, name: str) -> list[Version]:
        """List a model's versions, newest first; none where there is no such model."""
        asked = f"name = '{name}'"
        with self.client() as client:
            models = client.search_registered_models(asked)
            listed = every(partial(client.search_model_versions, asked)) if models else ()
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
        """Load one version through MLflow.

        Raises
        ------
        UnknownNameError : no such version.
        """
        import mlflow

        self.find(name, version)
        with self.client():
            loaded = mlflow.pyfunc.load_model(f"models:/{name}/{version}")
        model: PropensityModel = loaded._model_impl.model
        return model

    def promote(self, name: str, version: str, *, why: str = "passed every gate") -> str | None:
        """Point ``champion`` to a version; return the former one. Who, when and why are kept, and the former for ``rollback``.

        Raises
        ------
        UnknownNameError : no such version.
        """
        found = self.find(name, version)
        former = self.champion(name)
        if former == version and found.was_promoted:
            return former
        # The mark comes last: a version that has it was promoted wholly, whenever the process was killed.
        with self.client() as client:
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
        with self.client() as client:
            if version and version != current:
                client.set_registered_model_alias(name, CHAMPION, version)
            elif current and not version:
                client.delete_registered_model_alias(name, CHAMPION)

    def end_interrupted(self, source: str) -> int:
        """Close the runs of a source that a killed process left open; return how many. Only for who holds its lock."""
        with self.client() as client:
            experiments = [e for e in client.search_experiments() if e.name.startswith(f"{source}-")]
            running = "attributes.status = 'RUNNING'"
            left = [
                run
                for experiment in experiments
                for run in client.search_runs([experiment.experiment_id], filter_string=running)
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
        former = current.tags.get(FORMER_TAG) if current else None
        if not current or not former:
            raise RegistryError(
                f"{name}: {f'no champion before version {current.version}' if current else 'no champion'}. Expected one to go back to."
            )
        self.find(name, former)
        with self.client() as client:
            client.set_registered_model_alias(name, CHAMPION, former)
            note_change(client, name, current.version, ROLLED_BACK, why)
        return current.version, former

    def revise_files(self, names: Collection[str], revise: Callable[[Path], bool]) -> int:
        """Show a copy of each file of some models' runs and versions; what ``revise`` changed is stored again. Returns how many there were."""
        with self.client() as client:
            return revise_files(client, names, revise)

    def texts(self, names: Collection[str]) -> list[StoredText]:
        """List what the store's tables say of some models in words: tags, descriptions, parameters, data sets."""
        with self.client() as client:
            return [*stored_texts(client, names)]

    def revise_texts(self, names: Collection[str], revise: Callable[[str], str]) -> int:
        """Put ``revise`` of each text in its place, where the store lets it; return how many changed.

        A local store is then written anew: SQLite leaves what was there in the pages it frees.
        """
        changed = 0
        with self.client() as client:
            for stored in stored_texts(client, names):
                if stored.put and (text := revise(stored.text)) != stored.text:
                    stored.put(text)
                    changed += 1
            if changed and self.uri.startswith("sqlite:///"):
                with closing(sqlite3.connect(self.uri.removeprefix("sqlite:///"))) as database:
                    database.execute("VACUUM")
        return changed

    def attach(self, run_id: str, path: Path, folder: str = "notebooks") -> None:
        """Attach a file to a finished run: the executed notebook exists only after its kernel ended."""
        with self.client() as client:
            client.log_artifact(run_id, str(path), folder)
