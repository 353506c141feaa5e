"""Gathers every module of this package that holds a ``FACET``: a new facet is a new file."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pkgutil import iter_modules

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.customers.facet import Facet
from tenure.sources.source import Source


@cache
def all_facets() -> dict[str, Facet]:
    """Give every facet by name, each after those it builds on.

    Raises
    ------
    KeyError, CycleError : a facet comes after one that nobody defined, or after itself (a defect; a test asks for it).
    """
    import tenure.customers as package

    modules = [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
    facets = {module.FACET.name: module.FACET for module in modules if hasattr(module, "FACET")}
    order = TopologicalSorter({name: sorted(facet.after) for name, facet in sorted(facets.items())}).static_order()
    return {name: facets[name] for name in order}


def lacking_tables(facet: Facet, tables: Collection[str]) -> tuple[str, ...]:
    """Name the staged tables that a facet needs and the source lacks."""
    return tuple(table for table in facet.tables if table not in tables)


def check_facet_settings(source: Source) -> None:
    """Check every ``[facets.<name>]`` of a source, before anything is computed.

    Raises
    ------
    DefinitionError : no such facet, no such setting, or a value of another kind.
    """
    facets = all_facets()
    for name in source.facets:
        if name not in facets:
            raise DefinitionError(f"{source.where} [facets.{name}]: {UnknownNameError('Facet', name, facets)}")
        facets[name].settings_of(source)
