"""The model registry: trainings are logged and registered; what stands there is read, promoted and searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenure.core.errors import RegistryError
from tenure.models.registry.champions import Champions
from tenure.models.registry.log import log_effect, log_training, verdict_tags, version_tags
from tenure.models.registry.mlflow_store import every
from tenure.models.registry.owner import EFFECT_ENDING
from tenure.models.registry.search import Search
from tenure.models.verdict import Gate, Verdict
from tenure.models.version import FINGERPRINT_TAG, FROM_RUN, Version

if TYPE_CHECKING:
    from tenure.models.model import PropensityModel
    from tenure.models.training_result import TrainingResult

CHALLENGER = "challenger"


def model_name(source: str, target: str) -> str:
    return f"{source}-{target}"


def effect_name(source: str, action: str) -> str:
    return f"{source}-{action}{EFFECT_ENDING}"


class Registry(Champions, Search):
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
        own = version_tags(result, verdict, tags)
        log = partial(log_training, result, verdict, name=name, figures=figures, catalogue=catalogue, tags=tags)
        # Judged anew, it may pass what it once did not: the champion of then may be gone. To be champion already proves nothing.
        is_news = verdict.is_promotable and verdict.standing.code != "same_model"
        return self._register(name, result.model, log, own, is_news=is_news)

    def log_effect(
        self,
        model: PropensityModel,
        gates: Sequence[Gate],
        *,
        name: str,
        figures: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> Version:
        """Log a model of an action's effect as a run and register it; a version of the same content is judged anew.

        ``figures``: by name, as the run's metrics.
        """
        own = {f"tenure.{key}": tags[key] for key in FROM_RUN if key in tags} | verdict_tags(gates)
        own |= {"tenure.slope": f"{figures['slope']:.2f} ({figures['slope_low']:.2f} to {figures['slope_high']:.2f})"}
        log = partial(log_effect, model, gates, name=name, figures=figures, tags=tags)
        return self._register(name, model, log, own, is_news=True)

    def _register(
        self, name: str, model: PropensityModel, log: Callable[..., str], tags: Mapping[str, str], *, is_news: bool
    ) -> Version:
        import mlflow

        with self.client() as client:
            experiment = self._experiment(client, name)
            if existing := self._same_content(name, model):
                for key, value in tags.items() if is_news else ():
                    client.set_model_version_tag(name, existing.version, key, value)
                return existing
            model_uri = log(experiment=experiment)
            self._ensure_model(client, name)
            # MLflow tells of it on standard error, which a notebook would show as if something were wrong.
            with redirect_stderr(StringIO()):
                # With all its tags at once: a version is never seen without its verdict.
                created = mlflow.register_model(model_uri, name, tags={FINGERPRINT_TAG: model.fingerprint, **tags})
            client.set_registered_model_alias(name, CHALLENGER, created.version)
        return self.find(name, str(created.version))

    def _same_content(self, name: str, model: PropensityModel) -> Version | None:
        """Find a version of the same content whose files are whole: training again mends a damaged one."""
        for found in self._listed(name, f" and tags.`{FINGERPRINT_TAG}` = '{model.fingerprint}'"):
            with suppress(RegistryError):
                self.load_as(name, found.version, type(model))
                return found
        return None

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

    def attach(self, run_id: str, path: Path, folder: str = "notebooks") -> None:
        """Attach a file to a finished run: the executed notebook exists only after its kernel ended."""
        with self.client() as client:
            experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
            self.claim(client, experiment.name)
            client.log_artifact(run_id, str(path), folder)
