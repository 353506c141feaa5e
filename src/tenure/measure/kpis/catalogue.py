"""All KPIs: one per file that holds a ``KPI``, of this folder, of a source's, or of an installed package."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from tenure.core.plugins import with_plugins
from tenure.measure.kpis.kpi import Kpi
from tenure.sources.source import Source


def all_kpis(source: Source | None = None) -> dict[str, Kpi]:
    """Return the built-in KPIs, those of installed packages, and those a source's folder brings, by name.

    Raises
    ------
    DefinitionError : what is brought is no KPI, cannot be loaded, or has a name that is taken.
    """
    return with_plugins(_built_in(), "kpis", Kpi, source.folder if source else None)


@cache
def _built_in() -> dict[str, Kpi]:
    package = __name__.rsplit(".", maxsplit=1)[0]
    modules = sorted(module.name for module in iter_modules(import_module(package).__path__))
    found = (getattr(import_module(f"{package}.{name}"), "KPI", None) for name in modules)
    return {kpi.name: kpi for kpi in found if isinstance(kpi, Kpi)}
