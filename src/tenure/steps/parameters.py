"""The parameters of the notebooks: one contract for the notebooks' own cells, the command line and ``tenure help``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from tenure.core.errors import UnknownNameError, UsageError
from tenure.core.time_windows import parse_date
from tenure.core.workspace import check_name

Kind = Literal["source", "date", "folder", "target", "targets", "choice", "text", "flag", "count"]


WORDS = {
    "date": "YYYY-MM-DD", "flag": "True or False", "source": "a name", "target": "a target",
    "targets": "targets, by commas",
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook. ``low`` and ``high`` bound a count; ``allowed`` are the values of a choice."""

    name: str
    kind: Kind
    default: str | int | bool
    meaning: str
    unit: str = ""
    allowed: tuple[str, ...] = ()
    low: int = 0
    high: int = 0

    @property
    def python_type(self) -> type:
        return type(self.default)

    @property
    def line(self) -> str:
        """The line that declares it in a notebook's parameters cell."""
        default = json.dumps(self.default) if isinstance(self.default, str) else repr(self.default)
        return f"{self.name}: {self.python_type.__name__} = {default}  # {self.meaning}"

    @property
    def values(self) -> str:
        """What it may be, in words."""
        if self.kind == "count":
            return f"{self.low} to {self.high:,} {self.unit}".rstrip()
        return " or ".join(self.allowed) or WORDS.get(self.kind, self.kind)

    @property
    def accepts(self) -> Any:
        """The type that checks a value of it."""
        from pydantic import AfterValidator, Field

        from tenure.core.validation import expects

        bounds = (Field(ge=self.low, le=self.high),) if self.kind == "count" else ()
        words = expects(f"{self.python_type.__name__}: {self.values}")
        return Annotated[(self.python_type, *bounds, words, AfterValidator(self._known))]

    def _known(self, value: Any) -> Any:
        """Check what a text of the right type names; the default needs no check.

        Raises
        ------
        UsageError : no date, no name of a source, none of the allowed values.
        """
        if value == self.default:
            return value
        if self.kind == "choice" and value not in self.allowed:
            raise UnknownNameError("Value", value, self.allowed)
        if self.kind == "date":
            parse_date(value, "the text")
        if self.kind == "source":
            check_name("Source", value)
        return value


COMMON = (
    Parameter("source", "source", "demo", "which company: a folder under data/raw, or a bundled source"),
    Parameter("as_of", "date", "", "first unknown day, YYYY-MM-DD; empty: the day after the last fact"),
    Parameter(
        "workspace", "folder", "", "folder with data/, mlruns/, reports/; empty: TENURE_WORKSPACE, or this checkout"
    ),
    Parameter("quick", "flag", False, "few trees and a sample: shows that it works, not to be believed"),
    Parameter("run", "text", "", "id of the run this is a step of, which says all above; empty: opened by hand"),
)  # fmt: skip
TARGETS = Parameter("targets", "targets", "", "comma-separated; empty: all the source can answer")
ENGINE = Parameter(
    "engine",
    "choice",
    "duckdb",
    "what builds snapshots and scores: duckdb, embedded, or spark; the numbers are the same",
    allowed=("duckdb", "spark"),
)

NOTEBOOKS: dict[str, tuple[Parameter, ...]] = {
    "01_ingest": COMMON,
    "02_features": (*COMMON, TARGETS, ENGINE),
    "03_train": (
        *COMMON,
        Parameter("target", "target", "lapse", "churn, convert, lapse, upsell, or one of your own"),
        Parameter("test_cutoff", "date", "", "YYYY-MM-DD; empty: the last matured cutoff on the grid"),
        Parameter(
            "tune_trials", "count", 0, "Optuna trials inside the fitting block; 0: good defaults", "trials", high=1000
        ),
        Parameter("seed", "count", 7, "of folds, trees and samples", high=2**31 - 1),
        Parameter(
            "walk_cutoffs", "count", 3,
            "out-of-time cutoffs of the scorecard, the test cutoff among them; 6 with `run --full`",
            "cutoffs", low=1, high=24,
        ),
    ),
    "04_score": (
        *COMMON,
        Parameter(
            "versions", "choice", "champion",
            '"champion", or "from_run": what this run just trained, where it passed',
            allowed=("champion", "from_run"),
        ),
        Parameter("targets", "targets", "", "comma-separated; empty: all that have a champion"),
        Parameter("allow_hindsight", "flag", False, "score a day the model has seen; the rows are marked"),
        ENGINE,
    ),
    "05_report": COMMON,
    "06_review": COMMON,
    "07_audit": (*COMMON, TARGETS),
    "09_decide": (
        *COMMON,
        Parameter("since_last", "flag", False, "only on facts that have arrived since the last decision"),
    ),
    "08_customer": (*COMMON, Parameter("customer_id", "text", "", "whose page; empty: the first of scored_customers")),
    "10_measure": COMMON,
    "11_effects": COMMON,
    "12_kpis": COMMON,
}  # fmt: skip


def names_in(text: str) -> list[str]:
    """Split a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parameters_of(notebook: str) -> dict[str, Parameter]:
    """Return a notebook's contract, by name; ``03`` and ``train`` find ``03_train``.

    Raises
    ------
    UnknownNameError : no such notebook.
    """
    found = [name for name in NOTEBOOKS if notebook in (name, *name.split("_", maxsplit=1))]
    if not found:
        raise UnknownNameError("Notebook", notebook, NOTEBOOKS)
    return {parameter.name: parameter for parameter in NOTEBOOKS[found[0]]}


def complete(notebook: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check what is given, all of it, and add the defaults: what the executed notebook then shows.

    Raises
    ------
    UsageError : every unknown name, wrong value and impossible combination, in one message.
    UnknownNameError : no such notebook.
    """
    from pydantic import AfterValidator

    from tenure.core.validation import checked, table

    contract = parameters_of(notebook)
    kind: Any = Annotated[
        table(notebook, {name: parameter.accepts for name, parameter in contract.items()}), AfterValidator(_possible)
    ]
    values = {name: parameter.default for name, parameter in contract.items()} | dict(given)
    advice = f"See 'tenure help {notebook}'."
    taken: dict[str, Any] = checked(kind, values, notebook, noun="Parameter", advice=advice, error=UsageError)
    return taken


def _possible(values: dict[str, Any]) -> dict[str, Any]:
    """Refuse combinations that make no sense."""
    problems = []
    as_of, test = values["as_of"], values.get("test_cutoff", "")
    if as_of and test and parse_date(test) >= parse_date(as_of):
        problems.append(
            f"test_cutoff {test} is not before as_of {as_of}: its outcomes would be unknown. Choose an earlier one."
        )
    if values.get("allow_hindsight") and values.get("versions") == "from_run":
        problems.append(
            "allow_hindsight with versions 'from_run': what a run just trained has not seen its as-of. Leave one out."
        )
    if problems:
        raise ValueError(*problems)
    return values
