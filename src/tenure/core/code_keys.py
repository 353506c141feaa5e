"""With which code a result was made: the modules its maker imports, directly or not, and the packages that numbers depend on."""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

# What a package's new version may change: numbers, figures, or how a notebook runs.
PACKAGES = ("duckdb", "lightgbm", "matplotlib", "mlflow", "numpy", "optuna", "pandas", "scikit-learn", "scipy", "shap")
ROOT = Path(str(files("tenure")))
# A module is named where it is imported, and where it is loaded by its name.
_NAMED = re.compile(r"\btenure(?:\.\w+)+")
_FROM = re.compile(r"\bfrom (tenure[\w.]*) import (\([^)]*\)|[^\n]*)")
# Such a module loads every file beside it; such a one renders the templates of its package.
_DISCOVERS, _RENDERS = re.compile(r"\biter_modules[(]"), re.compile(r"\bPackageLoader[(]")


@cache
def code_key(*modules: str) -> str:
    """Hash what some modules calculate and say: themselves, all that they import, templates, and the versions of packages.

    What they do not import is not in it: the command line, or the style sheet of the pages.
    """
    found: set[Path] = set()
    waiting = [_path(module) for module in modules]
    while waiting:
        path = waiting.pop()
        if path in found or path is None:
            continue
        found.add(path)
        if path.suffix == ".py":
            waiting += _used(path)
    digest = blake2b(digest_size=16)
    for path in sorted(found):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    digest.update(repr([f"{name} {version(name)}" for name in PACKAGES]).encode())
    return digest.hexdigest()


@cache
def _used(path: Path) -> list[Path | None]:
    """List what a module uses; steps share most of their modules, and each is read once."""
    text = path.read_text(encoding="utf-8")
    named = set(_NAMED.findall(text))
    for package, names in _FROM.findall(text):
        named |= {f"{package}.{name}" for name in re.findall(r"\w+", names)}
    used = [_path(name) for name in named]
    used += sorted(path.parent.glob("*.py")) if _DISCOVERS.search(text) else []
    used += [p for p in path.parent.glob("templates/*") if p.suffix != ".css"] if _RENDERS.search(text) else []
    return used


def _path(name: str) -> Path | None:
    """Find the file of the longest part of a dotted name that is a module; none where only the package itself is named."""
    parts = name.split(".")[1:]
    while parts:
        module = ROOT.joinpath(*parts)
        for path in (module.with_suffix(".py"), module / "__init__.py"):
            if path.is_file():
                return path
        parts.pop()
    return None
