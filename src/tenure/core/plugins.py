"""What others bring: definitions in files of a source's own folder, and in installed packages by their entry points.

A package names each in ``pyproject.toml``, as in
``[project.entry-points."tenure.targets"] winback = "shop.winback:TARGET"``;
a file ``data/raw/<source>/targets/winback.py`` holds a ``TARGET``.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from tenure.core.errors import DefinitionError, UsageError, describe_unforeseen
from tenure.core.hashing import digest, fingerprint_file
from tenure.core.workspace import check_name


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_Named)
Kind = Literal["readers", "estimators", "targets", "attributes", "actions", "kpis"]
# What a file of each kind holds.
HOLDS: dict[Kind, str] = {
    "readers": "READER",
    "estimators": "ESTIMATOR",
    "targets": "TARGET",
    "attributes": "ATTRIBUTE",
    "actions": "ACTION",
    "kpis": "KPI",
}


@dataclass(frozen=True)
class Plugin:
    """``where`` says for messages who brings it; ``code`` names its code: a result made with it depends on that."""

    name: str
    value: Any
    where: str
    code: str


def plugins(kind: Kind, folder: Path | None = None, built_in: Collection[str] = ()) -> dict[str, Plugin]:
    """Find what installed packages bring of a kind, and the files of it in a source's ``folder``, by name.

    Raises
    ------
    DefinitionError : one cannot be imported, holds nothing of its kind, has the name of one that is ``built_in``, or
        two have one name.
    """
    found: dict[str, Plugin] = {}
    points = _entry_points(f"tenure.{kind}", tuple(sys.path))
    brought = [_of_package(point) for point in sorted(points, key=lambda point: point.name)]
    files = sorted((folder / kind).glob("*.py")) if folder else []
    for plugin in [*brought, *(_of_file(path, HOLDS[kind]) for path in files if not path.name.startswith("_"))]:
        if plugin.name in built_in:
            taken = f"{plugin.name!r}, which is built in. Expected a new name; rename it."
            raise DefinitionError(f"{plugin.where} brings {taken}")
        if plugin.name in found:
            places = f"{found[plugin.name].where} and {plugin.where}"
            raise DefinitionError(f"{places} both bring {plugin.name!r}. Expected one; rename or remove the other.")
        found[plugin.name] = plugin
    return found


def with_plugins(built_in: Mapping[str, Named], kind: Kind, of: type[Named], folder: Path | None) -> dict[str, Named]:
    """Add what others bring of a kind to what is built in, by name.

    Raises
    ------
    DefinitionError : as ``plugins``; what is brought is no ``of``, has another name than its file, or one that is
        taken.
    """
    found = dict(built_in)
    for name, plugin in plugins(kind, folder, built_in).items():
        if not isinstance(plugin.value, of):
            kinds = f"{type(plugin.value).__name__}. Expected {of.__name__}"
            raise DefinitionError(f"{plugin.where}: its {HOLDS[kind]} is of type {kinds}.")
        try:
            check_name(of.__name__, plugin.value.name)
        except UsageError as error:
            raise DefinitionError(f"{plugin.where}: {error}") from None
        if plugin.value.name != name:
            named = f"{plugin.value.name!r}. Expected {name!r}, as it is found by"
            raise DefinitionError(f"{plugin.where}: its {HOLDS[kind]} is named {named}; rename one of them.")
        found[name] = plugin.value
    return found


def plugins_key(folder: Path | None) -> str:
    """Hash the code of all plugins, of every kind, that are found for a source's ``folder``."""
    return digest([(kind, name, plugin.code) for kind in HOLDS for name, plugin in plugins(kind, folder).items()])


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> EntryPoints:
    """List the entry points of the packages on a path: reading them takes a twentieth of a second."""
    return entry_points(group=group)


def _of_package(point: EntryPoint) -> Plugin:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "a package"
    where = f"{package} (entry point {point.group}: {point.name})"
    try:
        value, code = point.load(), _code_of(point.module)
    except Exception as error:  # whatever their module raises, it is theirs to mend
        raise DefinitionError(f"{where} cannot be loaded: {describe_unforeseen(error)}. Mend or remove it.") from error
    return Plugin(point.name, value, where, digest(package, code))


def _code_of(module: str) -> list[str]:
    """Hash the Python files of the package that a module belongs to, or the module where it stands alone."""
    spec = find_spec(module.partition(".")[0])
    if spec is None or not spec.origin:
        return []
    folders = spec.submodule_search_locations
    files = [path for folder in folders for path in Path(folder).rglob("*.py")] if folders else [Path(spec.origin)]
    return [fingerprint_file(path) for path in sorted(files) if path.is_file()]


def _of_file(path: Path, holds: str) -> Plugin:
    code = fingerprint_file(path)
    # One name for one content: a file that was changed is another module.
    name = f"tenure_plugin_{path.stem}_{code}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise DefinitionError(f"{path} is no Python file. Expected one that holds a {holds}.")
        module = sys.modules[name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # as above
            del sys.modules[name]
            raise DefinitionError(
                f"{path} cannot be loaded: {describe_unforeseen(error)}. Mend or remove it."
            ) from error
    if not hasattr(sys.modules[name], holds):
        raise DefinitionError(f"{path} holds no {holds}. Expected one; a file that is none begins with '_'.")
    return Plugin(path.stem, getattr(sys.modules[name], holds), str(path), code)
