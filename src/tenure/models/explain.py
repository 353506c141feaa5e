"""Why a customer has their propensity: exact contributions, turned into three reasons with numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tenure.models.model import FeatureMeaning, PropensityModel

REASONS = 3
UP, DOWN = "▲", "▼"
# A number so near its usual value reads the same, and gives a reader no reason.
AS_USUAL = 0.02
# Of a driver's strongest feature: one that counts for less does not speak for it, however unusual its value is.
COUNTS = 0.1
# From so many days on a reason speaks of years.
YEARS_FROM_DAYS, DAYS_A_YEAR = 1000, 365.25


def driver_contributions(model: PropensityModel, contributions: np.ndarray) -> pd.DataFrame:
    """Add contributions up by business driver: one row per customer, one column per driver, in log-odds."""
    drivers = [meaning.driver for meaning in model.meanings]
    return pd.DataFrame(contributions[:, :-1], columns=pd.Index(drivers)).T.groupby(level=0).sum().T


def reasons(model: PropensityModel, table: pd.DataFrame, contributions: np.ndarray | None = None) -> pd.DataFrame:
    """Give each row its three main reasons in words, one per driver, the strongest first.

    features => reason_1, reason_2, reason_3 (▲ raises, ▼ lowers the propensity), same index.

    Features of one driver repeat each other, so drivers are ranked by their summed contribution and each speaks through
    its strongest feature, by choice one that counts whose value is known and not the usual one; where a model has fewer
    than three drivers the next strongest features fill up. A value that is unknown comes after those that are known.
    """
    if contributions is None:
        contributions = model.contributions(table)
    chosen = _choose(model, contributions[:, :-1], _worth_saying(model, table))
    columns = {}
    for rank in range(REASONS):
        picked = chosen[:, rank]
        columns[f"reason_{rank + 1}"] = _in_words(model, table, contributions, picked)
    return pd.DataFrame(columns, index=table.index)


def _worth_saying(model: PropensityModel, table: pd.DataFrame) -> np.ndarray:
    """Rate each value as something to be told: 0 unknown, 1 a number as usual, 2 any other. => rows x features"""
    worth = np.empty((len(table), len(model.meanings)))
    for place, meaning in enumerate(model.meanings):
        values = table[meaning.name]
        worth[:, place] = np.where(values.notna(), 2, 0)
        if isinstance(meaning.usual, float) and pd.api.types.is_numeric_dtype(values):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            worth[np.abs(numbers - meaning.usual) <= AS_USUAL * abs(meaning.usual), place] = 1
    return worth


def _choose(model: PropensityModel, contributions: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Choose the index of three features per row; ``worth`` as ``_worth_saying`` gives it."""
    drivers = np.array([meaning.driver for meaning in model.meanings])
    speaks = np.array([bool(meaning.noun) for meaning in model.meanings])
    names = list(dict.fromkeys(drivers))
    rows, strength = np.arange(len(contributions)), np.abs(contributions)
    leaders, sums = [], []
    for name in names:
        members = np.flatnonzero(drivers == name)
        total = contributions[:, members].sum(axis=1)
        agrees = np.sign(contributions[:, members]) == np.sign(total)[:, None]
        counts = strength[:, members] >= COUNTS * np.where(agrees, strength[:, members], 0).max(axis=1, keepdims=True)
        # Who speaks for a driver: asked first is what pulls the driver's way, then what has words, then what says most.
        by_rank = {
            "pulls the driver's way": agrees,
            "has words": speaks[members],
            "known, not usual": np.where(counts, worth[:, members], 0),
            "strength": strength[:, members],
        }
        keys = [-np.where(agrees, key, 0) for key in reversed(by_rank.values())]
        leaders.append(members[np.lexsort(keys, axis=1)[:, 0]])
        sums.append(np.abs(total))
    order = np.argsort(-np.stack(sums, axis=1), axis=1, kind="stable")
    by_driver = np.stack(leaders, axis=1)[rows[:, None], order][:, :REASONS]
    if by_driver.shape[1] == REASONS:
        return _known_first(by_driver, strength, worth)
    remaining = np.where(speaks, strength, strength * 1e-6)
    np.put_along_axis(remaining, by_driver, -1.0, axis=1)
    rest = np.argsort(-remaining, axis=1, kind="stable")[:, : REASONS - by_driver.shape[1]]
    filled = _known_first(np.concatenate([by_driver, rest], axis=1), strength, worth)
    # A model of one or two features has no third reason: the last one stands again and is dropped as repeated.
    return np.pad(filled, ((0, 0), (0, REASONS - filled.shape[1])), mode="edge")


