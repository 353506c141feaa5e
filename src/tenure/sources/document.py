"""What may stand in a ``source.toml``: types of its keys, which make the checks, the messages and the JSON Schema."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from functools import cache, partial
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from tenure.core.errors import UnknownNameError
from tenure.core.time_windows import Grid
from tenure.core.validation import expects, json_schema, table, tables
from tenure.sources.contract import CONSENT, STAGED_TABLES, StagedTable
from tenure.sources.raw_mapping import RawFile, TableMapping
from tenure.sources.retention import NAMES

SQL = Annotated[str, expects('an SQL expression as text, as in "\'web\'" or "price"')]
TEXTS = Annotated[
    str | list[str],
    AfterValidator(lambda given: (given,) if isinstance(given, str) else tuple(given)),
    expects("a text, or a list of texts"),
]
COLUMN_NAME = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$"), expects("lower-case letters, digits and '_'")]
LESS_THAN_ALL = Annotated[float, Field(ge=0, lt=1), expects("a number from 0 to less than 1")]
NUMBER = Annotated[int | float, expects("a number")]
DAYS = Annotated[int, Field(ge=1), expects("days, 1 or more")]
HISTORY = Annotated[int, expects("a number of days")]
FEATURES = Annotated[list[dict[str, Any]], expects("an array of tables, as in [[features]]")]
RULES = Annotated[dict[str, Any], expects("a table, as in [decisions]")]
QUERY = Annotated[str, expects("one SELECT statement as text")]
CHANNEL = Annotated[str, Field(pattern="^[a-z0-9_]+$"), expects("a channel: lower-case letters, digits and '_'")]
TABLE_SETTINGS = {
    "from",
    "one_of",
    "query",
    "attributes",
    "consent",
    "extra",
    "key",
    "max_rejected_share",
    "max_no_customer_share",
}
DATED = {
    "customer_id": "who: the customer's id",
    "occurred_at": "when it happened, in the business's time",
    "known_at": "when it became known; by default when it happened",
}


# Python looks through all files of its time zones each time it is asked.
_zones = cache(available_timezones)


def _zone(name: str) -> str:
    if name in _zones():
        return name
    tail = name.rsplit("/", maxsplit=1)[-1].lower()[:4]
    similar = [known for known in _zones() if tail in known.lower()][:8]
    raise UnknownNameError("Time zone", name, similar or ["UTC", "Europe/Berlin"])


DAY = Annotated[
    date | str, AfterValidator(lambda given: str(date.fromisoformat(str(given)))), expects("a day, as in 1995-01-31")
]
ZONE = Annotated[str, AfterValidator(_zone)]
# key: its type, what it says.
SETTINGS: dict[str, tuple[Any, str]] = {
    "name": (str, "the name of the source's folder"),
    "title": (str, "what it is, in one line"),
    "currency": (str, "of all amounts, as in EUR"),
    "timezone": (ZONE, "of the business: its days begin there"),
    "raw_timezone": (ZONE, "of the timestamps in the raw files, where it is another"),
    "earliest_day": (DAY, "before which nothing happened: older dates are rejected"),
    "cutoff_grid": (Grid, "how far cutoffs lie apart, where the data's length is not to say"),
    "min_history_days": (HISTORY, "history a fitting cutoff has behind it, at least"),
    "margin_rate": (NUMBER, "share of revenue that is margin"),
    "published": (str, "where the data is published"),
    "licence": (str, "under which it may be used"),
    "note": (str, "what a reader of its reports should know"),
    "owner": (str, "who owns its models on an MLflow server that others use, too"),
    "pseudonymise": (bool, "name customers by a keyed hash from staging on"),
    "require_proof": (bool, "no model becomes champion whose lift features carry that no replay can prove"),
    "retention": (table("retention", dict.fromkeys(NAMES, DAYS)), "days for which facts, scores and reports are kept"),
    "targets": (tables(dict[str, Any], "[targets.lapse]"), "a target's own numbers"),
    "attributes": (tables(dict[str, Any], "[attributes.rfm]"), "a customer attribute's own settings"),
    "measure": (table("measure", {"horizon_days": DAYS}), "days after a contact in which an old campaign is measured"),
    "features": (FEATURES, "features on extra columns"),
    "decisions": (RULES, "the rules by which it is decided who gets which action"),
    "channels": (tables(dict[str, Any], "[channels.email]"), "by which ways customers are reached, and at what cost"),
    "actions": (tables(dict[str, Any], "[actions.save_call]"), "what the company can do to a customer"),
    "audiences": (tables(dict[str, Any], "[audiences.vip_silent]"), "lists of customers without an action"),
}  # fmt: skip


RAW: dict[str, tuple[Any, str]] = {
    "known_at": (SQL, "when each of its rows was known"),
    "url_env": (str, "the environment variable that holds a server's address"),
    "delimiter": (str, "of a delimited file, where it is not found from the file"),
    "quote": (str, "of a delimited file, where it is not found from the file"),
    "encoding": (str, "of a text file, where it is not UTF-8"),
    "skip": (
        Annotated[int, Field(ge=0), expects("a number of lines")],
        "lines above the one with the names of columns",
    ),
    "stop": (str, "reading ends before the first line whose first cell that is not empty begins so"),
}


def _said(keys: dict[str, tuple[Any, str]]) -> dict[str, Any]:
    return {key: Annotated[kind, Field(description=meaning)] for key, (kind, meaning) in keys.items()}


def _section(staged: StagedTable) -> Any:
    """Make the type of one staged table's section, which becomes a ``TableMapping``."""
    columns = (DATED if staged.is_dated else {}) | {column.name: column.meaning for column in staged.columns}
    expressions = partial(tables, SQL, '{ name = "column" }')
    keys = {name: (SQL, meaning) for name, meaning in columns.items()} | {
        "from": (TEXTS, "the raw file; a list of files, or a pattern as in orders_*.csv, is read one below the other"),
        "one_of": (TEXTS, "raw files of which the first that is present is read, instead of from"),
        "query": (QUERY, "SELECT over the raw files, instead of from"),
        "extra": (expressions(key=COLUMN_NAME), "further columns"),
        "key": (TEXTS, "columns that tell rows apart: of rows alike in them the first is kept"),
        "max_rejected_share": (LESS_THAN_ALL, "a larger share of rows that cannot be read ends the staging"),
        "max_no_customer_share": (LESS_THAN_ALL, "a larger share of rows without a customer ends the staging"),
    }  # fmt: skip
    if staged.name == "customers":
        keys["attributes"] = (expressions(key=COLUMN_NAME), "what is known of a customer; they become features")
        keys["consent"] = (expressions(key=CHANNEL), "by channel: whether the customer may be contacted there")
    made = table(staged.name, _said(keys))
    return Annotated[made, BeforeValidator(partial(_refuse_misplaced, keys)), AfterValidator(partial(_mapping, staged))]


