"""Values that users write, in a TOML or as parameters: pydantic gathers all problems, one message says them.

pydantic takes a while to import: whoever needs this imports it in the function that checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WrapValidator
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import TypedDict, is_typeddict

from tenure.core.errors import DefinitionError, TenureError, UnknownNameError

# What pydantic's kinds of errors expected; of any other kind its own message is shown.
EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "literal_error": "{expected}",
    "expected": "{words}",
    "list_type": "a list",
    "dict_type": "a table, as in {table}",
}
ADVICE = "Correct it and run again."
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def table(name: str, keys: Mapping[str, Any]) -> Any:
    """Make the type of a table: each of its keys may be absent, another key is refused, no value is converted."""
    new: Any = TypedDict  # a checker of types wants the keys spelt out
    made = new(name, dict(keys), total=False)
    made.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return Annotated[made, WrapValidator(_in_order)]


def _in_order(given: Any, validate: Callable[[Any], Any]) -> Any:
    """Keep the order in which the keys were written."""
    valid = validate(given)
    return {key: valid[key] for key in given}


def tables(kind: Any, example: str, key: Any = str) -> Any:
    """Make the type of a table of any keys whose values are of one kind, with an example of how it is written."""

    def check(given: Any) -> Any:
        if not isinstance(given, dict):
            raise PydanticCustomError("expected", "{words}", {"words": f"a table, as in {example}"})
        return given

    return Annotated[dict[key, kind], BeforeValidator(check)]


def expects(words: str) -> WrapValidator:
    """Annotate a type with what it expects, in words: whatever is wrong with a value is then one problem."""

    def check(given: Any, validate: Callable[[Any], Any]) -> Any:
        try:
            return validate(given)
        except ValidationError:
            raise PydanticCustomError("expected", "{words}", {"words": words}) from None

    return WrapValidator(check)


NUMBER = Annotated[int | float, Field(ge=0), expects("a number, not negative")]
COUNT = Annotated[int, Field(ge=0), expects("a whole number, not negative")]


def checked(
    kind: Any,
    given: Any,
    where: str,
    *,
    at: tuple[str, ...] = (),
    noun: str = "Key",
    advice: str = ADVICE,
    error: type[TenureError] = DefinitionError,
) -> Any:
    """Return what is given, as its type has it. ``where`` names the file, ``at`` the table in it, ``noun`` its keys.

    Raises
    ------
    DefinitionError, or another ``error`` : all problems in one message: where, what was found, what was expected.
    """
    try:
        return _adapter(kind).validate_python(given)
    except ValidationError as invalid:
        problems = [text for found in invalid.errors() for text in _problems(found, kind, at, noun)]
    raise error(refusal(where, problems, advice))


@lru_cache(maxsize=32)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def json_schema(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type."""
    return _adapter(kind).json_schema()


def refusal(where: str, problems: Iterable[str], advice: str = ADVICE) -> str:
    """Put all problems of one place into one message.

    Examples
    --------
    >>> refusal("shop.toml", ["margin_rate is 'x': expected a number"])
    "shop.toml: margin_rate is 'x': expected a number. Correct it and run again."
    """
    ended = [text if text.endswith((".", "?")) else f"{text}." for text in problems]
    if len(ended) == 1:
        return f"{where}: {ended[0]} {advice}"
    return "\n  - ".join([f"{where}: {len(ended)} problems:", *ended]) + f"\n{advice}"


def _problems(found: ErrorDetails, kind: Any, at: tuple[str, ...], noun: str) -> list[str]:
    """Say one error of pydantic in our words; a check of our own may have found several problems at one place."""
    loc = tuple(map(str, found["loc"]))
    is_key = loc[-1:] == ("[key]",)
    loc = loc[:-1] if is_key else loc
    here, above = (*at, *loc), (*at, *loc[:-1])
    if found["type"] == "extra_forbidden":
        unknown = UnknownNameError(noun, loc[-1], _keys(kind, loc[:-1]))
        return [f"{_place(above, is_table=True)}: {unknown}".removeprefix(": ")]
    context = found.get("ctx", {})
    if found["type"] == "value_error":
        place = _place(here, is_table=isinstance(found["input"], dict))
        return [f"{place}: {text}".removeprefix(": ") for text in context["error"].args]
    context["table"] = _place(here, is_table=True)
    expected = EXPECTED[found["type"]].format(**context) if found["type"] in EXPECTED else found["msg"]
    return [f"{_place(here, is_table=False)} is {'no name' if is_key else repr(found['input'])}: expected {expected}"]


def _place(path: tuple[str, ...], *, is_table: bool) -> str:
    """Name a place as the TOML does: ``[order_lines] amount``, ``[order_lines]`` of a table, nothing of the whole."""
    written = [key if _BARE_KEY.fullmatch(key) else f'"{key}"' for key in path]
    if is_table:
        return f"[{'.'.join(written)}]" if written else ""
    return f"[{'.'.join(written[:-1])}] {written[-1]}" if written[1:] else written[0]


def _keys(kind: Any, path: tuple[str, ...]) -> Iterable[str]:
    """List the keys that a table within a type may have."""
    while get_origin(kind) is Annotated:
        kind = kind.__origin__
    keys: dict[str, Any] = kind.__annotations__ if is_typeddict(kind) else {}
    if not path:
        return keys
    return _keys(keys[path[0]] if keys else get_args(kind)[1], path[1:])
