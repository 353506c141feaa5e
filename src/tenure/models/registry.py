"""The MLflow store: runs, versions, aliases. Of what it keeps, ``store_contents`` asks it; ``local_store`` makes the place for it."""

from __future__ import annotations

import getpass
import json
import os
import sqlite3
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tenure.errors import RegistryError, UnknownNameError
from tenure.models.local_store import create_local_store
from tenure.models.model import PropensityModel
from tenure.models.pyfunc import synthetic_example
from tenure.models.store_contents import StoredText, revise_files, stored_texts
from tenure.models.verdict import Verdict
from tenure.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from tenure.models.study import Study

CHAMPION, CHALLENGER = "champion", "challenger"
FINGERPRINT_TAG = "tenure.fingerprint"
FORMER_TAG, PROMOTED_TAG, ROLLED_BACK_TAG = "tenure.former_champion", "tenure.promoted", "tenure.rolled_back"
PROMOTED, ROLLED_BACK = "promoted", "rolled back"
# Every promotion and rollback of a version, oldest first; the other tags hold the last of each.
HISTORY_TAG = "tenure.history"
TAG_LIMIT, LONGEST_REASON = 5_000, 400


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a registered model."""

    name: str
    version: str
    run_id: str
    fingerprint: str
    was_reused: bool = False


@dataclass(frozen=True)
class Change:
    """A version was ``promoted`` or ``rolled back``: when (UTC, ISO), by whom and why."""

    version: str
    what: str
    when: str
    who: str
    why: str


def model_name(source: str, target: str) -> str:
    return f"{source}-{target}"


def tracking_uri(workspace: Workspace) -> str:
    """Return the store's one absolute address: ``MLFLOW_TRACKING_URI``, else SQLite under the workspace."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace.mlruns.resolve() / 'mlflow.db'}"