def _refuse_misplaced(keys: Collection[str], given: Any) -> Any:
    if isinstance(given, dict) and ({"attributes", "consent"} - set(keys)) & given.keys():
        raise ValueError("attributes and consent belong to [customers]; use extra here")
    return given


def _mapping(staged: StagedTable, given: dict[str, Any]) -> TableMapping:
    """Make the mapping of a section whose single values are right; check what they say together."""
    known = {*TABLE_SETTINGS, *staged.column_names, *(DATED if staged.is_dated else ())}
    columns = {key: value for key, value in given.items() if key in known - TABLE_SETTINGS}
    consent = {f"{CONSENT}{channel}": expression for channel, expression in given.get("consent", {}).items()}
    attributes, extra = given.get("attributes", {}) | consent, given.get("extra", {})
    problems = [f"extra column {name!r}: expected a new name" for name in attributes | extra if name in known]
    if len({"from", "one_of", "query"} & given.keys()) != 1:
        problems.append('expected either from = "<file>", one_of = ["<file>", ...] or query = "SELECT ..."')
    if columns and "query" not in given and (missing := [name for name in _needed(staged) if name not in columns]):
        problems.append(f"no expression for {', '.join(missing)}")
    if problems:
        raise ValueError(*problems)
    as_given = {
        key: given[key]
        for key in ("one_of", "query", "key", "max_rejected_share", "max_no_customer_share")
        if key in given
    }
    return TableMapping(staged, given.get("from", ()), columns=columns, attributes=attributes, extra=extra, **as_given)


def _needed(staged: StagedTable) -> list[str]:
    """Name the columns without which a table cannot be mapped column by column; a customer without a date is static."""
    dated = ["customer_id", "occurred_at"] if staged.is_dated else []
    required = [column.name for column in staged.columns if column.required]
    return dated[:1] + required if staged.name == "customers" else dated + required


DOCUMENT = table(
    "source",
    _said(SETTINGS)
    | {
        "raw": tables(
            Annotated[table("raw", _said(RAW)), AfterValidator(lambda given: RawFile(**given))], '[raw."orders.csv"]'
        )
    }
    | {name: _section(staged) for name, staged in STAGED_TABLES.items()},
)


def source_schema(**sections: Mapping[str, Any]) -> dict[str, Any]:
    """Give the JSON Schema of a ``source.toml``, by which an editor completes and checks it.

    ``sections`` are ``targets`` and ``attributes``: types of the tables in them by name. Further names stay allowed.
    """
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **json_schema(DOCUMENT)}
    for section, kinds in sections.items():
        schema["properties"][section]["properties"] = {name: json_schema(kind) for name, kind in kinds.items()}
    return schema
