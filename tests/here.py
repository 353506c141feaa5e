"""Runs whose notebooks are executed in this process, for tests that look at what a run does and not at its kernels.

A kernel costs seconds of its own; ``runs/test_flow.py`` and ``runs/test_notebooks.py`` have real ones, and what they leave
equals what is left here, to the byte (``steps/test_run_record.py``).
"""

import json

import pytest

from tenure.core.errors import RunError, error_of
from tenure.runs import work
from tenure.runs.notebooks import notebook_path
from tenure.steps.parameters import complete


def execute_here(name, parameters, output, _workspace):
    """Execute the cells of a notebook in this process, and keep what was executed as Papermill would: in one file."""
    values, names = complete(name, parameters), {}
    document = json.loads(notebook_path(name).read_text(encoding="utf-8"))
    cells = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    try:
        for cell in cells:
            exec(compile("".join(cell["source"]), name, "exec"), names)
            if "parameters" in cell["metadata"].get("tags", ()):
                names |= values
    except Exception as error:
        raise error_of(type(error).__name__, RunError)(f"{name}: {error}") from error
    finally:
        output.parent.mkdir(parents=True, exist_ok=True)
        document["metadata"]["papermill"] = {"parameters": values}
        output.write_text(json.dumps(document), encoding="utf-8")


def without_kernels(patch: pytest.MonkeyPatch) -> None:
    """Execute notebooks in this process, one after the other, until the patch is undone."""
    patch.setattr(work, "execute", execute_here)
    patch.setattr(work, "steps_at_once", lambda: 1)
