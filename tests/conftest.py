import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from servers import postgresql_server
from shop import by_sh, cron_lines, place_shop
from tenure.workspace import Workspace


@pytest.fixture
def test_data() -> Path:
    """The folder with real public data, or a skip that says so."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TENURE_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} does not exist (set TENURE_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory) -> Iterator[Path]:
    """A real PostgreSQL server; the folder of its socket, which is its host."""
    with postgresql_server(tmp_path_factory.mktemp("postgresql")) as host:
        yield host


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Iterator[Workspace]:
    """A shop with a champion, on a small disk of its own where this user may mount one: cron's monthly line was run."""
    folder = tmp_path_factory.mktemp("disk")
    is_mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)], capture_output=True).returncode == 0  # fmt: skip
    try:
        workspace = Workspace(folder / "shop")
        place_shop(workspace)
        _, monthly = cron_lines(workspace)
        done = by_sh(monthly.command)
        assert (done.returncode, done.stderr) == (0, "")
        yield workspace
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
