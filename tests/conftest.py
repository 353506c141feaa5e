import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# Tests run side by side: threads of linear algebra, in them and in the kernels they start, would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Where cores are fewer than threads, those of OpenMP that wait would keep the others from what they wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from gated_shop import champions, copied, hurry
from here import without_kernels
from servers import postgresql_server
from shared import copied_stores, made_once
from shop import quick_run
from tenure.core.workspace import Workspace
from tenure.models.registry import mlflow_store

# A worker takes one file after the other. Those that take minutes come first, so that none is left to one worker at the end.
LONGEST = (
    "runs/test_flow.py", "test_team_mlflow.py", "test_gates.py", "steps/test_run_record.py", "test_scheduled_shop.py",
    "scoring/test_scoring_outcomes.py", "snapshots/engines/test_spark_engine.py", "runs/test_plugins_in_a_run.py",
    "runs/test_backfill.py", "door/test_generated.py", "runs/test_server_run.py", "runs/test_way_to_a_fit.py",
    "models/test_estimators.py", "decisions/test_invariants.py", "identity/test_matching.py", "demo/test_demo.py",
    "audit/test_full.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture
def test_data() -> Path:
    """The folder with real public data, or a skip that says so."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TENURE_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set TENURE_TEST_DATA)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def stores(tmp_path_factory) -> Iterator[None]:
    """Each new MLflow store of a test is a copy of one that MLflow built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_store, "create_local_store", copied_stores(tmp_path_factory))
        yield


@pytest.fixture(scope="session")
def company(tmp_path_factory, stores) -> Workspace:
    """A small shop whose lapse and churn have quick champions; to be copied, never changed."""
    return Workspace(made_once(tmp_path_factory, "company", champions))


@pytest.fixture(scope="session")
def quick_shop(tmp_path_factory, stores) -> Workspace:
    """A small web shop after a quick run of lapse; to be copied, never changed."""
    return Workspace(made_once(tmp_path_factory, "quick_shop", quick_run))


@pytest.fixture
def here(monkeypatch):
    """The notebooks of this test's runs are executed in this process: their kernels are not what it looks at."""
    without_kernels(monkeypatch)


@pytest.fixture
def gated_shop(company, tmp_path, monkeypatch):
    """A copy of that shop."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    hurry(monkeypatch)
    return copied(company, tmp_path)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory) -> Iterator[Path]:
    """A real PostgreSQL server; the folder of its socket, which is its host."""
    with postgresql_server(tmp_path_factory.mktemp("postgresql")) as host:
        yield host
