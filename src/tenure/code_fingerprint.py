"""What results were made with: the package's own files, the notebooks, and the packages that numbers depend on."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from tenure.notebooks import notebook_folders

# What a package's new version may change: numbers, figures, or how a notebook runs.
PACKAGES = ("duckdb", "lightgbm", "matplotlib", "mlflow", "numpy", "optuna", "pandas", "scikit-learn", "scipy", "shap")


@cache
def fingerprint_code() -> str:
    """Hash all that a step of a run is made with: what the package calculates, what it says, and the notebooks."""
    notebooks = sorted(path for folder in notebook_folders() for path in folder.glob("*.ipynb"))
    return _hash([*_own("toml", "html", "md"), *notebooks], fingerprint_calculations())


@cache
def fingerprint_calculations() -> str:
    """Hash what numbers depend on: the package's code and the versions of the packages."""
    return _hash(_own("py"), *(f"{name} {version(name)}" for name in PACKAGES))


def _own(*endings: str) -> list[Path]:
    package = Path(str(files("tenure")))
    return sorted(path for ending in endings for path in package.rglob(f"*.{ending}"))


def _hash(paths: list[Path], *texts: str) -> str:
    digest = blake2b(digest_size=16)
    for path in paths:
        digest.update(path.name.encode() + path.read_bytes())
    for text in texts:
        digest.update(text.encode())
    return digest.hexdigest()
