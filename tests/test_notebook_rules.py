"""Notebooks tell the story and hold no logic."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_is_thin_and_clean(path):
    code = cells(path, "code")
    sources = ["".join(cell["source"]) for cell in code]
    assert "parameters" in code[0]["metadata"].get("tags", []), "the first code cell is the parameters cell"
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    for cell, source in zip(code, sources, strict=True):
        assert not cell["outputs"] and cell["execution_count"] is None
        assert len(source.splitlines()) <= 12, source
        assert not any(
            line.startswith(("def ", "class ", "%pip", "!")) or "sys.path" in line for line in source.splitlines()
        )
    text = sum(len("".join(cell["source"])) for cell in cells(path, "markdown"))
    assert text >= 0.4 * (text + sum(map(len, sources)))
