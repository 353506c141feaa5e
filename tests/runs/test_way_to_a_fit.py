"""How many of our own functions stand between the command and LightGBM: a reader has to pass them all."""

import sys
from pathlib import Path

import lightgbm
import papermill
import pytest

import tenure
from gated_shop import copied
from tenure.cli import main as cli
from tenure.steps.opening import open_run
from tenure.steps.run_record import RunRecord

PACKAGE = str(Path(tenure.__file__).parent)
MOST = 14


class Given(BaseException):
    """The notebook was given to Papermill: no more of the command is looked at."""


def own_functions():
    """Name our functions at work in this process now, in all its threads; library frames are not counted."""
    found = {}
    for frame in sys._current_frames().values():
        while frame:
            code = frame.f_code
            if code.co_filename.startswith(PACKAGE) and not code.co_name.startswith("<"):
                found[code.co_filename, code.co_name, code.co_firstlineno] = code.co_name
            frame = frame.f_back
    return list(found.values())


@pytest.fixture(scope="module")
def ways(quick_shop, tmp_path_factory):
    """The functions at work when a command gives 03_train to Papermill, and the most when its cell calls ``lgb.train``."""
    workspace, patch = copied(quick_shop, tmp_path_factory.mktemp("shop")), pytest.MonkeyPatch()
    (folder,) = workspace.reports_of("shop").glob("2*")
    RunRecord.open(folder).set_step("03_train_lapse", None)  # the only step to be done again
    given, fitted = [], []
    train = lightgbm.train

    def executing(*_, **__):
        given.append(own_functions())
        raise Given

    def training(*arguments, **options):
        fitted.append(own_functions())
        return train(*arguments, **options)

    patch.setattr(papermill, "execute_notebook", executing)
    patch.setattr(lightgbm, "train", training)
    patch.setattr(
        sys, "argv", ["tenure", "run", "shop", "--quick", "--targets", "lapse", "--workspace", str(workspace.root)]
    )
    with pytest.raises(Given):
        cli.main()
    # Another seed: nothing of it is kept.
    tenure.train(open_run("shop", workspace=str(workspace.root), quick=True), "lapse", seed=8, walk_cutoffs=2)
    patch.undo()
    return max(given, key=len), max(fitted, key=len)


def test_at_most_fourteen_own_functions_lead_from_the_command_to_a_fit(ways):
    command, kernel = ways
    # A forked kernel begins in a function of ours, which the cell's own stack shows.
    way = [*command, "_be_a_kernel", *kernel]
    assert {"main", "run_flow", "train", "train_target"} <= set(way)
    assert len(way) <= MOST, way
