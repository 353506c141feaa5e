"""Which raw columns become texts of the contract, ids above all: they stay the text that stands in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlglot
from sqlglot import exp

# What hands a text on, whole or in part. Through anything else, such as a comparison, no text passes.
HANDED_ON = (
    exp.Alias, exp.Paren, exp.Coalesce, exp.Nullif, exp.Case, exp.If, exp.DPipe, exp.Concat, exp.ConcatWs, exp.Trim,
    exp.Upper, exp.Lower, exp.Replace, exp.RegexpReplace, exp.RegexpExtract, exp.Substring, exp.Left, exp.Right,
    exp.Pad, exp.SplitPart, exp.Max, exp.Min, exp.AnyValue, exp.First, exp.Last, exp.Greatest, exp.Least,
)  # fmt: skip
# Whose first argument is a text: who reads a column so means what the file says, even where all of its values are dates.
READS_TEXT = (
    exp.StrToTime, exp.RegexpReplace, exp.RegexpExtract, exp.RegexpLike, exp.RegexpFullMatch, exp.Like, exp.ILike,
    exp.StartsWith, exp.EndsWith, exp.Contains, exp.Replace, exp.Upper, exp.Lower, exp.Trim, exp.Pad, exp.Substring,
    exp.Left, exp.Right, exp.Split, exp.SplitPart, exp.StrPosition, exp.Length,
)  # fmt: skip
READS_TEXT_BY_NAME = ("try_strptime", "strlen", "strip_accents")


def text_columns(expressions: Iterable[str]) -> set[str]:
    """Name, in lower case, the columns whose value becomes that of one of the expressions as a text.

    Examples
    --------
    >>> sorted(text_columns(["coalesce(merged_into, id)", "CASE WHEN age > 30 THEN 'old' ELSE name END"]))
    ['id', 'merged_into', 'name']
    """
    parsed = [_parsed(f"SELECT {sql}") for sql in expressions]
    selects = [select for select in parsed if isinstance(select, exp.Select)]
    return {name for select in selects for name in _carried(select.selects[0])}


def read_as_text(expressions: Iterable[str]) -> set[str]:
    """Name, in lower case, the columns that some expression reads as a text.

    Examples
    --------
    >>> sorted(read_as_text(["try_strptime(day, '%d/%m/%Y')", "quantity * price"]))
    ['day']
    """
    parsed = [_parsed(f"SELECT {sql}") for sql in expressions]
    return {name for select in parsed if select for name in _read_as_text(select)}


def mentioned_in(query: str) -> set[str] | None:
    """Name, in lower case, the columns that a query mentions; None where a star, or SQL nobody can parse, may be any."""
    parsed = _parsed(query)
    if not parsed or parsed.find(exp.Star):
        return None
    return {column.name.lower() for column in parsed.find_all(exp.Column)}


def written_in(query: str, outputs: Iterable[str]) -> dict[str, str]:
    """Map those of a query's outputs that its first SELECT makes by itself to the SQL that makes them."""
    parsed = _parsed(query)
    while isinstance(parsed, exp.SetOperation):
        parsed = parsed.this
    made = parsed.selects if isinstance(parsed, exp.Select) else []
    by_name = {projection.alias_or_name: projection.unalias().sql(dialect="duckdb") for projection in made}
    return {name: by_name[name] for name in outputs if name in by_name}


def text_columns_of_query(query: str, outputs: Iterable[str]) -> set[str]:
    """Name, in lower case, the columns anywhere in a query that become its ``outputs`` as texts, or are read as texts.

    Columns of one name are one here, whatever table they stand in: what is compared with an id is a text as well.
    """
    wanted = {name.lower() for name in outputs}
    if not (parsed := _parsed(query)):
        return wanted
    wanted |= set(_read_as_text(parsed))
    while True:
        found = wanted | _step(parsed, wanted)
        if found == wanted:
            return wanted
        wanted = found


def _step(query: exp.Expr, wanted: set[str]) -> set[str]:
    found: set[str] = set()
    for select in query.find_all(exp.Select):
        # In a union the first SELECT names the columns of all.
        for name, projection in zip(_names(select), select.selects, strict=False):
            if name in wanted:
                found |= set(_carried(projection))
    for compared in query.find_all(exp.EQ, exp.NEQ, exp.In):
        sides = {name for side in _sides(compared) for name in _carried(side)}
        if sides & wanted:
            found |= sides
    return found


def _sides(compared: exp.Expr) -> Iterator[exp.Expr]:
    for side in compared.iter_expressions():
        yield from side.this.selects if isinstance(side, exp.Subquery) else (side,)


def _names(select: exp.Select) -> list[str]:
    first: exp.Expr = select
    while isinstance(first.parent, exp.SetOperation):
        first = first.parent
    while isinstance(first, exp.SetOperation):
        first = first.this
    named = first if isinstance(first, exp.Select) else select
    return [projection.alias_or_name.lower() for projection in named.selects]


def _read_as_text(parsed: exp.Expr) -> Iterator[str]:
    for node in parsed.find_all(exp.Cast, exp.Anonymous, *READS_TEXT):
        if isinstance(node, exp.Cast):
            yield from _carried(node)
        elif isinstance(node, exp.Anonymous):
            if node.name.lower() in READS_TEXT_BY_NAME and node.expressions:
                yield from _carried(node.expressions[0])
        else:
            yield from _carried(node.this)


def _carried(node: exp.Expr) -> Iterator[str]:
    """Yield the columns whose text a node hands on."""
    if isinstance(node, exp.Column):
        yield node.name.lower()
    elif isinstance(node, exp.Cast):
        if node.to.is_type("text", "varchar"):
            yield from _carried(node.this)
    elif isinstance(node, exp.If):
        for part in (node.args.get("true"), node.args.get("false")):
            if part:
                yield from _carried(part)
    elif isinstance(node, exp.Case):
        for part in (*node.args["ifs"], node.args.get("default")):
            if part:
                yield from _carried(part)
    elif isinstance(node, exp.Window):
        yield from _carried(node.this)
    elif isinstance(node, HANDED_ON):
        for part in node.iter_expressions():
            yield from _carried(part)


def _parsed(sql: str) -> exp.Expr | None:
    """Parse SQL; what cannot be parsed is told where it is run."""
    try:
        return sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return None
