"""A definition cannot look where it must not."""

from datetime import date

import pytest

from tables import write_csv
from tenure.core.errors import DefinitionError, LeakageError, UnknownNameError
from tenure.core.workspace import Workspace
from tenure.features.catalogue import available_columns
from tenure.features.definition import Feature, FeatureView
from tenure.features.expression import columns_needed, parse_expression
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.source import parse_source
from tenure.steps.opening import open_run

NOTHING = parse_source("", name="shop", where="test")
ALL = dict.fromkeys(STAGED_TABLES, ())


def view(expression: str) -> FeatureView:
    feature = Feature("x", expression, windows_days=(30,), when_no_rows=0, unit="count", meaning="A test.", noun="x")
    return FeatureView("payments", "payments", (feature,))


@pytest.mark.parametrize("expression", ["max(occurred_at)", "count(*) filter (where known_at > DATE '2024-01-01')"])
def test_a_feature_that_names_a_date_is_refused(expression):
    with pytest.raises(LeakageError, match="cuts the window"):
        view(expression)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("sum(amunt)", "Did you mean 'amount'"),
        ("count(*) filter (where status = (select 'failed'))", "subquery|select"),
        ("sum(amount) + random()", "Function 'rand"),
        ("max(amount) over ()", "window"),
        ("sum(amount", "not readable SQL"),
        ("amount", "does not aggregate"),
        ("max(current_date)", "Function"),
        ("count(*) from payments", "not one expression"),
    ],
)
def test_an_expression_that_reaches_beyond_its_rows_is_refused(expression, words):
    with pytest.raises((DefinitionError, UnknownNameError), match=words):
        view(expression)


def test_the_catalogue_has_at_least_eighty_columns_each_with_words_for_a_reader():
    columns, unavailable = available_columns(NOTHING, ALL, {})
    assert len(columns) >= 80 and not unavailable
    assert len({column.name for column in columns}) == len(columns)
    assert all(column.meaning.endswith(".") and column.driver for column in columns)
    assert sum(bool(column.noun) for column in columns) >= 80  # the rest count for their driver, another feature speaks


def test_a_missing_table_is_said_never_zero():
    columns, unavailable = available_columns(NOTHING, {"order_lines": ()}, {})
    assert {column.table for column in columns} == {"order_lines", ""}
    assert any("payments: the source has no such table" in line for line in unavailable)
    assert any(line.startswith("usage_of_allowance_30d: needs") for line in unavailable)


def test_a_column_without_a_value_is_said_never_zero():
    columns, unavailable = available_columns(NOTHING, {"order_lines": ()}, {"order_lines": {"product_id", "discount"}})
    names = {column.name for column in columns}
    assert not {"count_products_28d", "products_per_order", "discount_share_90d"} & names
    assert {"count_orders_28d", "mean_piece_price", "count_categories_28d"} <= names
    assert "count_products: no row of order_lines has product_id" in unavailable
    assert "discount_share: no row of order_lines has discount" in unavailable
    assert "products_per_order: needs count_products" in unavailable


@pytest.mark.parametrize(
    ("expression", "needed"),
    [
        ("count(distinct order_id) filter (where quantity > 0)", ("order_id", "quantity")),
        ("count(*) filter (where arm is null or arm = 'treated')", ()),
        ("latest(term_days) filter (where event = 'upgraded' and term_days is not null)", ("term_days", "event")),
        ("count(*) filter (where not (term_days is null))", ("term_days",)),
        ("count(*) filter (where is_gift is true)", ("is_gift",)),
        ("count(*) filter (where not coalesce(is_gift, false))", ()),
        ("sum(coalesce(discount, 0) * quantity)", ("quantity",)),
        ("sum(amount - coalesce(cast(discount as double), 0))", ("amount",)),
        ("sum(coalesce(amount, discount))", ()),
        ("sum(case when discount > 0 then discount else amount end)", ()),
        ("count(*) filter (where brand = 'ours' or quantity > 1)", ()),
        ("coalesce(sum(discount), 0)", ("discount",)),  # speaks of no rows, not of rows without a discount
        ("case when sum(discount) > 0 then 1 else 0 end", ("discount",)),
    ],
)
def test_a_feature_needs_a_column_unless_it_says_what_its_absence_means(expression, needed):
    assert columns_needed(parse_expression(expression, "test")) == needed


GIFTS = """
[[features]]
table = "order_lines"
name = "count_gifts"
expression = "count(*) filter (where is_gift)"
windows_days = [90]
when_no_rows = 0
unit = "count"
meaning = "Gift orders."
"""


def test_a_source_brings_features_of_its_own():
    source = parse_source(GIFTS, name="shop", where="test")
    columns, _ = available_columns(source, {"order_lines": ("order_id", "is_gift")}, {})
    assert "count_gifts_90d" in {column.name for column in columns}


def test_a_unit_nobody_knows_is_refused_with_those_there_are():
    misspelt = parse_source(GIFTS.replace('"count"', '"counts"'), name="shop", where="test")
    with pytest.raises(DefinitionError, match=r"count_gifts: unit is 'counts', expected one of count, days, currency"):
        available_columns(misspelt, {"order_lines": ("order_id", "is_gift")}, {})


@pytest.mark.parametrize("absent", ["'random()'", "nan", "inf"])
def test_absence_of_a_number_that_is_no_number_is_told(tmp_path, absent):
    workspace = Workspace(tmp_path)
    write_csv(
        workspace.raw("shop") / "order_lines.csv", "customer_id occurred_at order_id amount", "ana 2024-01-05 1 9"
    )
    (workspace.raw("shop") / "source.toml").write_text(
        '[[features]]\ntable = "order_lines"\nname = "count_gifts"\nexpression = "count(*)"\nwindows_days = [30]\n'
        f'when_no_rows = {absent}\nunit = "count"\nmeaning = "Gifts."\n'
    )
    run = open_run("shop", workspace=str(tmp_path))
    with pytest.raises(
        DefinitionError, match=r"count_gifts_30d: when_no_rows is .*Expected a number, as the feature is one"
    ):
        run.snapshots.build_features([date(2024, 2, 1)])
