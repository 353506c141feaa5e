"""Staging is a function of the source's files: SQL that asks a clock, chance, a setting or the engine is refused."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from tables import read, write_csv
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.sources.ingest import stage_source
from tenure.sources.looks_outside import looks_outside
from tenure.sources.source import read_source

COLUMNS = {"customer_id": "client", "occurred_at": "day", "order_id": "no", "amount": "price"}
OUTSIDE = (
    "now()", "NOW()", "today()", "get_current_time()", "transaction_timestamp()", "current_localtimestamp()",
    "current_date", '"current_date"', "CURRENT_TIMESTAMP", "localtimestamp", "current_timestamp AT TIME ZONE 'UTC'",
    "age(TIMESTAMP '2024-01-01')", "ago('1 day')", "pg_postmaster_start_time()", "(now()).now()",
    "random()", "uuid()", "gen_random_uuid()", "uuidv7()", "setseed(0.5)", "nextval('s')", "txid_current()",
    "list_transform([1], lambda x: random())", "system.main.random()", "CASE WHEN price > 1 THEN random() END",
    "row_number() OVER (ORDER BY random())", "{'a': [uuid()]}", "reservoir_quantile(price, 0.5)",
    "current_setting('TimeZone')", "'TimeZone'.current_setting()", "getenv('HOME')", "getvariable('x')", "version()",
    "current_user", "session_user", "current_database()", "current_schema", "current_query()", "pg_typeof(now())",
)  # fmt: skip
OUTSIDE_FROM = (
    "duckdb_settings()", "duckdb_functions()", "pragma_version()", "pg_timezone_names()", "glob('*')", "query('FROM orders')",
    "read_csv('orders.csv')", "read_parquet('*.parquet')", "read_text('/etc/passwd')", "sniff_csv('orders.csv')",
    "pg_settings", "pg_catalog.pg_settings", "information_schema.tables", "sqlite_master", "duckdb_tables",
    "orders TABLESAMPLE 10%", "orders USING SAMPLE 3 ROWS", "orders USING SAMPLE reservoir(3 ROWS) REPEATABLE (1)",
    "(SHOW TABLES)", "(DESCRIBE orders)", "(SUMMARIZE orders)", "(SELECT now() AS n)", "(PIVOT orders ON no USING sum(random()))",
    "'/etc/passwd.csv'",
)  # fmt: skip
INSIDE = (
    "price", "qty * price", "CAST(day AS DATE)", "strptime(day, '%Y-%m-%d')", "timezone('UTC', TIMESTAMPTZ '2024-01-01 00:00+01')",
    "age(TIMESTAMP '2024-01-02', TIMESTAMP '2024-01-01')", "date_trunc('month', CAST(day AS DATE)) + INTERVAL 1 MONTH",
    "coalesce(nullif(no, ''), 'none')", "regexp_extract(no, '[0-9]+')", "md5(no)", "hash(no) % 10", "'now()'", "'random'",
    "CASE WHEN no = 'today' THEN 1 END", "list_sum([1, price])", "json_extract_string(no, '$.a')", "user", "split_part(no, '-', 1)",
    "row_number() OVER (PARTITION BY client ORDER BY day)", "error('no such order')", "no SIMILAR TO 'a.*'", "no GLOB 'a*'",
    "orders.current_date", "price::UUID", "(SELECT max(x) FROM range(3) t(x))",
)  # fmt: skip
INSIDE_FROM = (
    "orders", '"orders.csv"', "orders, unnest([1, 2]) u(n)", "range(3)", "generate_series(1, 3)", "orders JOIN orders o USING (no)",
    "(VALUES (1))", "(SELECT DISTINCT no FROM orders QUALIFY row_number() OVER (PARTITION BY no) = 1)", "(UNPIVOT orders ON qty)",
    "orders PIVOT (sum(price) FOR no IN ('a', 'b'))", "json_each('[1]')",
)  # fmt: skip


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        yield connection


@pytest.mark.parametrize("sql", OUTSIDE)
def test_an_expression_that_looks_outside_is_found_wherever_it_stands(engine, sql):
    assert looks_outside(engine, f"SELECT ({sql}) AS x FROM orders")
    assert looks_outside(engine, f"WITH o AS (SELECT 1 FROM orders WHERE ({sql}) IS NULL) FROM o")


@pytest.mark.parametrize("sql", OUTSIDE_FROM)
def test_a_relation_that_is_no_file_of_the_source_is_found(engine, sql):
    assert looks_outside(engine, f"SELECT 1 FROM {sql}")
    assert looks_outside(engine, f"SELECT (SELECT 1 FROM {sql} LIMIT 1) FROM orders")


def test_what_only_its_arguments_decide_passes(engine):
    assert [sql for sql in INSIDE if looks_outside(engine, f"SELECT ({sql}) AS x FROM orders")] == []
    assert [sql for sql in INSIDE_FROM if looks_outside(engine, f"SELECT 1 FROM {sql}")] == []
    assert looks_outside(engine, "SELECT (current_date) AS x", {"current_date"}) == ""


def sql_of(document):
    """Give each text of a source's tables, and its known_at, as a SELECT; what is no SQL among them is no SELECT."""
    if isinstance(document, dict):
        return [sql for part in document.values() for sql in sql_of(part)]
    if not isinstance(document, str):
        return []
    return [document if document.strip()[:6].upper() in ("SELECT", "WITH A") else f"SELECT ({document}) AS x"]


