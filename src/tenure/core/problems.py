"""Problems: the warnings and errors of a run, one line each, for whoever does not look at its reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tenure.core.errors import UnknownNameError
from tenure.core.stored import made_of, parse_stored, write_stored

FORMAT_VERSION = 2

Level = Literal["warning", "error"]
LEVELS: tuple[Level, ...] = ("warning", "error")


@dataclass(frozen=True)
class Problem:
    """A *warning* is to be looked at; with an *error* nobody should act on the scores.

    ``about`` is a table, a feature or a target. ``code`` and ``names`` (features, columns) identify what is wrong:
    ``text`` also holds numbers, which change from day to day. Problems of format 1 have neither.
    """

    level: Level
    about: str
    text: str
    code: str = ""
    names: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The text as a sentence begins; the name of a column stays as it is."""
        is_name = "_" in self.text.split(" ", maxsplit=1)[0]
        return self.text if is_name else self.text[:1].upper() + self.text[1:]

    def __str__(self) -> str:
        return f"{self.level}: {self.about}: {self.text}"

    def is_same(self, other: Problem) -> bool:
        """Whether another run had the same problem; without a code, one of the same level about the same thing.

        >>> late = Problem("error", "orders", "4 days late", "late")
        >>> late.is_same(Problem("error", "orders", "5 days late", "late"))
        True
        >>> late.is_same(Problem("warning", "orders", "9 rows", "few_rows"))
        False
        """
        if self.code and other.code:
            return (self.about, self.code, {*self.names}) == (other.about, other.code, {*other.names})
        return (self.about, self.level) == (other.about, other.level)


def at_least(problems: Iterable[Problem], level: str) -> list[Problem]:
    """Keep the problems of a level or a worse one; none for the empty level.

    Raises
    ------
    UnknownNameError : no such level.
    """
    if not level:
        return []
    if level not in LEVELS:
        raise UnknownNameError("Level", level, LEVELS)
    counted = LEVELS[LEVELS.index(level) :]
    return [problem for problem in problems if problem.level in counted]


def worst_first(problems: Iterable[Problem]) -> list[Problem]:
    """Sort errors before warnings, then by what they are about."""
    return sorted(problems, key=lambda problem: (-LEVELS.index(problem.level), problem.about, problem.text))


def problems_of(document: Mapping[str, Any]) -> list[Problem]:
    """Read the problems of a stored document; until format 2 these were alerts, each with a severity."""
    lines = document["problems"] if "problems" in document else document.get("alerts", [])
    return [_problem({"level": line.get("severity"), **line}) for line in lines]


def _problem(line: Mapping[str, Any]) -> Problem:
    return made_of(Problem, {**line, "names": tuple(line.get("names", ()))})


def save_problems(problems: Sequence[Problem], path: Path) -> None:
    write_stored(path, {"problems": [asdict(problem) for problem in problems]}, FORMAT_VERSION)


def load_problems(path: Path) -> list[Problem]:
    """Read problems; none where nothing was reviewed.

    Raises
    ------
    StoredFormatError : a newer Tenure wrote them, or they are damaged.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else "[]"
    # Of format 0 is a bare list.
    is_list = text.startswith("[")
    return problems_of({"alerts": json.loads(text)} if is_list else parse_stored(text, str(path), FORMAT_VERSION))
