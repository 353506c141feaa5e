"""Drafts of real and documented exports, scored column by column against what a person wrote down of them."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from tenure.core.workspace import Workspace
from tenure.intake.draft import draft_source
from tenure.sources.document import RAW
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

ORACLE = tomllib.loads((Path(__file__).parent / "oracle.toml").read_text(encoding="utf-8"))
ASKED_OF_TABLE = {"staged", "differs"}
ASKED_OF_SYSTEM = {"new_readers", "also", "left_out"}


@pytest.fixture
def drafted(test_data, tmp_path):
    def draft(system):
        folder = test_data / "exports" / system
        if not folder.is_dir():
            pytest.skip(f"no sample of {system}: {folder} does not exist (set TENURE_TEST_DATA)")
        if ORACLE[system].get("new_readers") and "skip" not in RAW:
            pytest.skip(f"{system}: readers that guess types, or find no title lines, cannot read it")
        files = [str(path) for path in sorted(folder.iterdir()) if path.suffix.lower() in (".csv", ".jsonl")]
        return draft_source(Workspace(tmp_path), system, files)

    return draft


def columns_behind(section):
    """Name the raw columns that each staged column is made of, through the queries in its WITH."""
    if "query" not in section:
        parsed = {
            name: sqlglot.parse_one(f"SELECT {sql}", read="duckdb") for name, sql in section.items() if name != "from"
        }
        return {name: {column.name for column in tree.find_all(exp.Column)} for name, tree in parsed.items()}
    tree = sqlglot.parse_one(section["query"], read="duckdb")
    prepared = {}
    for alias in tree.find_all(exp.Alias):
        prepared.setdefault(alias.alias, set()).update(
            part for column in alias.this.find_all(exp.Column) for part in (column.name, column.table)
        )
    named = {column.name for column in tree.find_all(exp.Column)}

    def resolved(name, seen=()):
        made_of = prepared.get(name, set()) if name not in seen else set()
        return {name} | {one for other in made_of for one in resolved(other, (*seen, name))}

    return {name: resolved(name) & (named | set(prepared)) | prepared[name] for name in prepared}


def score(system, text):
    """Count what is right: a point a table, a point a column. => points, points there are, what is wrong"""
    document, expected = tomllib.loads(text), ORACLE[system]
    tables = {name: columns for name, columns in expected.items() if name not in ASKED_OF_SYSTEM}
    points, most, wrong = 0, 0, []
    for table, columns in tables.items():
        behind = columns_behind(document[table]) if table in document else {}
        known_at = {about.get("known_at", "") for about in document.get("raw", {}).values()}
        most += 1
        points += table in document
        for name, right in columns.items():
            if name in ASKED_OF_TABLE:
                continue
            made_of = behind.get(name, set()) | (
                {one.split('"')[1] for one in known_at if '"' in one} if name == "known_at" else set()
            )
            is_right = bool(made_of & set(right)) if right else name in behind
            most, points = most + 1, points + is_right
            wrong += [] if is_right else [f"{table}.{name}: {sorted(made_of)}, not {right}"]
    known = {*tables, *expected.get("also", ()), "name", "currency", "timezone", "raw_timezone", "raw", "targets"}
    extra = sorted(document.keys() - known)
    return points, most + len(extra), wrong + [f"{table} is no table of this export" for table in extra]


@pytest.mark.parametrize("system", sorted(ORACLE))
def test_nine_tenths_of_tables_and_columns_of_an_export_are_drafted_right(drafted, system):
    points, most, wrong = score(system, drafted(system).text)
    assert points >= 0.9 * most, wrong


@pytest.mark.parametrize("system", sorted(system for system in ORACLE if "left_out" in ORACLE[system]))
def test_files_that_are_no_facts_of_customers_are_left_out_with_a_reason(drafted, system):
    left_out = dict(drafted(system).left_out)
    assert sorted(left_out) == sorted(ORACLE[system]["left_out"])
    assert all(len(reason) > 20 for reason in left_out.values())


@pytest.mark.parametrize("system", sorted(ORACLE))
def test_a_draft_stages_the_facts_of_the_true_mapping_or_a_check_says_why_not(drafted, tmp_path, system):
    text = drafted(system).text
    workspace = Workspace(tmp_path)
    staged = stage_source(workspace, read_source(workspace, system), clock=datetime(2026, 11, 2, tzinfo=UTC)).tables
    for table, expected in ORACLE[system].items():
        if table in ASKED_OF_SYSTEM:
            continue
        if "differs" in expected:
            assert expected["differs"] in text
            continue
        found = staged[table]
        assert [found.staged, found.first_day, found.last_day, found.customers] == expected["staged"], table


@pytest.mark.parametrize("system", sorted(ORACLE))
def test_at_most_three_points_a_table_are_to_be_checked(drafted, system):
    for section in drafted(system).text.split("\n[")[1:]:
        assert section.count("# CHECK:") <= 3
