"""All estimators there are: Tenure's own, those of installed packages, and those in files of a source's folder."""

from __future__ import annotations

from pathlib import Path

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.plugins import Plugin, plugins
from tenure.models.estimators.boosted_trees import Trees
from tenure.models.estimators.logistic_baseline import Linear
from tenure.models.estimators.protocol import Estimator

TREES, LOGISTIC = Plugin("trees", Trees, "Tenure", ""), Plugin("logistic", Linear, "Tenure", "")
OWN = {plugin.name: plugin for plugin in (TREES, LOGISTIC)}


def find_estimator(name: str, folder: Path | None = None) -> Plugin:
    """Look an estimator up by its name; ``folder`` is the source's, which may hold some in ``estimators``.

    Raises
    ------
    UnknownNameError : nobody brings it. DefinitionError : what is brought is no estimator, or has a name that is taken.
    """
    if name in OWN:
        return OWN[name]
    known = OWN | plugins("estimators", folder, OWN)
    if name not in known:
        raise UnknownNameError("Estimator", name, known)
    found = known[name]
    if not (isinstance(found.value, type) and issubclass(found.value, Estimator)):
        raise DefinitionError(
            f"{found.where} holds {found.value!r}. Expected a class derived from {Estimator.__module__}.Estimator."
        )
    if missing := sorted(found.value.__abstractmethods__):
        raise DefinitionError(
            f"{found.where}: {found.value.__name__} lacks {', '.join(missing)}. Expected an estimator's methods; write them."
        )
    return found
