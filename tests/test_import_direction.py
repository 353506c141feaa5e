"""The order in which modules may import each other is the architecture: a wrong import fails here."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tenure"
# Each layer may import itself and anything in an earlier one. Layers on one line never meet.
LAYERS = (
    {"errors", "workspace", "time_windows", "memory", "secrets"},
    {"spark_session", "stored"},
    {"alerts", "lock", "logs"},
    {"sources", "demo"},
    {"identity"},
    {"features"},
    {"targets"},
    {"parameters"},
    {"warm_kernels"},
    {"notebooks"},
    {"code_fingerprint"},
    {"engines"},
    {"snapshots"},
    {"snapshot_rows"},
    {"explain_plan"},
    {"models"},
    {"value"},
    {"customers"},
    {"audit"},
    {"spark_scoring"},
    {"scoring"},
    {"ledger"},
    {"review"},
    {"reporting"},
    {"steps"},
    {"graph"},
    {"run_document"},
    {"privacy"},
    {"flows"},
    {"notify", "schedules"},
    {"commands"},
    {"cli"},
)
ONE_HOME = {
    "mlflow": {
        "models/registry.py",
        "models/mlflow_store.py",
        "models/owner.py",
        "models/local_store.py",
        "models/champion_history.py",
        "models/study_log.py",
        "models/store_contents.py",
    },
    "papermill": {"notebooks.py"},
    "pyspark": {
        "engines/spark_engine.py",
        "engines/spark_facts.py",
        "spark_session.py",
        "spark_scoring.py",
        "sources/spark_table.py",
    },
    "shap": {"reporting/shap_figures.py"},
    "matplotlib": {
        "reporting/figures.py",
        "reporting/shap_figures.py",
        "reporting/review_figures.py",
        "reporting/customer_figures.py",
        "reporting/value_figures.py",
    },
    "splink": {"identity/matching.py", "identity/settings.py"},
    "typer": {
        "cli.py",
        "commands/options.py",
        "commands/runs.py",
        "commands/looking.py",
        "commands/raw_data.py",
        "commands/people.py",
        "commands/champions.py",
        "commands/identity.py",
    },
}


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found


def level(name: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if name in layer)


MODULES = [
    p
    for p in sorted(SOURCE.rglob("*.py"))
    if p.relative_to(SOURCE).parts[0] not in ("__init__.py", "__main__.py") and p.stat().st_size
]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_imports_only_from_its_own_layer_or_earlier_ones(path):
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "tenure" and len(parts) > 1:
            allowed = parts[1] == own or level(parts[1]) < level(own) or level(parts[1]) == level(own) == 0
            assert allowed, f"{own} imports {module}"


@pytest.mark.parametrize("package", sorted(ONE_HOME))
def test_a_replaceable_package_has_one_home(package):
    users = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if package in {m.split(".")[0] for m in imports(path)}
    }
    assert users <= ONE_HOME[package]
