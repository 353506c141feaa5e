"""What users write, checked against types: all problems in our words, at their place."""

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from tenure.core.errors import DefinitionError, UsageError
from tenure.core.validation import COUNT, NUMBER, checked, json_schema, refusal, table, tables


def refuse(given):
    raise ValueError("one is wrong", "so is the other")


DAY = Annotated[table("day", {"hours": COUNT}), AfterValidator(lambda given: given and refuse(given))]
KIND = table(
    "top", {"rate": NUMBER, "day": DAY, "free": dict[str, Any], "named": tables(table("one", {"n": int}), "[named.x]")}
)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rate": {"a": 1}}, "rate is {'a': 1}: expected a number, not negative."),
        ({"rate": float("inf")}, "rate is inf: expected a number, not negative."),
        ({"free": "{x}"}, "free is '{x}': expected a table, as in [free]."),
        ({"named": 3}, "named is 3: expected a table, as in [named.x]."),
        ({"named": {"a b": {"m": 1}}}, "[named.\"a b\"]: Key 'm' is not defined. Defined: n."),
        ({"named": {"a": {"n": True}}}, "[named.a] n is True: expected a whole number."),
        ({"rat": 1}, "Key 'rat' is not defined. Defined: day, free, named, rate. Did you mean 'rate'?"),
    ],
)
def test_one_problem_is_one_line(given, said):
    with pytest.raises(DefinitionError) as refused:
        checked(KIND, given, "here")
    assert str(refused.value) == f"here: {said} Correct it and run again."


def test_a_check_of_ours_may_find_several_problems_of_a_table():
    with pytest.raises(UsageError) as refused:
        checked(KIND, {"day": {"hours": 1}}, "here", at=("shop",), advice="Ask.", error=UsageError)
    assert (
        str(refused.value) == "here: 2 problems:\n  - [shop.day]: one is wrong.\n  - [shop.day]: so is the other.\nAsk."
    )


def test_what_is_given_comes_back_in_its_order_and_kind():
    given = {"named": {"b": {}, "a": {"n": 2}}, "rate": 1, "free": {"x": [1]}}
    found = checked(KIND, given, "here")
    assert repr(found) == repr(given) and json_schema(KIND)["additionalProperties"] is False
    assert refusal("here", ["a?"], "Go.") == "here: a? Go."
