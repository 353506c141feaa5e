"""What plain Papermill put into a notebook: checked against its contract, where Papermill itself would only warn."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from tenure.steps.parameters import NOTEBOOKS, complete

# How Papermill begins the cell of what it was given.
INJECTED = "# Parameters"


def check_injected() -> None:
    """Refuse parameters given to this notebook that it does not have, or wrong values.

    Outside a notebook nothing is checked.

    Raises
    ------
    UsageError : names the nearest parameter, or says what was expected.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cells = [str(cell) for cell in shell.user_ns.get("In", ())] if shell else []
    declared: list[str] = []
    for cell in cells:
        if cell.startswith(INJECTED):
            given = dict(_assigned(cell))
            # A notebook of somebody's own has a contract of its own.
            for notebook, contract in NOTEBOOKS.items():
                if declared == [parameter.name for parameter in contract]:
                    complete(notebook, given)
                    return
        elif not declared:
            declared = [name for name, _ in _assigned(cell)]


def _assigned(cell: str) -> Iterator[tuple[str, object]]:
    """List the names a cell gives literal values to."""
    try:
        statements = ast.parse(cell).body
    except SyntaxError:
        return
    for statement in statements:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
            try:
                yield target.id, ast.literal_eval(statement.value)
            except ValueError:  # as float('nan'), which Papermill writes: a text of no parameter's kind
                yield target.id, ast.unparse(statement.value)
