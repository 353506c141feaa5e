"""The contract of the notebooks' parameters, and what it refuses before a kernel starts."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawn import drawn
from tenure.core.errors import UsageError
from tenure.runs.notebooks import execute
from tenure.steps.parameters import NOTEBOOKS, complete

FOLDER = Path(__file__).parents[2] / "notebooks"
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just("2026-13-01")


def parameters_cell(name):
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return next("".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", []))


def test_every_notebook_has_a_contract():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebooks_own_cell_says_what_the_contract_says(name):
    assert parameters_cell(name).splitlines() == [parameter.line for parameter in NOTEBOOKS[name]]


def test_what_is_not_given_takes_its_default():
    values = complete("03_train", {"target": "churn"})
    assert values["target"] == "churn" and values["seed"] == 7 and values["run"] == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"targt": "churn"}, "Parameter 'targt' .* Did you mean 'target'"),
        ({"seed": "7"}, "seed is '7': expected int: 0 to"),
        ({"quick": 1}, "quick is 1: expected bool: True or False"),
        ({"walk_cutoffs": 0}, "walk_cutoffs is 0: expected int: 1 to 24"),
        ({"run_kind": "scheduled"}, "Parameter 'run_kind' is not defined"),
        ({"as_of": "01.01.2026"}, "as_of: the text '01.01.2026' is not a date"),
        ({"source": "../secrets"}, "Source '../secrets' cannot be a folder's name"),
        ({"as_of": "2026-01-01", "test_cutoff": "2026-01-01"}, "test_cutoff 2026-01-01 is not before as_of 2026-01-01"),
    ],
)
def test_wrong_parameters_are_refused_with_what_was_expected(given, said):
    with pytest.raises(UsageError, match=said):
        complete("03_train", given)


def test_all_problems_are_told_at_once():
    with pytest.raises(UsageError, match=r"(?s)seed.*walk_cutoffs.*See 'tenure help 03_train'"):
        complete("03_train", {"seed": -1, "walk_cutoffs": 99})


def test_an_unknown_parameter_is_refused_before_a_kernel_starts(tmp_path):
    with pytest.raises(UsageError, match="Did you mean 'target'"):
        execute("03_train", {"targt": "churn"}, tmp_path / "out.ipynb", tmp_path)
    assert not list(tmp_path.iterdir())


@drawn(300)
@given(
    st.sampled_from(sorted(NOTEBOOKS)),
    st.dictionaries(st.sampled_from(["source", "as_of", "target", "seed", "quick", "sorce", "versions"]), ANYTHING),
)
def test_whatever_is_given_is_completed_or_refused_as_wrong_usage(name, given):
    try:
        values = complete(name, given)
    except UsageError as error:
        assert error.exit_code == 2 and str(error)
    else:
        assert list(values) == [parameter.name for parameter in NOTEBOOKS[name]]
