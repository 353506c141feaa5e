"""All targets: one per file that holds a ``TARGET``, of this folder, of a source's, or of an installed package."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.plugins import with_plugins
from tenure.features.catalogue import feature_names
from tenure.sources.source import Source
from tenure.targets.definition import Target


def all_targets(source: Source | None = None) -> dict[str, Target]:
    """Return the built-in targets, those of installed packages, and those a source's folder brings, by name.

    Raises
    ------
    DefinitionError : what is brought is no target, cannot be loaded, or has a name that is taken.
    """
    return with_plugins(_built_in(), "targets", Target, source.folder if source else None)


@cache
def _built_in() -> dict[str, Target]:
    """Discover the targets of this folder, in the order of their names."""
    package = __name__.rsplit(".", maxsplit=1)[0]
    modules = sorted(module.name for module in iter_modules(import_module(package).__path__))
    found = {name: getattr(import_module(f"{package}.{name}"), "TARGET", None) for name in modules}
    return {target.name: target for target in found.values() if isinstance(target, Target)}


def find_target(name: str, source: Source) -> Target:
    """Look up a target that may be asked of a source.

    Raises
    ------
    UnknownNameError : no file defines it.
    """
    targets = all_targets(source)
    if name not in targets:
        raise UnknownNameError("Target", name, targets)
    return targets[name]


def check_targets(names: Iterable[str], source: Source) -> None:
    """Refuse names of targets that nobody defines.

    Raises
    ------
    UnknownNameError : the first of them.
    """
    for name in names:
        find_target(name, source)


def targets_of(source: Source) -> dict[str, Target]:
    """Return every target with the source's own numbers.

    Raises
    ------
    DefinitionError : the source's TOML names a target, a key or a monotone feature that does not exist.
    """
    targets = all_targets(source)
    for name in source.targets:
        if name not in targets:
            raise DefinitionError(f"{source.where} [targets.{name}]: {UnknownNameError('Target', name, targets)}")
    own = {name: target.override(source.targets.get(name, {}), source.where) for name, target in targets.items()}
    known = feature_names(source)
    for target in own.values():
        for feature in target.monotone:
            if feature not in known:
                place = f"{source.where} [targets.{target.name}] monotone"
                raise DefinitionError(f"{place}: {UnknownNameError('Feature', feature, known)}")
    return own


def is_asked(target: Target, source: Source) -> bool:
    """Say whether a source asks a target: by default, or since its TOML names it."""
    return target.by_default or target.name in source.targets


def in_form(target: Target, tables: Collection[str]) -> Target:
    """Return the first form of a target that the staged tables suffice for; its first where they do for none."""
    return next((form for form in target.forms if not missing_tables(form, tables)), target)


def why_not_asked(target: Target, source: Source, tables: Collection[str], as_of: date) -> str:
    """Say why a source that has these tables as of a day answers no target: what it lacks, or that it asks not."""
    if missing := missing_tables(target, tables):
        return f"needs {', '.join(missing)}, which the source does not have as of {as_of}"
    asks = f"is asked only where [targets.{target.name}], which may be empty, stands in the source.toml"
    return "" if is_asked(target, source) else asks


def missing_tables(target: Target, tables: Collection[str]) -> tuple[str, ...]:
    """Return the staged tables a target needs and a source lacks."""
    return tuple(table for table in target.tables if table not in tables)
