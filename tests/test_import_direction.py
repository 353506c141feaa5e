"""The order in which rooms may import each other is the architecture: a wrong import fails here, and so does a wrong plan."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tenure"
ARCHITECTURE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
# The plan: each room imports itself and what stands before it. => room: what it imports
PLAN = {
    room: re.findall(r"\w+", imported)
    for room, imported in re.findall(r"^\| (\w+) \| [^|]* \|([^|]*)\|$", ARCHITECTURE, flags=re.MULTILINE)
    if (SOURCE / room).is_dir()
}
ROOMS = tuple(PLAN)
# Where a replaceable package may be named.
HOMES = {
    "mlflow": ("models/registry/",),
    "papermill": ("runs/",),
    "pyspark": ("snapshots/engines/spark/", "sources/readers/", "scoring/"),
    "shap": ("reporting/", "models/estimators/"),
    "matplotlib": ("reporting/",),
    "splink": ("identity/",),
    "typer": ("cli/",),
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


FILES = sorted(path for room in ROOMS for path in (SOURCE / room).rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
}


def imported_modules(path: Path) -> set[str]:
    """List the files of ours that a file imports, by their dotted names."""
    return {name for found in imports(path) for name in (found, found.rpartition(".")[0]) if name in MODULES}


def test_the_package_holds_rooms_and_no_loose_modules():
    entries = {path.name for path in SOURCE.iterdir() if path.name != "__pycache__"}
    assert entries == {*ROOMS, "__init__.py", "__main__.py", "py.typed"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_room_imports_itself_and_what_stands_before_it(path):
    own = path.relative_to(SOURCE).parts[0]
    for module in imports(path):
        parts = module.split(".")
        # The list of public names says where each is found, and is no room's own.
        if parts[0] == "tenure" and parts[1:] and module != "tenure.HOMES":
            assert parts[1] in ROOMS, f"{path.name} imports {module}, which stands in no room"
            assert ROOMS.index(parts[1]) <= ROOMS.index(own), f"{own} imports {module}"


def test_no_two_folders_import_each_other_inside_a_room_either():
    folders = {(path.parent, MODULES[used].parent) for path in FILES for used in imported_modules(path)}
    assert [(str(a), str(b)) for a, b in sorted(folders) if a < b and (b, a) in folders] == []


def test_no_file_imports_itself_by_way_of_others():
    used = {name: imported_modules(path) - {name} for name, path in MODULES.items()}
    while free := [name for name, names in used.items() if not names & used.keys()]:
        for name in free:
            del used[name]
    assert sorted(used) == []


@pytest.mark.parametrize("package", sorted(HOMES))
def test_a_replaceable_package_has_one_home(package):
    users = {str(p.relative_to(SOURCE)) for p in FILES if package in {m.split(".")[0] for m in imports(p)}}
    assert users
    assert [user for user in sorted(users) if not user.startswith(HOMES[package])] == []


@pytest.mark.parametrize("room", ROOMS)
def test_the_plan_draws_the_arrows_there_are(room):
    used = {name.split(".")[1] for path in (SOURCE / room).rglob("*.py") for name in imported_modules(path)}
    assert PLAN[room] == [other for other in ROOMS if other in used - {room}]
    assert room in ARCHITECTURE.split("| room |")[0], "the drawing shows every room"


@pytest.mark.parametrize(
    "name",
    sorted(
        set(re.findall(r"`(tenure\.[\w.]+)`", ARCHITECTURE))
        - {f"tenure.{kind}" for kind in ("readers", "estimators", "targets", "attributes", "actions", "kpis")}
    ),
)
def test_the_sequence_names_functions_that_exist(name):
    module, _, function = name.rpartition(".")
    assert callable(getattr(import_module(module), function))
