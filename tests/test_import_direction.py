"""The order in which rooms may import each other is the architecture: a wrong import fails here."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tenure"
# Each room imports itself and what stands before it.
ROOMS = ["core", "sources", "demo", "identity", "features", "targets", "run_record", "parameters", "warm_kernels", "notebooks", "engines", "snapshots", "snapshot_rows", "explain_plan", "models", "value", "customers", "audit", "spark_scoring", "scoring", "ledger", "review", "reporting", "steps", "step_cache", "privacy", "flows", "runs", "notify", "schedules", "commands", "cli"]  # fmt: skip
# Where a replaceable package may be named.
HOMES = {
    "mlflow": ("models/registry/", "models/"),
    "papermill": ("runs/", "notebooks"),
    "pyspark": ("snapshots/engines/spark/", "engines/", "sources/readers/", "scoring/", "spark_scoring"),
    "shap": ("reporting/shap_figures.py", "models/estimators/"),
    "matplotlib": ("reporting/",),
    "splink": ("identity/",),
    "typer": ("cli/", "cli", "commands/"),
}


def imports(path: Path) -> set[str]:
    """List the modules that a file imports, ours with the names that are modules themselves."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = [
    path
    for path in sorted(SOURCE.rglob("*.py"))
    if path.relative_to(SOURCE).parts[0] not in ("__init__.py", "__main__.py")
]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_room_imports_itself_and_what_stands_before_it(path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "tenure" and parts[1:] and parts[1] in ROOMS:
            assert ROOMS.index(parts[1]) <= ROOMS.index(own), f"{own} imports {module}"


@pytest.mark.parametrize("package", sorted(HOMES))
def test_a_replaceable_package_has_one_home(package):
    users = {str(p.relative_to(SOURCE)) for p in FILES if package in {m.split(".")[0] for m in imports(p)}}
    assert users
    assert [user for user in sorted(users) if not user.startswith(HOMES[package])] == []
