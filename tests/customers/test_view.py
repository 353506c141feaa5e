"""What is told of a customer beside the scores, on tables that can be checked by eye."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import DefinitionError
from tenure.customers.catalogue import all_attributes
from tenure.customers.view import customer_view

AS_OF = date(2024, 4, 1)
POINTS = (
    "customer_id occurred_at known_at event points tier",
    "ana 2024-01-10 2024-01-10 earned 100 silver",
    "ana 2024-03-31T23:59 2024-03-31T23:59 redeemed 30 -",  # the last minute before the as-of
    "ana 2024-04-01 2024-04-01 earned 1000 gold",  # the as-of's midnight: unknown
    "bob 2024-03-01 2024-04-02 earned 50 silver",  # known too late
)


def view(root, customers=("ana", "bob"), **tables):
    return customer_view(staged(root, **tables), AS_OF, pd.DataFrame({"customer_id": customers}))


def test_a_facet_sees_what_had_happened_and_was_known_before_the_as_of(tmp_path):
    told = view(tmp_path, loyalty=POINTS).customers.set_index("customer_id")
    assert told.loc["ana", "loyalty_points"] == 70 and told.loc["ana", "loyalty_tier"] == "silver"
    assert told.loc["bob"].isna().all()


def test_a_facet_whose_table_is_missing_is_not_told_and_says_so(tmp_path):
    told = view(tmp_path, order_lines=("customer_id occurred_at order_id amount", "ana 2024-01-10 o1 10"))
    assert told.unavailable["loyalty_programme"] == "needs loyalty, which the source does not have as of 2024-04-01"
    assert "loyalty_points" not in told.customers and "loyalty_programme" not in {c.name for c in told.columns}


def test_every_attribute_comes_after_those_it_builds_on_and_explains_its_columns():
    seen: list[str] = []
    columns = []
    for name, attribute in all_attributes().items():
        assert {*attribute.after, *attribute.beside} <= {*seen}
        seen.append(name)
        columns += attribute.columns
    assert len({column.name for column in columns}) == len(columns)
    assert all(column.meaning.endswith(".") for column in columns)


ORDERS = ("customer_id occurred_at order_id amount", "ana 2024-01-10 o1 10", "ana 2024-02-10 o2 10")
BASKETS = """
from tenure.customers.attribute import AttributeColumn, CustomerAttribute

def build(facts, customers):
    table = facts.query("SELECT customer_id, count(*) AS lines FROM order_lines GROUP BY customer_id")
    return {returned}

ATTRIBUTE = CustomerAttribute("baskets", ("order_lines",), (AttributeColumn("{column}", "count", "Lines."),), build{more})
"""


def brought(root, *, returned="table, {}", column="lines", more=""):
    facts = staged(root, order_lines=ORDERS)
    (root / "attributes").mkdir()
    (root / "attributes" / "baskets.py").write_text(BASKETS.format(returned=returned, column=column, more=more))
    facts = replace(facts, source=replace(facts.source, folder=root))
    return customer_view(facts, AS_OF, pd.DataFrame({"customer_id": ["ana"]}))


def test_an_attribute_in_a_file_of_the_source_adds_its_columns_and_tables(tmp_path):
    told = brought(tmp_path, returned='table, {"line_counts": table}')
    assert told.customers["lines"].tolist() == [2] and told.tables["line_counts"]["lines"].tolist() == [2]
    assert "lines" in {column.name for column in told.columns} and "baskets" not in all_attributes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"returned": "table"}, "baskets: build returned DataFrame. Expected a table of customer_id"),
        ({"column": "line"}, "baskets: its column 'line' is not in what build returned"),
        ({"column": "customer_id"}, "baskets: its column 'customer_id' is there already"),
        (
            {"returned": 'table, {"rfm_migration": table}', "more": ', beside=("rfm",)'},
            "its table 'rfm_migration' is there",
        ),
        ({"more": ', after=("rmf",)'}, "baskets, after: Customer attribute 'rmf' is not defined.*Did you mean 'rfm'"),
        ({"more": ', after=("baskets",)'}, "Customer attributes baskets, baskets come after each other"),
    ],
)
def test_an_attribute_that_is_not_what_it_declares_is_one_clear_message(tmp_path, wrong, message):
    with pytest.raises(DefinitionError, match=message):
        brought(tmp_path, **wrong)
