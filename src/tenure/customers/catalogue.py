"""Gathers every module of this package that holds a ``ATTRIBUTE``: a new attribute is a new file."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pkgutil import iter_modules

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.customers.attribute import CustomerAttribute
from tenure.sources.source import Source


@cache
def all_attributes() -> dict[str, CustomerAttribute]:
    """Give every attribute by name, each after those it builds on.

    Raises
    ------
    KeyError, CycleError : a attribute comes after one that nobody defined, or after itself (a defect; a test asks for it).
    """
    import tenure.customers as package

    modules = [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
    attributes = {module.ATTRIBUTE.name: module.ATTRIBUTE for module in modules if hasattr(module, "ATTRIBUTE")}
    order = TopologicalSorter(
        {name: sorted(attribute.after) for name, attribute in sorted(attributes.items())}
    ).static_order()
    return {name: attributes[name] for name in order}


def lacking_tables(attribute: CustomerAttribute, tables: Collection[str]) -> tuple[str, ...]:
    """Name the staged tables that a attribute needs and the source lacks."""
    return tuple(table for table in attribute.tables if table not in tables)


def check_attribute_settings(source: Source) -> None:
    """Check every ``[attributes.<name>]`` of a source, before anything is computed.

    Raises
    ------
    DefinitionError : no such attribute, no such setting, or a value of another kind.
    """
    attributes = all_attributes()
    for name in source.attributes:
        if name not in attributes:
            raise DefinitionError(
                f"{source.where} [attributes.{name}]: {UnknownNameError('Customer attribute', name, attributes)}"
            )
        attributes[name].settings_of(source)
