"""All features there are, and those a source can answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, get_args

from tenure.core.errors import DefinitionError
from tenure.features.customers import VIEW as REGISTRATION
from tenure.features.definition import (
    EVER,
    Feature,
    FeatureColumn,
    FeatureView,
    Unit,
    columns_of_view,
)
from tenure.features.derived import SUBSCRIPTIONS, empty_columns_of, staged_name
from tenure.features.expression import columns_needed, parse_expression
from tenure.features.row_wise import ROW_FEATURES
from tenure.sources.contract import CONSENT, STAGED_TABLES
from tenure.sources.source import Source
from tenure.sources.staged_source import TableSummary

UNITS = get_args(Unit)
_TOML_KEYS = ("table", "name", "expression", "windows_days", "when_no_rows", "unit", "meaning", "noun", "driver")


def feature_views() -> tuple[FeatureView, ...]:
    """Gather the view of every staged or derived table that has a file here, in the order of the contract."""
    package = __name__.rsplit(".", maxsplit=1)[0]
    modules = {module.name for module in iter_modules(import_module(package).__path__)}
    return tuple(
        import_module(f"{package}.{table}").VIEW for table in (*STAGED_TABLES, SUBSCRIPTIONS) if table in modules
    )


def feature_names(source: Source) -> set[str]:
    """Name every feature of the catalogue and of the source's own TOML, whichever the source can answer."""
    catalogue = {feature.name for view in feature_views() for feature in view.features}
    return catalogue | {feature.name for feature in ROW_FEATURES} | {str(own.get("name")) for own in source.features}


def source_views(
    source: Source, staged_columns: Mapping[str, tuple[str, ...]], customers: TableSummary | None = None
) -> tuple[FeatureView, ...]:
    """Make the views that the source itself brings: ``[[features]]`` of its TOML, and its customers' attributes.

    ``customers`` tells which attributes are dates, and which are nearly one a customer.

    Raises
    ------
    DefinitionError : an entry lacks a key, or its expression breaks a rule.
    """
    views: list[FeatureView] = []
    for entry in source.features:
        place = f"{source.where} [[features]] {entry.get('name', '(no name)')}"
        missing = [key for key in _TOML_KEYS[:-2] if key not in entry and key != "when_no_rows"]
        unknown = [key for key in entry if key not in _TOML_KEYS]
        if missing or unknown:
            raise DefinitionError(f"{place}: missing {missing}, unknown {unknown}. Expected {', '.join(_TOML_KEYS)}.")
        if wrong := _of_another_kind(entry):
            raise DefinitionError(f"{place}: {'; '.join(wrong)}.")
        table, name = entry["table"], entry["name"]
        given = {"noun": name.replace("_", " "), "driver": table} | entry
        given["windows_days"] = tuple(entry["windows_days"]) or (EVER,)
        feature = Feature(**{key: value for key, value in given.items() if key != "table"})
        views.append(FeatureView(table, table, (feature,), extra_columns=staged_columns.get(table, ())))
    attributes = _attribute_view(staged_columns.get("customers", ()), customers, feature_names(source))
    return (*views, attributes) if attributes.features else tuple(views)


def _of_another_kind(entry: Mapping[str, Any]) -> list[str]:
    """Say what of an entry is no text, no list of days, no value."""
    wrong = []
    for key, value in entry.items():
        if key == "windows_days":
            is_right = isinstance(value, list) and all(type(days) is int and days > 0 for days in value)
            expected = "a list of days, as in [30, 90]"
        elif key == "when_no_rows":
            is_right, expected = isinstance(value, int | float | str), "a number or a text"
        elif key == "unit":
            is_right, expected = value in UNITS, f"one of {', '.join(UNITS)}"
        else:
            is_right, expected = isinstance(value, str), "a text"
        if not is_right:
            wrong.append(f"{key} is {value!r}, expected {expected}")
    return wrong


def _attribute_view(columns: Iterable[str], customers: TableSummary | None, taken: Collection[str]) -> FeatureView:
    """Make a feature of each attribute of a customer. Consent travels with the scores; it does not explain them.

    ``taken`` are the names of other features.
    """
    ages, left_out = (customers.ages, customers.near_unique) if customers else ((), ())
    attributes = tuple(
        name
        for name in columns
        if name not in ("customer_id", "occurred_at", "known_at", *left_out) and not name.startswith(CONSENT)
    )
    features = tuple(_age(name, taken) if name in ages else _attribute(name) for name in attributes)
    return FeatureView("customers", "who they are", features, extra_columns=attributes)


