"""Who may be asked at a cutoff, in SQL that DuckDB and Spark both read: the conditions of all targets put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from tenure.core.sql import literal
from tenure.features.derived import DERIVED
from tenure.features.expression import columns_of, parse_expression
from tenure.targets.definition import Condition, Target


@dataclass(frozen=True)
class Asked:
    """A condition with its target's numbers filled in: a yes or no of a customer at a cutoff, aggregated like features.

    ``lead_days``: where the outcome window begins, for what a derived table says of it; ``place`` says in messages
    whose condition it is.
    """

    table: str
    expression: str
    window_days: int | None
    lead_days: int
    place: str = field(compare=False)

    @classmethod
    def of(cls, target: Target, condition: Condition) -> Asked:
        expression = f"coalesce({target.fill(condition.expression)}, false)"
        lead = target.lead_days if condition.table in DERIVED else 0
        return cls(condition.table, expression, target.days_of(condition), lead, f"Target {target.name}")

    @property
    def name(self) -> str:
        """A column's name: no text of the expression, whose capitals SQL would not tell apart."""
        told = repr((self.table, self.expression, self.window_days, self.lead_days))
        return f"asked {blake2b(told.encode(), digest_size=8).hexdigest()}"

    @property
    def used(self) -> tuple[str, ...]:
        """The columns of the table it reads."""
        return columns_of(parse_expression(self.expression, self.place))


def asked_of(targets: Iterable[Target]) -> list[Asked]:
    """List the conditions of targets, each once."""
    return list(dict.fromkeys(Asked.of(target, condition) for target in targets for condition in target.eligible))


def population(targets: Sequence[Target], answers: Callable[[Asked], str], named: Callable[[str], str]) -> str:
    """Give the SQL of ``customer_id, cutoff, eligible__<target> ...``: one row per customer who may be asked anything.

    ``answers`` gives a condition's ``customer_id, cutoff, yes`` of the customers with rows; ``named`` quotes a name.
    """
    parts = [f"SELECT customer_id, cutoff, {literal(t.name)} AS target FROM ({_eligible(t, answers)})" for t in targets]
    flags = ", ".join(f"bool_or(target = {literal(t.name)}) AS {named('eligible__' + t.name)}" for t in targets)
    return f"""
        SELECT customer_id, cutoff, {flags}
        FROM ({" UNION ALL ".join(parts)})
        GROUP BY customer_id, cutoff
    """


def _eligible(target: Target, answers: Callable[[Asked], str]) -> str:
    """Give the SQL of ``customer_id, cutoff``, one row per customer of whom every condition holds.

    Who has no rows where a condition says yes to that is kept by taking away those whose rows say no.
    """
    kept: list[str] = []
    taken: list[str] = []
    for condition in target.eligible:
        asked = Asked.of(target, condition)
        rows = answers(asked)
        sets, answer = (taken, "NOT yes") if condition.when_no_rows else (kept, "yes")
        sets.append(f"(SELECT customer_id, cutoff FROM ({rows}) WHERE {answer})")
    return " EXCEPT ".join([f"({' INTERSECT '.join(kept)})", *taken])