class Registry:
    """The MLflow store of a workspace. Creating one connects, and initialises a fresh local store once."""

    def __init__(self, workspace: Workspace) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        # A server that does not answer is to be said within seconds, not after minutes of retries.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        self.uri = tracking_uri(workspace)
        self._artifacts = workspace.mlruns.resolve() / "artifacts"
        self._database = Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None

    @property
    def place(self) -> str:
        """The store's address as it may be told."""
        return _without_password(self.uri)

    @contextmanager
    def _client(self) -> Iterator[MlflowClient]:
        import logging

        for noisy in ("alembic", "mlflow", "mlflow.store.db.utils"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)  # what fails is told once, by us
        with warnings.catch_warnings():
            # On import MLflow asks notebooks for a progress-bar widget that nothing here uses.
            warnings.simplefilter("ignore")
            import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        # Setting the address writes it into the environment, which kernels inherit: put back what was there.
        before = os.environ.get("MLFLOW_TRACKING_URI")
        try:
            if self._database and not self._database.exists():
                create_local_store(self._database, self._artifacts)
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            yield mlflow.tracking.MlflowClient(self.uri, self.uri)
        except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise RegistryError(
                f"MLflow store {self.place}: {_what_went_wrong(error)} The champion is as it was."
            ) from error
        finally:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
            if before is not None:
                os.environ["MLFLOW_TRACKING_URI"] = before

    def check(self) -> None:
        """Connect once, creating a local store where there is none.

        Raises
        ------
        RegistryError : the store cannot be reached.
        """
        with self._client() as client:
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

        model = study.model
        if existing := self._same_content(name, model.fingerprint):
            return existing
        with self._client() as client:
            experiment = self._experiment(client, name)
            with mlflow.start_run(
                experiment_id=experiment, run_name=f"{name} {study.plan.test}", tags=dict(tags)
            ) as run:
                mlflow.log_params(_parameters(study))
                mlflow.log_metrics({f"test_{key}": value for key, value in study.evaluation.metrics.items()})
                mlflow.log_metrics(
                    {
                        "trees": study.trained.trees,
                        "fitting_rows": study.fitting_rows,
                        "fitting_positives": study.fitting_positives,
                    }
                )
                self._log_dataset(study)
                mlflow.log_dict({"features": list(catalogue)}, "features.json")
                mlflow.log_dict({"gates": [asdict(gate) for gate in verdict.gates]}, "verdict.json")
                for path in figures.values():
                    mlflow.log_artifact(str(path), "figures")
                model_uri = self._log_model(model)
                run_id = run.info.run_id
            self._ensure_model(client, name)
            # MLflow tells of it on standard error, which a notebook would show as if something were wrong.
            with redirect_stderr(StringIO()):
                # With all its tags at once: a version is never seen without its verdict.
                created = mlflow.register_model(
                    model_uri, name, tags={FINGERPRINT_TAG: model.fingerprint, **_version_tags(study, verdict)}
                )
            client.set_registered_model_alias(name, CHALLENGER, created.version)
        return RegisteredVersion(name, str(created.version), run_id, model.fingerprint)

    def _log_model(self, model: PropensityModel) -> str:
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

        inputs = Schema(
            [ColSpec("string" if c.is_text else "double", c.name, required=False) for c in model.encoding.columns]
        )
        # Reasons come only when asked for, so they are optional outputs.
        outputs = Schema(
            [
                ColSpec("double", "propensity"),
                *(ColSpec("string", f"reason_{rank}", required=False) for rank in (1, 2, 3)),
            ]
        )
        signature = ModelSignature(inputs, outputs, ParamSchema([ParamSpec("explain", "boolean", False)]))
        with TemporaryDirectory() as scratch:
            data = Path(scratch) / "model"
            model.save(data)
            logged = mlflow.pyfunc.log_model(
                name="model", loader_module="tenure.models.pyfunc", data_path=str(data), signature=signature,
                input_example=synthetic_example(model), pip_requirements=[f"tenure=={package_version('tenure')}"],
            )  # fmt: skip
        return str(logged.model_uri)

    @staticmethod
    def _log_dataset(study: Study) -> None:
        import mlflow
        from mlflow.data.pandas_dataset import from_pandas

        about = study.model.about
        # No row goes to the store: the dataset is its name, its digest and its columns.
        columns = study.test[study.model.feature_names].head(0)
        name = f"{about['source']}-{about['target']}-{study.plan.test}"
        dataset = from_pandas(columns, name=name, digest=about["data"][:32])
        mlflow.log_input(dataset, context="training")

    def _experiment(self, client: MlflowClient, name: str) -> str:
        experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        local = None if os.environ.get("MLFLOW_TRACKING_URI") else f"file://{self._artifacts / name}"
        return str(client.create_experiment(name, artifact_location=local))

    @staticmethod
    def _ensure_model(client: MlflowClient, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(name, description="Registered by Tenure; 'champion' is the version in use.")
        except MlflowException as error:
            if "RESOURCE_ALREADY_EXISTS" not in str(error.error_code):
                raise

    def _same_content(self, name: str, fingerprint: str) -> RegisteredVersion | None:
        for version in self.versions(name):
            if version["tags"].get(FINGERPRINT_TAG) == fingerprint:
                return RegisteredVersion(name, version["version"], version["run_id"], fingerprint, was_reused=True)
        return None

    def versions(self, name: str) -> list[dict[str, Any]]:
        """List a model's versions, newest first: version, run_id, tags, aliases, created (UTC milliseconds)."""
        with self._client() as client:
            aliases: dict[str, list[str]] = {}
            found = client.search_registered_models(f"name = '{name}'")
            for alias, version in (found[0].aliases if found else {}).items():
                aliases.setdefault(str(version), []).append(alias)
            listed = client.search_model_versions(f"name = '{name}'") if found else []
            rows = [
                {
                    "version": str(v.version),
                    "run_id": v.run_id,
                    "tags": dict(v.tags),
                    "aliases": aliases.get(str(v.version), []),
                    "created": v.creation_timestamp,
                }
                for v in listed
            ]
        return sorted(rows, key=lambda row: -int(row["version"]))

    def model_names(self) -> list[str]:
        with self._client() as client:
            return sorted(model.name for model in client.search_registered_models())

    def champion(self, name: str) -> str | None:
        """Return the version the alias ``champion`` points to, or None."""
        return next((row["version"] for row in self.versions(name) if CHAMPION in row["aliases"]), None)

    def load(self, name: str, version: str) -> PropensityModel:
        """Load one version through MLflow.

        Raises
        ------
        UnknownNameError : no such version.
        """
        import mlflow

        known = [row["version"] for row in self.versions(name)]
        if version not in known:
            raise UnknownNameError(
                f"Version of {name}", version, known, hint=f"Train it with 'tenure run {name.rpartition('-')[0]}'."
            )
        with self._client():
            loaded = mlflow.pyfunc.load_model(f"models:/{name}/{version}")
        model: PropensityModel = loaded._model_impl.model
        return model

    def promote(self, name: str, version: str, *, why: str = "passed every gate") -> str | None:
        """Point ``champion`` to a version; return the former one. Who, when and why are kept, and the former for ``rollback``.

        Raises
        ------
        UnknownNameError : no such version.
        """
        known = [row["version"] for row in self.versions(name)]
        if version not in known:
            raise UnknownNameError(f"Version of {name}", version, known)
        former = self.champion(name)
        if former == version and self.was_promoted(name, version):
            return former
        # The mark comes last: a version that has it was promoted wholly, whenever the process was killed.
        with self._client() as client:
            if former and former != version:
                client.set_model_version_tag(name, version, FORMER_TAG, former)
            client.set_registered_model_alias(name, CHAMPION, version)
            self._note(client, name, version, PROMOTED, PROMOTED_TAG, why)
        return former

    def was_promoted(self, name: str, version: str) -> bool:
        """Say whether a version was ever made champion, wholly."""
        return any(row["version"] == version and PROMOTED_TAG in row["tags"] for row in self.versions(name))

    def point_champion(self, name: str, version: str | None) -> None:
        """Let ``champion`` be a version, or nobody, without a mark: how a backfill stands on the day before."""
        current = self.champion(name)
        with self._client() as client:
            if version and version != current:
                client.set_registered_model_alias(name, CHAMPION, version)
            elif current and not version:
                client.delete_registered_model_alias(name, CHAMPION)

    def end_interrupted(self, source: str) -> int:
        """Close the runs of a source that a killed process left open; return how many. Only for who holds its lock."""
        with self._client() as client:
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

    @staticmethod
    def _note(client: MlflowClient, name: str, version: str, what: str, tag: str, why: str) -> None:
        """Keep who changed the champion, when and why: in the version's history, and last as its latest mark."""
        mark = _mark(why)
        history = [*_history(client.get_model_version(name, version).tags), {"what": what} | mark]
        while len(text := json.dumps(history)) > TAG_LIMIT:
            history = history[1:]
        client.set_model_version_tag(name, version, HISTORY_TAG, text)
        client.set_model_version_tag(name, version, tag, json.dumps(mark))

    def changes(self, name: str) -> list[Change]:
        """List the promotions and rollbacks of a model's versions, oldest first."""
        found = [Change(row["version"], **mark) for row in self.versions(name) for mark in _history(row["tags"])]
        return sorted(found, key=lambda change: change.when)

    def overridden_gates(self, name: str, version: str) -> list[str]:
        """List the gates a version did not pass when it was judged: what promoting it by hand overrides."""
        row = next((r for r in self.versions(name) if r["version"] == version), None)
        gates = json.loads(row["tags"].get("tenure.gates", "[]")) if row else []
        return [f"{gate['name']}: {gate['found']}" for gate in gates if not gate["passed"]]

    def rollback(self, name: str, *, why: str = "rolled back by hand") -> tuple[str, str]:
        """Give ``champion`` back to the version before; return (from, to). Who, when and why are kept.

        Raises
        ------
        RegistryError : there is no champion, or none before it.
        """
        current = self.champion(name)
        row = next((r for r in self.versions(name) if r["version"] == current), None)
        former = row["tags"].get(FORMER_TAG) if row else None
        if not current or not former:
            raise RegistryError(
                f"{name}: {'no champion' if not current else f'no champion before version {current}'}. Expected one to go back to."
            )
        with self._client() as client:
            client.set_registered_model_alias(name, CHAMPION, former)
            self._note(client, name, current, ROLLED_BACK, ROLLED_BACK_TAG, why)
        return current, former

    def revise_files(self, names: Collection[str], revise: Callable[[Path], bool]) -> int:
        """Show a copy of each file of some models' runs and versions; what ``revise`` changed is stored again. Returns how many there were."""
        with self._client() as client:
            return revise_files(client, names, revise)

    def texts(self, names: Collection[str]) -> list[StoredText]:
        """List what the store's tables say of some models in words: tags, descriptions, parameters, data sets."""
        with self._client() as client:
            return [*stored_texts(client, names)]

    def revise_texts(self, names: Collection[str], revise: Callable[[str], str]) -> int:
        """Put ``revise`` of each text in its place, where the store lets it; return how many changed.

        A local store is then written anew: SQLite leaves what was there in the pages it frees.
        """
        changed = 0
        with self._client() as client:
            for stored in stored_texts(client, names):
                if stored.put and (text := revise(stored.text)) != stored.text:
                    stored.put(text)
                    changed += 1
            if changed and self._database:
                with closing(sqlite3.connect(self._database)) as database:
                    database.execute("VACUUM")
        return changed

    def attach(self, run_id: str, path: Path, folder: str = "notebooks") -> None:
        """Attach a file to a finished run: the executed notebook exists only after its kernel ended."""
        with self._client() as client:
            client.log_artifact(run_id, str(path), folder)


def _parameters(study: Study) -> dict[str, Any]:
    about = study.model.about
    kept = {
        key: about[key]
        for key in ("source", "target", "horizon_days", "lead_days", "label_lag_days", "test_cutoff", "fitted_through")
    }
    settings = study.trained.settings.as_parameters()
    return {
        **kept,
        **settings,
        "fitting_cutoffs": len(about["fitting_cutoffs"]),
        "features": len(study.model.feature_names),
    }


def _version_tags(study: Study, verdict: Verdict) -> dict[str, str]:
    metrics = {key: f"{study.evaluation.metrics[key]:.4f}" for key in ("auc", "auc_low", "auc_high", "auc_rule")}
    return {
        **{f"tenure.test_{key}": value for key, value in metrics.items()},
        "tenure.test_cutoff": str(study.plan.test),
        "tenure.fitted_through": study.model.about["fitted_through"],
        "tenure.verdict": "promotable" if verdict.is_promotable else "blocked",
        "tenure.verdict_reason": verdict.reason[:4000],
        # A tag holds 5,000 characters: what was found is shortened, so that the JSON stays whole.
        "tenure.gates": json.dumps([asdict(gate) | {"found": gate.found[:400]} for gate in verdict.gates]),
    }


def _history(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Read a version's promotions and rollbacks; of a version marked before there was a history, the last of each."""
    if HISTORY_TAG in tags:
        return list(json.loads(tags[HISTORY_TAG]))
    last = ((PROMOTED, PROMOTED_TAG), (ROLLED_BACK, ROLLED_BACK_TAG))
    return [{"what": what} | json.loads(tags[tag]) for what, tag in last if tag in tags]


def _mark(why: str) -> dict[str, str]:
    """Say who did something, when (UTC) and why."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):
        who = "unknown"
    return {"who": who, "when": datetime.now(UTC).isoformat(timespec="seconds"), "why": why[:LONGEST_REASON]}


# How MLflow's client words a server that knows nobody of that name and password, and one that knows them too well.
UNAUTHENTICATED, FORBIDDEN = "error code 401", "error code 403"
LOCKED = "database is locked"


def _what_went_wrong(error: BaseException) -> str:
    """Say what the store answered, what was expected, and what to check."""
    if UNAUTHENTICATED in str(error):
        return "it does not know this user and password. Expected those of the server; check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
    if FORBIDDEN in str(error):
        return "this user may not do that. Expected the permission EDIT on the experiment and the registered model; ask the server's administrator."
    if LOCKED in str(error):
        return "the database is locked. Expected to be able to write; close whatever holds it, such as the MLflow UI, and run again."
    return f"{_first_cause(error)}. Expected a reachable store; check MLFLOW_TRACKING_URI or the folder mlruns."


def _first_cause(error: BaseException) -> str:
    """Say what went wrong at the bottom of a chain of errors, in one line."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _without_password(uri: str) -> str:
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