def _attribute(name: str) -> Feature:
    words = name.replace("_", " ")
    return Feature(
        f"customer_{name}", f'latest("{name}")',
        unit="category", meaning=f"The customer's {words}, as known at the cutoff.", noun=words,
    )  # fmt: skip


def _age(name: str, taken: Collection[str]) -> Feature:
    """Make the days from a date to the cutoff: those from it to its row, and those from the row to the cutoff."""
    words, days = name.replace("_", " "), f'latest(CAST("{name}" AS DOUBLE) + age_days)'
    own = f"days_since_{name}"
    return Feature(
        own if own not in taken else f"days_since_customer_{name}", f"CASE WHEN {days} >= 0 THEN {days} END",
        unit="days", noun=f"since {words}",
        meaning=f"Days from the customer's {words} to the cutoff, as known there; unknown where it lies after it.",
    )  # fmt: skip


def available_columns(
    source: Source,
    staged_columns: Mapping[str, tuple[str, ...]],
    empty_columns: Mapping[str, Collection[str]],
    customers: TableSummary | None = None,
) -> tuple[list[FeatureColumn], list[str]]:
    """List the feature columns a source can answer, and say in one line each what it cannot.

    ``staged_columns`` maps each staged table that has rows to its columns, ``empty_columns`` to those without a value
    in any row, ``customers`` is what staging that table came to. A feature on a missing table or an empty column, or one made of such a feature, is left out: it is never
    silently zero.

    Raises
    ------
    DefinitionError : two features make a column of the same name.
    """
    columns: dict[str, FeatureColumn] = {}
    near_unique = customers.near_unique if customers else ()
    unavailable = [f"customer_{name}: nearly as many texts as customers" for name in near_unique]
    for view in (*feature_views(), *source_views(source, staged_columns, customers)):
        if staged_name(view.table) not in staged_columns:
            count = len(list(columns_of_view(view)))
            unavailable.append(f"{count} feature{'s'[: count - 1]} of {view.table}: the source has no such table")
            continue
        if view is REGISTRATION and customers and (customers.is_static or customers.first_day == customers.last_day):
            unavailable.append(
                f"{view.features[0].name}: no row of customers has a day of its own, only their export's"
            )
            continue
        answered, unanswered = _answered(view, empty_columns_of(view.table, empty_columns))
        unavailable += unanswered
        for column in columns_of_view(answered):
            if column.name in columns:
                raise DefinitionError(f"Feature column {column.name} is defined twice. Rename one.")
            columns[column.name] = column
    for feature in ROW_FEATURES:
        if lacking := [name for name in feature.inputs if name not in columns]:
            unavailable.append(f"{feature.name}: needs {', '.join(lacking)}")
        else:
            columns[feature.name] = feature
    return list(columns.values()), unavailable


def _answered(view: FeatureView, empty: Collection[str]) -> tuple[FeatureView, list[str]]:
    """Split a view into the features its filled columns answer, and a line for each set of empty columns needed."""
    by_lacking: dict[tuple[str, ...], list[Feature]] = {}
    for feature in view.features:
        needed = columns_needed(parse_expression(feature.expression, feature.name))
        by_lacking.setdefault(tuple(name for name in needed if name in empty), []).append(feature)
    answered = by_lacking.pop((), [])
    lines = [
        f"{', '.join(feature.name for feature in features)}: no row of {view.table} has {', '.join(columns)}"
        for columns, features in by_lacking.items()
    ]
    return replace(view, features=tuple(answered)), lines


def longest_window(column: FeatureColumn, columns: Mapping[str, FeatureColumn]) -> int:
    """Return the days of history a column needs: its own window, or the longest of its inputs; 0 for a state."""
    if column.is_row_wise:
        return max(longest_window(columns[name], columns) for name in column.inputs)
    return column.window_days or 0


def tables_of(column: FeatureColumn, columns: Mapping[str, FeatureColumn]) -> set[str]:
    """Return the staged tables a column is made from."""
    if column.is_row_wise:
        return set().union(*(tables_of(columns[name], columns) for name in column.inputs))
    return {staged_name(column.table)}


def describe(column: FeatureColumn) -> dict[str, Any]:
    """Return a column's entry in the data dictionary."""
    window = "whole history" if column.window_days is None else f"{column.window_days} days"
    return {
        "feature": column.name,
        "driver": column.driver,
        "table": column.table,
        "window": "row-wise" if column.is_row_wise else window,
        "unit": column.unit,
        "when_no_rows": "unknown" if column.when_no_rows is None else column.when_no_rows,
        "meaning": column.meaning,
        "expression": column.expression,
    }