def _known_first(picked: np.ndarray, strength: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Put features whose value is known before the others; where none is, the strongest that is takes the last place."""
    counts = np.where(worth > 0, strength, 0)
    picked = picked.copy()
    silent = (np.take_along_axis(worth, picked, axis=1) == 0).all(axis=1) & (counts > 0).any(axis=1)
    picked[silent, -1] = counts[silent].argmax(axis=1)
    is_unknown = np.take_along_axis(worth, picked, axis=1) == 0
    return np.take_along_axis(picked, np.argsort(is_unknown, axis=1, kind="stable"), axis=1)


def _in_words(model: PropensityModel, table: pd.DataFrame, contributions: np.ndarray, picked: np.ndarray) -> list[str]:
    currency = str(model.about.get("currency", ""))
    words = []
    values = {index: table[model.meanings[index].name].to_numpy() for index in np.unique(picked)}
    for row, index in enumerate(picked):
        arrow = UP if contributions[row, index] > 0 else DOWN
        words.append(f"{arrow} {phrase(model.meanings[index], values[index][row], currency)}")
    return words


def phrase(meaning: FeatureMeaning, value: object, currency: str = "") -> str:
    """Say one feature's value as a marketer reads it: "2 failed payments in 30 days, usually 0"."""
    window = (
        ""
        if meaning.window_days is None or "since" in meaning.noun or "last year" in meaning.noun
        else f" in {meaning.window_days} days"
    )
    if meaning.unit == "category":
        kind, usual = _kind(value), _kind(meaning.usual)
        return f"{meaning.noun or _name_in_words(meaning)} is {kind}" + (
            f", usually {usual}" if usual not in ("unknown", kind) else ""
        )
    numbers = [float(number) for number in (value, meaning.usual) if not pd.isna(number)]  # type: ignore[arg-type]  # numeric by its unit
    # An age of 14,610 days says nothing to a reader.
    is_years = meaning.unit == "days" and not pd.isna(value) and min(map(abs, numbers)) >= YEARS_FROM_DAYS
    numbers = [round(number / DAYS_A_YEAR, 1) for number in numbers] if is_years else numbers
    shown = [format_number(number, meaning.unit, currency) for number in numbers]
    usual = "" if meaning.usual is None else f", usually {shown.pop()}"
    if not shown:
        return f"{_label(meaning)}{window}: unknown{usual}"
    if not meaning.noun:  # its name may carry its window
        return f"{_name_in_words(meaning)}: {shown[0]}{usual}"
    is_one, unit = shown[0] == "1", "year" if is_years else "day"
    unit = "" if meaning.unit != "days" else f" {unit}" if is_one else f" {unit}s"
    return f"{shown[0]}{unit} {inflected(meaning.noun, is_one=is_one)}{window}{usual}"


def inflected(noun: str, *, is_one: bool = False) -> str:
    """Write a noun in its number: ``visit{s}`` is visit or visits, ``categor{ies|y}`` categories or category.

    >>> inflected("failed payment{s}"), inflected("categor{ies|y}", is_one=True)
    ('failed payments', 'category')
    """
    return re.sub(r"\{(\w+)\|?(\w*)\}", r"\2" if is_one else r"\1", noun)


def _kind(value: object) -> str:
    """Write a category's value.

    A number that stands for a kind (a household's size, a year) keeps its digits as they are.
    """
    if pd.isna(value):
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_number(value: float, unit: str, currency: str = "") -> str:
    """Write a number in its unit, with no more digits than a reader can use.

    >>> format_number(0.24, "share"), format_number(1234.5, "currency", "EUR"), format_number(0.123, "ratio")
    ('24%', 'EUR 1,234.50', '0.12')
    """
    if unit == "share":
        return f"{value:.0%}"
    if unit == "currency":
        return f"{currency} {value:,.2f}".strip()
    if value == int(value):
        return f"{value:,.0f}"
    if unit == "count":
        return f"{value:,.1f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2g}"


def importance(model: PropensityModel, contributions: np.ndarray) -> pd.DataFrame:
    """Rank features by mean absolute contribution. => feature, driver, noun, mean_abs (log-odds), descending"""
    table = pd.DataFrame(
        {
            "feature": model.feature_names,
            "driver": [meaning.driver for meaning in model.meanings],
            "noun": [_label(meaning) for meaning in model.meanings],
            "mean_abs": np.abs(contributions[:, :-1]).mean(axis=0),
        }
    )
    return table.sort_values(["mean_abs", "feature"], ascending=[False, True], ignore_index=True)


def labels_of(meanings: Sequence[FeatureMeaning]) -> list[str]:
    """Give each feature a short readable label, for an axis or a table's row."""
    return [
        f"{_label(meaning)} ({meaning.window_days} d)" if meaning.noun and meaning.window_days else _label(meaning)
        for meaning in meanings
    ]


def _label(meaning: FeatureMeaning) -> str:
    """Name a feature without a value: what stands before its noun in a reason, "4 days" or "24 %", is its unit here."""
    noun = inflected(meaning.noun).removeprefix("is ") or _name_in_words(meaning)
    if meaning.unit == "days" and meaning.noun and not noun.startswith("days "):
        return f"days {noun}"
    return f"share {noun}" if meaning.unit == "share" and noun.startswith("of ") else noun


def _name_in_words(meaning: FeatureMeaning) -> str:
    return meaning.name.replace("_", " ")
