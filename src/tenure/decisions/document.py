"""The sections ``[decisions]``, ``[channels]``, ``[actions]`` and ``[audiences]`` of a ``source.toml``, as a policy."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from tenure.core.errors import DefinitionError, LeakageError, NotEnoughDataError, UnknownNameError
from tenure.core.plugins import with_plugins
from tenure.core.validation import COUNT, NUMBER, checked, expects, refusal, table, tables
from tenure.decisions.action import DAYS_OF_WEEK, Action, Audience, Channel, Follow, People, Policy, Rules, Trigger
from tenure.decisions.candidates import IN_BRACES, text_of
from tenure.features.expression import OBSERVED_COLUMNS, check_columns, columns_of, is_aggregate, parse_expression
from tenure.sources.contract import CONSENT, STAGED_TABLES, staged_table
from tenure.sources.source import Source
from tenure.targets.catalogue import targets_of

NAME = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$"), expects("a name: lower-case letters, digits and '_'")]
SHARE = Annotated[int | float, Field(ge=0, lt=1), expects("a share, from 0 to less than 1")]
PART = Annotated[int | float, Field(ge=0, le=1), expects("a share, from 0 to 1")]
DAYS = Annotated[int, Field(ge=1), expects("days, 1 or more")]
CHANGE = Annotated[int | float, Field(gt=-1), expects("a share of the price, as -0.1 for a tenth less")]
_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


def _quiet(given: list[str]) -> tuple[str, ...]:
    wrong = [each for each in given if each not in DAYS_OF_WEEK and not _HOURS.fullmatch(each)]
    if wrong or sum("-" in each for each in given) > 1:
        raise ValueError(f"expected days ({', '.join(DAYS_OF_WEEK)}) and at most one span of hours, as in 21:00-08:00")
    if {*DAYS_OF_WEEK} <= {*given}:
        raise ValueError("expected a day of the week on which something may be sent: all seven are quiet")
    return tuple(given)


def _at_most(given: dict[str, int]) -> dict[int, int]:
    if wrong := [days for days in given if not days.isdecimal() or int(days) < 1]:
        raise ValueError(f"{wrong[0]!r}: expected days, as in {{ 7 = 2, 30 = 5 }}")
    return {int(days): count for days, count in given.items()}


_UNLESS: Any = table("unless", {"table": str, "expression": str})
UNLESS: Any = Annotated[_UNLESS, AfterValidator(lambda given: _made(Trigger, given, "table", "expression"))]
_TRIGGER: Any = table(
    "on",
    {
        "table": str, "expression": str, "becomes": str, "date": str, "days": DAYS, "after_days": int, "yearly": bool,
        "unless": UNLESS,
    },
)  # fmt: skip
TRIGGER: Any = Annotated[_TRIGGER, AfterValidator(lambda given: _trigger(given))]
FOLLOW: Any = Annotated[
    table("then", {"action": str, "after_days": DAYS, "unless": UNLESS}),
    AfterValidator(lambda given: _made(Follow, given, "action", "after_days")),
]
TOPICS = Annotated[list[str], AfterValidator(tuple)]
PEOPLE: Any = table(
    "people",
    {
        "stake": NUMBER, "discount": NUMBER, "uncertain": bool, "topics": TOPICS, "best": str, "never": TOPICS,
        "without": COUNT,
    },
)  # fmt: skip
SECTIONS: dict[str, Any] = {
    "decisions": table(
        "decisions",
        {
            "hold_out": SHARE, "explore": SHARE, "explore_total": SHARE, "waves": COUNT, "budget": NUMBER,
            "at_most": Annotated[tables(COUNT, "{ 7 = 2, 30 = 5 }"), AfterValidator(_at_most)],
            "quiet": Annotated[list[str], AfterValidator(_quiet)],
            "people": Annotated[PEOPLE, AfterValidator(lambda given: People(**given))],
        },
    ),
    "channels": tables(
        table("channel", {"cost": NUMBER, "consent": str, "per_day": COUNT}), "[channels.email]", key=NAME
    ),
    "actions": tables(
        table(
            "action",
            {
                "says": str, "moves": str, "when": str, "on": TRIGGER, "then": FOLLOW, "channels": list[str],
                "cost": NUMBER, "if_taken": NUMBER, "take_up": PART, "effect": PART, "worth": NUMBER,
                "price": CHANGE,
                "tier": Literal["automatic", "sample", "approve"], "rest_days": COUNT, "per_day": COUNT,
                "expires_after": DAYS, "valid_days": DAYS, "service": bool, "who": str, "content": str,
            },
        ),
        "[actions.save_call]",
        key=NAME,
    ),
    "audiences": tables(table("audience", {"when": str, "says": str}), "[audiences.vip_silent]", key=NAME),
}  # fmt: skip


def _made(kind: Any, given: Mapping[str, Any], *needed: str) -> Any:
    if missing := [name for name in needed if name not in given]:
        raise ValueError(f"no {' and no '.join(missing)}")
    return kind(**given)


def _trigger(given: Mapping[str, Any]) -> Trigger:
    kinds = [name for name in ("expression", "becomes", "date") if name in given]
    if len(kinds) != 1:
        said = " and ".join(kinds) or "none of them"
        raise ValueError(f"expected one of expression (rows arrive), becomes, date; found {said}")
    others = {"expression": {"unless"}, "becomes": set(), "date": {"after_days", "yearly"}}
    fits = {*kinds, "table", "days", *others[kinds[0]]} - ({"table"} if kinds == ["date"] else set())
    if strange := sorted({*given} - fits):
        raise ValueError(f"{kinds[0]} goes with {', '.join(sorted(fits - {*kinds}))}, not with {', '.join(strange)}")
    return Trigger(**given) if kinds != ["expression"] else _made(Trigger, given, "table", "expression")


def read_policy(source: Source) -> Policy:
    """Read what a source says of its actions, all of it checked but for the columns that ``when`` names.

    Actions of installed packages and of files in the source's folder come beside those of its TOML.

    Raises
    ------
    NotEnoughDataError : it declares no action.
    DefinitionError : an unknown key, name or table, a value of the wrong kind, two actions of one name; all in one
        message.
    """
    given = {name: checked(kind, getattr(source, name), source.where, at=(name,)) for name, kind in SECTIONS.items()}
    problems: list[str] = []
    actions = with_plugins(_actions(given["actions"], problems), "actions", Action, source.folder)
    if not (actions or problems):
        raise NotEnoughDataError(
            f"{source.name} declares no action. Expected one at least; write [actions.<name>] with says, moves, when "
            f"and channels into {source.where}."
        )
    named = {name for action in actions.values() for name in action.channels}
    channels = {name: Channel(**{"name": name, "consent": name} | values) for name, values in given["channels"].items()}
    audiences = {name: Audience(name, **({"when": "false"} | values)) for name, values in given["audiences"].items()}
    problems += [f"[audiences.{name}]: no when" for name, values in given["audiences"].items() if "when" not in values]
    problems += [text for action in actions.values() for text in _problems(source, action, actions, channels)]
    for section, group in (("actions", actions.values()), ("audiences", audiences.values())):
        problems += [text for each in group for text in _condition(f"[{section}.{each.name}] when", each.when)]
    problems += _consents(source, channels.values(), named)
    rules = Rules(**given["decisions"])
    problems += _condition("[decisions.people] best", rules.people.best)
    cheapest = min(
        (a.cost + channels[c].cost for a in actions.values() for c in a.channels if c in channels), default=0
    )
    if rules.budget is not None and rules.budget < cheapest:
        problems.append(
            f"[decisions] budget is {rules.budget}: expected at least {cheapest:g}, what the cheapest contact costs"
        )
    if problems:
        raise DefinitionError(refusal(source.where, problems))
    return Policy(rules, channels, actions, audiences)


def check_policy(source: Source) -> None:
    """Check what a source says of its actions, before anything is staged; one that says nothing is right.

    Raises
    ------
    DefinitionError : as ``read_policy``.
    """
    if any(getattr(source, name) for name in SECTIONS):
        with suppress(NotEnoughDataError):
            read_policy(source)


def _actions(given: Mapping[str, dict[str, Any]], problems: list[str]) -> dict[str, Action]:
    found = {}
    for name, values in given.items():
        if missing := [key for key in ("says", "channels") if not values.get(key)]:
            problems.append(f"[actions.{name}]: no {' and no '.join(missing)}")
            continue
        try:
            found[name] = Action(**{"name": name} | values | {"channels": tuple(values["channels"])})
        except DefinitionError as error:
            problems.append(str(error))
    return found


def _problems(
    source: Source, action: Action, actions: Mapping[str, Action], channels: Mapping[str, Channel]
) -> list[str]:
    """Say what an action names that is not there."""
    place = f"[actions.{action.name}]"
    found = [
        f"{place} channels: {UnknownNameError('Channel', c, channels)}" for c in action.channels if c not in channels
    ]
    targets, followed = targets_of(source), {each.then.action for each in actions.values() if each.then}
    if action.moves and action.moves not in targets:
        found.append(f"{place} moves: {UnknownNameError('Target', action.moves, targets)}")
    if action.then and action.then.action not in actions:
        found.append(f"{place} then: {UnknownNameError('Action', action.then.action, actions)}")
    if action.price is not None and action.price < -source.margin_rate:
        found.append(
            f"{place} price is {action.price:g}: expected {-source.margin_rate:g} or more, for the margin is "
            f"{source.margin_rate:g} of the price (margin_rate)"
        )
    if action.price is not None and action.valid_days is None:
        found.append(f"{place}: a price without valid_days. Expected until when it holds")
    try:
        text_of(action.content)
    except DefinitionError as error:
        found.append(f"{place} content: {error}")
    if not (action.when or action.on or action.name in followed):
        found.append(f"{place}: nothing opens it. Expected when, on, or another action's then")
    unless = (action.on.unless if action.on else None, action.then.unless if action.then else None)
    for key, trigger in (("on", action.on), ("on.unless", unless[0]), ("then.unless", unless[1])):
        try:
            if trigger:
                _check_trigger(source, trigger, f"{place} {key}")
        except (DefinitionError, LeakageError, UnknownNameError) as error:
            found.append(str(error))
    return found


def _check_trigger(source: Source, trigger: Trigger, place: str) -> None:
    if trigger.of_columns:
        if problems := _condition(place, trigger.of_columns):
            raise DefinitionError(problems[0])
        return
    expression = trigger.expression or trigger.becomes
    dated = {name for name, table in STAGED_TABLES.items() if table.is_dated}
    if trigger.table not in dated:
        raise DefinitionError(f"{place}: {UnknownNameError('Table of dated facts', trigger.table, dated)}")
    mapped = source.tables.get(trigger.table)
    own = (*mapped.attributes, *mapped.extra) if mapped else ()
    parsed = parse_expression(expression, place)
    check_columns(parsed, (*staged_table(trigger.table).column_names, *own, *OBSERVED_COLUMNS), place)
    if not is_aggregate(parsed):
        raise DefinitionError(f"{place}: {expression!r} is no aggregate. Expected one, as in count(*) > 0.")


def _condition(place: str, when: str) -> list[str]:
    """Say what is wrong with a condition: it asks one customer, without a clock, a subquery or an aggregate."""
    try:
        if when and is_aggregate(parse_expression(when, place)):
            return [f"{place}: {when!r} holds an aggregate. Expected a condition on one customer"]
    except DefinitionError as error:
        return [str(error)]
    return []


def check_when(policy: Policy, columns: Collection[str], where: str) -> None:
    """Check that every condition on columns, and every date, names those of ``scored_customers`` or the features.

    Raises
    ------
    DefinitionError : a column that neither has, with the nearest names.
    """
    asked = [(f"[audiences.{one.name}] when", one.when) for one in policy.audiences.values()]
    for action in policy.actions.values():
        asked.append((f"[actions.{action.name}] when", action.when))
        asked.append((f"[actions.{action.name}] on", action.on.of_columns if action.on else ""))
        asked += [(f"[actions.{action.name}] content", text) for text in IN_BRACES.findall(action.content)]
    asked.append(("[decisions.people] best", policy.rules.people.best))
    wrong = [
        f"{place}: {UnknownNameError('Column', column, columns)}"
        for place, text in asked
        if text
        for column in columns_of(parse_expression(text, place))
        if column not in columns
    ]
    if wrong:
        raise DefinitionError(refusal(where, wrong))


def of_scored(policy: Policy, columns: Collection[str], targets: Collection[str]) -> Policy:
    """Open to nobody what asks by the scores of a target that was not scored: it waits, the others do not."""

    def opened(when: str) -> str:
        missing = {column for column in columns_of(parse_expression(when or "true", "when")) if column not in columns}
        waits = any(column.startswith(tuple(f"{target}_" for target in targets)) for column in missing)
        return "false" if waits else when

    def triggered(on: Trigger | None) -> Trigger | None:
        return on and (replace(on, becomes=opened(on.becomes)) if on.becomes and not on.table else on)

    actions = {name: replace(one, when=opened(one.when), on=triggered(one.on)) for name, one in policy.actions.items()}
    audiences = {name: replace(one, when=opened(one.when)) for name, one in policy.audiences.items()}
    return replace(policy, actions=actions, audiences=audiences)


def _consents(source: Source, channels: Collection[Channel], named: Collection[str]) -> list[str]:
    """Refuse a channel whose consent nobody is known to have been asked for: absence is no consent."""
    mapped = source.tables.get("customers")
    if mapped is None:  # files with the staged names need no mapping: what they hold is seen when it is decided
        return []
    asked = [name.removeprefix(CONSENT) for name in mapped.attributes if name.startswith(CONSENT)]
    return [
        f"[channels.{each.name}] consent: {UnknownNameError('Consent', each.consent, asked)} "
        'Write consent = "" only where none is needed'
        for each in channels
        if each.name in named and each.consent and each.consent not in asked
    ]
