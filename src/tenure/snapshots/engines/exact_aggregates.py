"""Sums, means and deviations that come to the same bits in whatever order threads add their rows up.

Features are rounded to nine digits when they leave the engine, which nearly always hides the last bits of a sum of
floats: of a million customers' values one lies so close to where rounding turns that it shows. The audit compares
snapshots to the bit, so none may.

A sum of floats is taken in three parts: multiples of 2^-10, what is left in multiples of 2^-40, and the rest. The sums
of the first two are exact (up to 2^43, and 2^23 rows), and the rest is too small for its order to show. A deviation of
exact numbers is worked out from their count, sum and sum of squares, as integers.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp, parse_one

from tenure.features.expression import DEVIATIONS, to_duckdb
from tenure.snapshots.engines.bucket_plan import digits, is_exact

FLOATS = ("DOUBLE", "FLOAT")
COARSE, FINE = 1 << 10, 1 << 40


def exactly(parsed: exp.Expression, type_of: Callable[[str], str]) -> exp.Expression:
    """Give an expression whose aggregates know no order, as far as they can be written so: not over distinct values.

    ``type_of`` gives DuckDB's type of an expression over the rows.
    """

    def rewrite(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Filter | exp.AggFunc):
            return node
        aggregate = node.this if isinstance(node, exp.Filter) else node
        if not isinstance(aggregate, (exp.Sum, exp.Avg, *DEVIATIONS)) or isinstance(
            aggregate.this, exp.Distinct | exp.Order
        ):
            return node
        where = f" FILTER (WHERE {to_duckdb(node.expression.this)})" if isinstance(node, exp.Filter) else ""
        value = to_duckdb(aggregate.this)
        written = _written(aggregate, value, where, type_of(value))
        return exp.paren(parse_one(written, dialect="duckdb")) if written else node

    return parsed.transform(rewrite)


def _written(aggregate: exp.AggFunc, value: str, where: str, kind: str) -> str:
    """Write an aggregate in DuckDB's SQL; nothing where the engine's own is exact, or no exact one is known."""
    if isinstance(aggregate, DEVIATIONS):
        return _deviation(value, where, kind, of_all=isinstance(aggregate, exp.StddevPop)) if is_exact(kind) else ""
    if kind not in FLOATS:
        return ""
    total = _sum_of_floats(f"CAST({value} AS DOUBLE)", where)
    return f"({total}) / count({value}){where}" if isinstance(aggregate, exp.Avg) else total


def _sum_of_floats(value: str, where: str) -> str:
    coarse = f"floor({value} * {COARSE}) / {COARSE}"
    left = f"({value} - {coarse})"
    fine = f"floor({left} * {FINE}) / {FINE}"
    first, *others = (f"sum({part}){where}" for part in (coarse, fine, f"{left} - {fine}"))
    # Of infinity and NaN nothing is left to be told apart.
    return f"CASE WHEN isfinite({first}) THEN {first} + ({' + '.join(others)}) ELSE {first} END"


def _deviation(value: str, where: str, kind: str, *, of_all: bool) -> str:
    scale = digits(kind)[1]
    whole = f"CAST(({value}) * {10**scale} AS HUGEINT)" if scale else f"CAST({value} AS HUGEINT)"
    count, total, squares = (
        f"{taken}{where}" for taken in (f"count({value})", f"sum({whole})", f"sum({whole} * {whole})")
    )
    spread = f"CAST({count} * {squares} - {total} * {total} AS DOUBLE)"
    freedom = count if of_all else f"({count} - 1)"
    return f"CASE WHEN {freedom} > 0 THEN sqrt({spread} / CAST({count} * {freedom} AS DOUBLE)) / {10**scale} END"
