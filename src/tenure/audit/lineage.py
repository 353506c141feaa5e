"""What a feature is made of, and how much of a model's lift features carry."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from tenure.core.auc import auc_with_interval
from tenure.features.catalogue import tables_of
from tenure.features.definition import PRODUCT_COLUMNS, FeatureColumn
from tenure.features.derived import DERIVED
from tenure.features.expression import columns_of, parse_expression
from tenure.models.training_result import TrainingResult

# What an order line gains by its product => the column of products it comes from.
OF_PRODUCTS = dict(zip(PRODUCT_COLUMNS, ("category", "brand"), strict=True))


def columns_read(column: FeatureColumn, by_name: Mapping[str, FeatureColumn]) -> dict[str, set[str] | None]:
    """Map the staged tables a feature is made from to the columns it reads; None is any, as of a derived table."""
    if not column.is_row_wise:
        (table,) = tables_of(column, by_name)
        names = set(columns_of(parse_expression(column.expression, column.name)))
        products = {OF_PRODUCTS[name] for name in names & OF_PRODUCTS.keys()} if table == "order_lines" else set()
        own = None if column.table in DERIVED else names - OF_PRODUCTS.keys()
        return {table: own} | ({"products": products} if products else {})
    read: dict[str, set[str] | None] = {}
    for name in column.inputs:
        for table, more in columns_read(by_name[name], by_name).items():
            former = read.get(table, set())
            read[table] = None if more is None or former is None else former | more
    return read


def made_from(columns: Collection[FeatureColumn], tables: Collection[str]) -> list[str]:
    """Name the features that are made from any of some tables."""
    by_name = {column.name: column for column in columns}
    return [column.name for column in columns if columns_read(column, by_name).keys() & {*tables}]


def lift_carried(result: TrainingResult, names: Collection[str]) -> float:
    """Say which share of a model's AUC above .5, at T, is lost without the contributions of some features.

    Contributions are exact and add up to the log-odds, so what is left ranks customers by the other features alone. A
    model without any lift stands on nothing: 1.
    """
    others = [place for place, name in enumerate(result.model.feature_names) if name not in names]
    if len(others) == len(result.model.feature_names):
        return 0.0
    labels, contributions = result.sample["label"].to_numpy(dtype=int), result.contributions
    if not 0 < labels.sum() < len(labels):
        return 1.0
    lift, left = (
        auc_with_interval(labels, s.sum(axis=1)).value - 0.5 for s in (contributions, contributions[:, others])
    )
    return float(np.clip(1 - left / lift, 0, 1)) if lift > 0 else 1.0
