"""A refusal for lack of outcomes says what would suffice, and only where that is true."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.core.errors import NotEnoughDataError
from tenure.targets.catalogue import all_targets
from tenure.targets.sufficiency import check_positives

LAPSE = all_targets()["lapse"]
COUNTS = st.integers(0, 400).flatmap(
    lambda rows: st.fixed_dictionaries({"rows": st.just(rows), "positives": st.integers(0, min(rows, 60))})
)


def refusal(fitting, test):
    try:
        check_positives(LAPSE, fitting, test)
    except NotEnoughDataError as error:
        return str(error)
    return ""


@given(COUNTS, COUNTS)
def test_so_many_times_as_many_customers_do_suffice_and_clearly_fewer_do_not(fitting, test):
    found = re.search(r"About ([\d.]+) times as many customers would suffice", refusal(fitting, test))
    if not found:
        return
    tenths = round(10 * float(found[1]))
    more, fewer = (
        [{name: count * times // 10 for name, count in block.items()} for block in (fitting, test)]
        for times in (tenths, tenths - 2)
    )
    assert not refusal(*more)
    assert refusal(*fewer)


@given(COUNTS, COUNTS)
def test_no_number_of_customers_is_promised_where_a_class_was_never_seen(fitting, test):
    is_of_one_class = any(block["positives"] in (0, block["rows"]) for block in (fitting, test))
    message = refusal(fitting, test)
    assert bool(message) >= is_of_one_class
    assert ("would suffice" in message) == (bool(message) and not is_of_one_class)


@pytest.mark.parametrize(
    ("fitting", "test", "message"),
    [
        ((9, 9), (9, 9), r"lapse: 9 of 9 eligible rows .* of the fitting block .* there is no other class"),
        ((90, 30), (9, 0), r"lapse: 0 of 9 eligible rows .* of the test block .* there is no other class"),
        ((90, 40), (0, 0), r"no customer of the test block may be asked"),
        (
            (90, 28),
            (30, 8),
            r"28 of 90 .*fitting block.* Expected at least 30. About 1.3 times as many",
        ),  # for the test
    ],
)
def test_a_refusal_names_the_block_and_what_it_lacks(fitting, test, message):
    blocks = [dict(zip(("rows", "positives"), block, strict=True)) for block in (fitting, test)]
    assert re.search(message, refusal(*blocks))


def test_enough_of_both_classes_is_not_refused():
    assert not refusal({"rows": 31, "positives": 30}, {"rows": 11, "positives": 10})
