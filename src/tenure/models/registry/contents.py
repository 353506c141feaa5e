"""What an MLflow store keeps of some models: files and texts, to be searched, and revised where the store lets them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from tenure.core.errors import StoredFormatError, describe_unforeseen
from tenure.core.secrets import without_secrets
from tenure.models.model import BOOSTER, DOCUMENT, PropensityModel, check_size
from tenure.models.registry.mlflow_store import every, is_gone

if TYPE_CHECKING:
    from mlflow.entities import Experiment, LoggedModel, Run
    from mlflow.tracking import MlflowClient


Model = TypeVar("Model", bound=PropensityModel)
# Where MLflow puts a pyfunc's data beside its MLmodel.
MODEL_FOLDER = "data/model"


@dataclass(frozen=True)
class StoredText:
    """A text of the store's tables: where it stands, and how another is put in its place.

    None where the store keeps it for good.
    """

    place: str
    text: str
    put: Callable[[str], object] | None = None


def read_model(where: str, fingerprint: str, raw: Callable[[str], Path], kind: type[Model]) -> Model:
    """Read the model of a folder of artefacts, wherever that is; nothing that the folder names is executed.

    ``raw`` gives the folder of a source, which may hold the estimator.

    Raises
    ------
    StoredFormatError : it is not the whole model of this fingerprint.
    """
    with TemporaryDirectory() as scratch, redirect_stderr(StringIO()):
        _fetch(where, Path(scratch))
        return kind.load(Path(scratch) / MODEL_FOLDER, fingerprint=fingerprint, place=MODEL_FOLDER, raw=raw)


def _fetch(where: str, folder: Path) -> None:
    """Download a model's own files, none of which is too large."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        store = get_artifact_repository(where)
        for file in store.list_artifacts(MODEL_FOLDER):
            if file.path in (f"{MODEL_FOLDER}/{DOCUMENT}", f"{MODEL_FOLDER}/{BOOSTER}"):
                check_size(file.path, file.file_size or 0)
                store.download_artifacts(file.path, str(folder))  # type: ignore[no-untyped-call]  # MLflow's own
    except StoredFormatError:
        raise
    except Exception as error:  # each kind of store has errors of its own, a missing driver's among them
        if isinstance(error, OSError | MlflowException) and not is_gone(error):
            raise
        raise StoredFormatError(
            f"its files are not at {without_secrets(where)} ({describe_unforeseen(error)}). Expected those of the model."
        ) from None


def revise_files(client: MlflowClient, names: Collection[str], revise: Callable[[Path], bool]) -> int:
    """Show a copy of each file of each training run and each logged model; what ``revise`` changed is stored again.

    Returns how many there were.
    """
    shown = 0
    for run in _runs(client, names):
        run_id = run.info.run_id
        if client.list_artifacts(run_id):
            shown += _revise_folder({"run_id": run_id}, partial(client.log_artifact, run_id), revise)
    for model in _logged_models(client, names):
        if client.list_logged_model_artifacts(model.model_id):
            address = {"artifact_uri": model.model_uri}
            shown += _revise_folder(address, partial(client.log_model_artifact, model.model_id), revise)
    return shown


def _revise_folder(
    address: dict[str, str], store: Callable[[str, str | None], object], revise: Callable[[Path], bool]
) -> int:
    from mlflow.artifacts import download_artifacts

    # MLflow tells of its progress on standard error.
    with TemporaryDirectory() as scratch, redirect_stderr(StringIO()):
        folder = Path(download_artifacts(**address, dst_path=scratch))
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in paths:
            beside = path.relative_to(folder).parent.as_posix()
            if revise(path):
                store(str(path), None if beside == "." else beside)
    return len(paths)


def stored_texts(client: MlflowClient, names: Collection[str]) -> Iterator[StoredText]:
    """List the texts of the store's tables: tags, descriptions, parameters, names of runs and of data sets."""
    for experiment in _experiments(client, names):
        yield from _tags(
            f"experiment {experiment.name}",
            experiment.tags,
            partial(client.set_experiment_tag, experiment.experiment_id),
        )
    for run in _runs(client, names):
        yield from _texts_of_run(client, run)
    for model in _logged_models(client, names):
        place = f"logged model {model.model_id}"
        yield from _fixed(place, model.params)
        yield from _tags(place, model.tags, _setter(client, model))
    for name in names:
        yield from _texts_of_registered(client, name)


def _texts_of_run(client: MlflowClient, run: Run) -> Iterator[StoredText]:
    run_id, place = run.info.run_id, f"run {run.info.run_id}"
    yield StoredText(f"{place} name", run.info.run_name or "", partial(client.update_run, run_id, None))
    yield from _fixed(place, run.data.params)
    yield from _tags(place, run.data.tags, partial(client.set_tag, run_id))
    for used in run.inputs.dataset_inputs if run.inputs else ():
        yield from _fixed(f"{place} data set", used.dataset.to_dictionary())


def _texts_of_registered(client: MlflowClient, name: str) -> Iterator[StoredText]:
    for model in client.search_registered_models(f"name = '{name}'"):
        place = f"registered model {name}"
        yield StoredText(f"{place} description", model.description or "", partial(client.update_registered_model, name))
        yield from _tags(place, model.tags, partial(client.set_registered_model_tag, name))
    for version in every(partial(client.search_model_versions, f"name = '{name}'")):
        place, own = f"{name} version {version.version}", (name, str(version.version))
        yield StoredText(f"{place} description", version.description or "", partial(client.update_model_version, *own))
        yield from _tags(place, version.tags, partial(client.set_model_version_tag, *own))


def _setter(client: MlflowClient, model: LoggedModel) -> Callable[[str, str], object]:
    return lambda key, value: client.set_logged_model_tags(model.model_id, {key: value})


def _fixed(place: str, values: dict[str, Any] | None) -> Iterator[StoredText]:
    for key, value in (values or {}).items():
        yield StoredText(f"{place} {key}", str(value))


def _tags(place: str, tags: dict[str, str], put: Callable[[str, str], object]) -> Iterator[StoredText]:
    for key, value in tags.items():
        yield StoredText(f"{place} tag {key}", str(value), partial(put, key))


def _experiments(client: MlflowClient, names: Collection[str]) -> list[Experiment]:
    from mlflow.entities import ViewType

    found = every(partial(client.search_experiments, ViewType.ALL))
    return [experiment for experiment in found if experiment.name in names]


def _runs(client: MlflowClient, names: Collection[str]) -> Iterator[Run]:
    from mlflow.entities import ViewType

    for experiment in _experiments(client, names):
        yield from every(partial(client.search_runs, [experiment.experiment_id], run_view_type=ViewType.ALL))


def _logged_models(client: MlflowClient, names: Collection[str]) -> Iterator[LoggedModel]:
    for experiment in _experiments(client, names):
        yield from every(partial(client.search_logged_models, [experiment.experiment_id]))
