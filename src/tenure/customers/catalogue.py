"""All customer attributes: one per file that holds an ``ATTRIBUTE``, of this folder, of a source's, or of a package."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pkgutil import iter_modules

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.plugins import with_plugins
from tenure.customers.attribute import CustomerAttribute
from tenure.sources.source import Source


def all_attributes(source: Source | None = None) -> dict[str, CustomerAttribute]:
    """Return the built-in attributes, those of installed packages, and those a source's folder brings, by name.

    Each comes after those whose columns it uses.

    Raises
    ------
    DefinitionError : what is brought is no attribute, cannot be loaded, has a name that is taken, or comes after an
        attribute that nobody defines, or after itself.
    """
    found = with_plugins(_built_in(), "attributes", CustomerAttribute, source.folder if source else None)
    for attribute in found.values():
        for needed in (*attribute.after, *attribute.beside):
            if needed not in found:
                unknown = UnknownNameError("Customer attribute", needed, found)
                raise DefinitionError(f"Customer attribute {attribute.name}, after: {unknown}")
    used = {name: sorted({*found[name].after, *found[name].beside}) for name in sorted(found)}
    try:
        return {name: found[name] for name in TopologicalSorter(used).static_order()}
    except CycleError as error:
        circle = ", ".join(error.args[1])
        raise DefinitionError(f"Customer attributes {circle} come after each other. Expected an order.") from None


@cache
def _built_in() -> dict[str, CustomerAttribute]:
    package = __name__.rsplit(".", maxsplit=1)[0]
    modules = [import_module(f"{package}.{found.name}") for found in iter_modules(import_module(package).__path__)]
    return {module.ATTRIBUTE.name: module.ATTRIBUTE for module in modules if hasattr(module, "ATTRIBUTE")}


def lacking_tables(attribute: CustomerAttribute, tables: Collection[str]) -> tuple[str, ...]:
    """Name the staged tables that an attribute needs and the source lacks."""
    return tuple(table for table in attribute.tables if table not in tables)


def check_attribute_settings(source: Source) -> None:
    """Check every ``[attributes.<name>]`` of a source, before anything is computed.

    Raises
    ------
    DefinitionError : as ``all_attributes``; no such attribute, no such setting, or a value of another kind.
    """
    attributes = all_attributes(source)
    for name in source.attributes:
        if name not in attributes:
            unknown = UnknownNameError("Customer attribute", name, attributes)
            raise DefinitionError(f"{source.where} [attributes.{name}]: {unknown}")
        attributes[name].settings_of(source)
