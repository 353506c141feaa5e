"""Every definition there is has a form in Spark's SQL; what would mean something else there is refused by name."""

import pytest

from tenure.core.errors import DefinitionError
from tenure.features.catalogue import feature_views
from tenure.features.expression import parse_expression
from tenure.features.row_wise import ROW_FEATURES
from tenure.snapshots.engines.spark.expression import to_spark, way_of, within
from tenure.targets.catalogue import all_targets

DEFINITIONS = {
    **{f.name: f.expression for view in feature_views() for f in view.features},
    **{f.name: f.expression for f in ROW_FEATURES},
    **{
        f"{t.name} {n}": t.fill(c.expression)
        for t in all_targets().values()
        for n, c in enumerate((*t.eligible, t.outcome))
    },
}


def test_no_definition_of_the_catalogue_is_refused():
    assert len(DEFINITIONS) > 120
    for name, expression in DEFINITIONS.items():
        assert to_spark(parse_expression(expression, name), name)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("median(amount)", r"Feature x: MEDIAN\(amount\) \(median\) .* Expected median\(CAST"),
        ("max(cast(amount as integer))", r"\(cast\) .* Expected a cast to DOUBLE"),
        ("sum(round(amount, 1))", r"ROUND\(amount, 1\)"),
        ("latest(upper(status))", r"UPPER\(status\)"),
        ("count(*) filter (where status like 'f%')", r"\(like\)"),
        ("max(amount // 2)", r"\(intdiv\)"),
        ("count(distinct order_id, product_id)", r"DISTINCT .* \(distinct\)"),
        ("count(order_id, product_id)", r"COUNT\(order_id, product_id\) \(count\)"),
        ("latest(distinct status)", r"DISTINCT status \(distinct\)"),
    ],
)
def test_what_would_mean_something_else_is_refused_by_name(expression, words):
    with pytest.raises(DefinitionError, match=words):
        to_spark(parse_expression(expression, "x"), "Feature x")


def test_a_window_limits_every_aggregate_of_an_expression():
    parsed = parse_expression("count(*) filter (where a or b) - max(c)", "x")
    found = to_spark(within(parsed, 30), "x")
    assert found == (
        "(COUNT(*) FILTER(WHERE (`a` OR `b`) AND `age_days` <= 30) - MAX(`c`) FILTER(WHERE `age_days` <= 30))"
    )
    assert to_spark(parsed, "x") == "COUNT(*) FILTER(WHERE `a` OR `b`) - MAX(`c`)"


@pytest.mark.parametrize(
    ("expression", "way"),
    [
        ("sum(amount) filter (where quantity > 0) / count(*)", "plain"),
        ("max(amount) - min(age_days)", "plain"),
        ("count(*) - count(distinct order_id)", "sets"),
        ("median(cast(amount as double))", "sets"),
        ("max(channel)", "states"),
        ("count(distinct order_id) + latest(quantity)", "states"),
        ("sum(distinct exp(-age_days / 7.0)) / count(*)", "sets"),
        ("stddev_pop(distinct age_days) filter (where quantity > 0)", "sets"),
        ("sum(distinct amount)", "distinct"),
    ],
)
def test_the_way_spark_aggregates_is_told_from_the_expression(expression, way):
    assert way_of(parse_expression(expression, "x"), {"channel", "order_id"}) == way