def test_the_bundled_sources_and_the_examples_of_the_docs_pass(engine):
    texts = [
        path.read_text("utf-8") for path in (files("tenure.sources") / "bundled").iterdir() if path.name[-5:] == ".toml"
    ]
    root = Path(__file__).parents[2]
    for page in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        # An example is a block of indented lines with a table's head in it.
        blocks = re.findall(r"(?:^    .*\n|^\n)+", page.read_text("utf-8"), re.MULTILINE)
        texts += [re.sub("^    ", "", block, flags=re.MULTILINE) for block in blocks if "\n    [" in f"\n{block}"]
    found = []
    for text in texts:
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        found += sql_of({name: part for name, part in document.items() if isinstance(part, dict)})
    assert len(texts) > 8 and len(found) > 60
    assert [sql for sql in found if looks_outside(engine, sql)] == []


def staged_with(root, columns=COLUMNS, raw="", query="", header="client day no qty price"):
    workspace = Workspace(root)
    write_csv(workspace.raw("shop") / "orders.csv", header, "ana 2024-01-05 1 2 3", "bo 2024-01-06 2 1 1")
    origin = f'query = """{query}"""' if query else 'from = "orders.csv"'
    lines = [f'{name} = """{sql}"""' for name, sql in columns.items()]
    toml = "\n".join([raw, "[order_lines]", origin, *lines])
    (workspace.raw("shop") / "source.toml").write_text(toml, encoding="utf-8")
    return read(stage_source(workspace, read_source(workspace, "shop")).path("order_lines"), "order_id")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"columns": COLUMNS | {"amount": "price * random()"}}, r"\[order_lines\].*amount = 'price \* random\(\)': random\(\) looks outside"),
        ({"columns": COLUMNS | {"known_at": "current_date"}}, "known_at = 'current_date': current_date looks outside"),
        ({"raw": '[raw."orders.csv"]\nknown_at = "now()"'}, r"known_at = 'now\(\)': now\(\) looks outside"),
        ({"columns": {}, "query": "SELECT client AS customer_id, now() AS occurred_at FROM orders"}, r"query: now\(\) looks outside"),
        ({"columns": COLUMNS | {"amount": "(SELECT count(*) FROM duckdb_settings())"}}, r"duckdb_settings\(\) looks outside"),
    ],
)  # fmt: skip
def test_a_source_that_looks_outside_is_refused_with_where_what_and_what_to_write(tmp_path, changed, words):
    with pytest.raises(DataContractError, match=rf"(?s){words}.*Expected .*hash\(a column\).*\[raw\."):
        staged_with(tmp_path, **changed)


def test_a_source_of_its_files_alone_is_staged(tmp_path):
    query = "SELECT client AS customer_id, day AS occurred_at, no AS order_id, price AS amount FROM orders"
    raw = '[raw."orders.csv"]\nknown_at = "day"'
    assert staged_with(tmp_path / "a", raw=raw) == [("1",), ("2",)]
    assert staged_with(tmp_path / "b", {}, query=query) == [("1",), ("2",)]
    # A column may bear the name of a clock.
    dated = COLUMNS | {"occurred_at": "CAST(current_date AS DATE)"}
    assert staged_with(tmp_path / "c", dated, header="client current_date no qty price") == [("1",), ("2",)]
