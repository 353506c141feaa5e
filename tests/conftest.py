import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gated_shop import champions, copied
from servers import postgresql_server


@pytest.fixture
def test_data() -> Path:
    """The folder with real public data, or a skip that says so."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TENURE_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set TENURE_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    """A small shop whose lapse and churn have quick champions; to be copied, never changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return champions(tmp_path_factory.mktemp("company"))


@pytest.fixture
def gated_shop(company, tmp_path, monkeypatch):
    """A copy of that shop."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copied(company, tmp_path)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory) -> Iterator[Path]:
    """A real PostgreSQL server; the folder of its socket, which is its host."""
    with postgresql_server(tmp_path_factory.mktemp("postgresql")) as host:
        yield host
