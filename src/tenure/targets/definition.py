"""What a target is: a question, who is asked, what counts as yes, and what acting costs. One small file each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Any, Literal

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.stored import made_of
from tenure.core.time_windows import OutcomeWindow
from tenure.features.derived import staged_name, table_columns
from tenure.features.expression import (
    OBSERVED_COLUMNS,
    OUTCOME_COLUMNS,
    check_columns,
    columns_of,
    parse_expression,
)

WINDOW = ("horizon_days", "lead_days", "label_lag_days")
DAYS = (*WINDOW, "eligible_days")
ECONOMICS = ("save_rate", "contact_cost", "contact_capacity")


@dataclass(frozen=True)
class Condition:
    """A yes-or-no aggregate over a customer's rows of one staged table.

    As eligibility it looks back over ``[cutoff - days, cutoff)`` (``days=None``: all that was known) and may use
    ``age_days``. As outcome it looks forward from the start of the outcome window and may use ``days_ahead``, 0 on its
    first day; ``days`` then says how far, by default the horizon. ``days`` names one of the target's
    numbers, or a sum of them. ``table`` is a staged table, or a derived one: ``subscriptions`` (each as known at the
    cutoff) or, for outcomes, ``customer_states``. ``{name}`` stands for one of the target's numbers or options.
    """

    table: str
    expression: str
    days: str | None = None
    when_no_rows: bool = False


@dataclass(frozen=True)
class Heuristic:
    """What a team would rank by without a model: a formula over feature columns, higher is likelier.

    >>> sorted(Heuristic("days_since_order / usual_order_gap_days", "days in usual gaps").columns)
    ['days_since_order', 'usual_order_gap_days']
    """

    expression: str
    meaning: str

    @property
    def columns(self) -> set[str]:
        """The feature columns that it needs."""
        return set(columns_of(parse_expression(self.expression, "heuristic")))


@dataclass(frozen=True)
class Target:
    """One question that is asked of every eligible customer at a cutoff. All ``_days`` are days.

    ``save_rate`` is an assumption: the share of contacted positives whom acting wins; a source may write it ``take_rate``
    where acting adds. ``contact_cost`` is in the source's currency.
    """

    name: str
    question: str
    eligible_in_words: str
    eligible: tuple[Condition, ...]
    outcome: Condition
    # Several in order: the first whose columns a source has, and which tells its customers apart, is the one.
    heuristic: Heuristic | tuple[Heuristic, ...]
    positive: str  # how a label of 1 reads: "churned"
    horizon_days: int
    eligible_days: int = 0
    lead_days: int = 0
    label_lag_days: int = 0
    save_rate: float = 0.1
    contact_cost: float = 1.0
    # How many customers can be contacted at an as-of; 0 means a tenth of those asked.
    contact_capacity: int = 0
    # Features (over any window) that may only raise (1) or only lower (-1) the propensity: what is known for sure.
    monotone: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, int | str] = field(default_factory=dict)
    # What one outcome is worth: the margin that stays, what a higher plan adds, or a first year's margin.
    stake: Literal["saved", "added", "first_year"] = "saved"
    # The feature column whose amount is the revenue at stake: what the customer brought in 12 months.
    revenue: str = ""
    # Name of the estimator that a source asks for; empty: trees, or the logistic regression where they are no better.
    estimator: str = field(default="", repr=False)
    # False: it is asked only where the source's TOML has [targets.<name>], were it empty.
    by_default: bool = True
    # How the same is asked of a source that lacks a table for this.
    otherwise: Target | None = None

    def __post_init__(self) -> None:
        for condition, supplied in ((c, OBSERVED_COLUMNS) for c in self.eligible):
            self._check(condition, supplied)
        self._check(self.outcome, OUTCOME_COLUMNS)
        if self.horizon_days < 1 or min(self.lead_days, self.label_lag_days, self.eligible_days) < 0:
            raise DefinitionError(f"Target {self.name}: expected a horizon of at least a day and no negative days.")
        if all(condition.when_no_rows for condition in self.eligible):
            raise DefinitionError(
                f"Target {self.name}: nobody is named. Expected an eligible condition that needs a row."
            )
        if wrong := {name: way for name, way in self.monotone.items() if way not in (1, -1)}:
            raise DefinitionError(
                f"Target {self.name}: monotone {wrong}. Expected 1 (only raises) or -1 (only lowers)."
            )

    def _check(self, condition: Condition, supplied: tuple[str, ...]) -> None:
        place = f"Target {self.name}, {condition.table}"
        parsed = parse_expression(self.fill(condition.expression), place)
        check_columns(parsed, (*table_columns(condition.table), *supplied), place)

    @property
    def window(self) -> OutcomeWindow:
        return OutcomeWindow(self.lead_days, self.horizon_days, self.label_lag_days)

    @property
    def heuristics(self) -> tuple[Heuristic, ...]:
        return (self.heuristic,) if isinstance(self.heuristic, Heuristic) else self.heuristic

    @property
    def tables(self) -> tuple[str, ...]:
        """Staged tables the target cannot be asked without."""
        return tuple(dict.fromkeys(staged_name(condition.table) for condition in (*self.eligible, self.outcome)))

    @property
    def forms(self) -> tuple[Target, ...]:
        """The ways it can be asked, the first first."""
        return (self, *(self.otherwise.forms if self.otherwise else ()))

    @property
    def numbers(self) -> dict[str, int | str]:
        return {name: getattr(self, name) for name in DAYS} | dict(self.options)

    @cached_property
    def definition(self) -> dict[str, Any]:
        """What is asked, of whom, and what counts as yes: a document from which ``under`` makes the target again."""
        return {
            "target": self.name,
            "question": self.question,
            "eligible": [asdict(condition) for condition in self.eligible],
            "outcome": asdict(self.outcome),
            "numbers": dict(sorted(self.numbers.items())),
        }

    @cached_property
    def fingerprint(self) -> str:
        """Name the definition by its content (hexadecimal): scores of one definition are never shown under another."""
        text = " ".join(json.dumps(self.definition, sort_keys=True).replace("\\n", " ").split())
        return blake2b(text.encode(), digest_size=8).hexdigest()

    def under(self, definition: Mapping[str, Any]) -> Target:
        """Return the target as another definition asks it: one whose scores are older than today's."""
        numbers = dict(definition["numbers"])
        own = {name: numbers.pop(name) for name in DAYS}
        *eligible, outcome = (
            # Older definitions asked one subscription at a time.
            made_of(Condition, {name: value for name, value in told.items() if name != "per"})
            for told in (*definition["eligible"], definition["outcome"])
        )
        return replace(
            self, question=definition["question"], eligible=tuple(eligible), outcome=outcome, options=numbers, **own
        )

    def fill(self, text: str) -> str:
        """Put the target's numbers and options into ``{name}`` places; text is quoted as SQL."""
        values = {k: "'" + v.replace("'", "''") + "'" if isinstance(v, str) else v for k, v in self.numbers.items()}
        try:
            return text.format(**values)
        except KeyError as error:
            raise DefinitionError(
                f"Target {self.name}: {UnknownNameError('Option', str(error.args[0]), values)}"
            ) from None

    def days_of(self, condition: Condition) -> int | None:
        """Return the length of a condition's window in days."""
        if condition.days is None:
            return None
        return sum(int(self.fill("{" + part.strip() + "}")) for part in condition.days.split("+"))

    def describe(self) -> str:
        """Say the question with this source's numbers."""
        return self.question.format(**{name: value for name, value in self.numbers.items()})

    def describe_eligible(self) -> str:
        return self.eligible_in_words.format(**self.numbers)

    def override(self, settings: Mapping[str, Any], where: str) -> Target:
        """Return the target with a source's own numbers, from ``[targets.<name>]`` of its TOML.

        Raises
        ------
        DefinitionError : an unknown key or a value of the wrong kind.
        """
        from tenure.core.validation import checked

        given = checked(self.settings_type, settings, where, at=("targets", self.name)) if settings else {}
        if "take_rate" in given:
            if "save_rate" in given:
                raise DefinitionError(
                    f"{where}: [targets.{self.name}] says both save_rate and take_rate, which are one. Leave one out."
                )
            given["save_rate"] = given.pop("take_rate")
        options = {key: given.pop(key, value) for key, value in self.options.items()}
        otherwise = self.otherwise.override(settings, where) if self.otherwise else None
        own = replace(self, **given, options=options, otherwise=otherwise)
        # An end may come by the grace after the window, and a return by the grace after it.
        return replace(own, label_lag_days=max(own.label_lag_days, 2 * int(options.get("grace_days", 0))))

    @property
    def settings_type(self) -> Any:
        """What may stand in ``[targets.<name>]``: numbers, options, features that only raise or only lower, the estimator."""
        from tenure.core.validation import COUNT, NUMBER, expects, table, tables

        kinds = {int: COUNT, float: NUMBER, str: str}
        own = {name: getattr(self, name) for name in (*DAYS, *ECONOMICS)} | dict(self.options)
        way = Annotated[Literal[1, -1], expects("1 (only raises) or -1 (only lowers)")]
        monotone = tables(way, f"[targets.{self.name}.monotone]")
        further = {"monotone": monotone, "estimator": str} | ({} if self.stake == "saved" else {"take_rate": NUMBER})
        return table(self.name, {name: kinds[type(value)] for name, value in own.items()} | further)


def answers(about: Mapping[str, Any], target: Target) -> bool:
    """Say whether a model, by its ``about``, answers the target's question as it is defined now.

    A model without a fingerprint of its definition is older than they are: its question and its days must be the same.
    """
    if "definition" in about:
        return bool(about["definition"] == target.fingerprint)
    asked = {"question": target.describe()} | {name: getattr(target, name) for name in WINDOW}
    return all(about.get(name) == value for name, value in asked.items())
