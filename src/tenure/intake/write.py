"""Drafts as the text of a commented ``source.toml``."""

from __future__ import annotations

import json
import re

from tenure.core.sql import quoted
from tenure.intake.look import Raw
from tenure.intake.rhythm import currency_of, is_all_utc, targets, unused, zone_of_days
from tenure.intake.table_draft import MOST_CHECKS, Branch, TableDraft, relation_of
from tenure.intake.tables import Found
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.raw_files import split_reference

PLAIN_CAST = re.compile(r'TRY_CAST\(("(?:[^"]|"")+") AS (?:TIMESTAMP|DECIMAL\(18,4\))\)')
FIRST = ("customer_id", "occurred_at", "known_at")


def source_toml(name: str, found: Found) -> str:
    """Write what was found as a ``source.toml``."""
    drafts = [draft for table in STAGED_TABLES for draft in found.tables.get(table, [])]
    currency, zone = currency_of(drafts), zone_of_days(drafts)
    lines = [
        f"# Drafted by 'tenure draft {name}' from the files' own evidence. It runs as it is: 'tenure check {name}' shows what comes of it.",
        "# A line that begins with CHECK: is a point that the files leave open; it is drafted by the first reading it names.",
        f"name = {_text(name)}",
        *currency.comments,
        f"{'' if currency.value else '# '}currency = {_text(currency.value or 'EUR')}",
        *zone.comments,
        f"timezone = {_text(zone.value)}",
        *(['raw_timezone = "UTC"'] if is_all_utc(drafts) else []),
    ]
    for table in STAGED_TABLES:
        if table in found.tables:
            lines += ["", *table_lines(table, found.tables[table])]
    for raw in found.raws:
        of_raw = [draft for draft in drafts if draft.raw is raw or raw in (*draft.reads, draft.raw.joined)]
        lines += _raw_sections(raw, of_raw)
    lines += ["", *targets(found.tables)]
    lines += ["", "# Columns that are not used, and why:"]
    for raw in found.raws:
        of_raw = [draft for draft in drafts if draft.raw is raw or raw in (*draft.reads, draft.raw.joined)]
        if of_raw and (said := unused(raw, of_raw)):
            lines += [f"# {', '.join(raw.references)}", *said]
    if found.left_out:
        lines += ["", "# Files that are not used, and why:"]
        lines += [f"#   {file}: {reason}." for file, reason in found.left_out]
    # A name or an example may hold a line break, which would end its comment.
    return "\n".join(" ".join(line.splitlines()) if line.startswith("#") else line for line in lines) + "\n"


def table_lines(table: str, drafts: list[TableDraft]) -> list[str]:
    """Give the lines of one staged table's section."""
    lines = [f"# {note}" for draft in drafts for note in dict.fromkeys(draft.notes)]
    checks = dict.fromkeys(check for draft in drafts for check in draft.checks)
    told = list(checks)[:MOST_CHECKS]
    lines += [f"# Also open: {text}" for _, text in list(checks)[MOST_CHECKS:]]
    lines.append(f"[{table}]")
    if is_plain(drafts):
        return lines + _plain(drafts[0], told)
    lines += [f"# CHECK: {column}: {text}" for column, text in told]
    return [*lines, f"query = {_long(query_of(table, drafts))}"]


def is_plain(drafts: list[TableDraft]) -> bool:
    """Say whether a table needs no query: one file, one row each."""
    draft = drafts[0]
    return (
        len(drafts) == 1
        and len(draft.branches) == 1
        and not (draft.branches[0].where or draft.rows_sql)
        and is_single(draft.raw)
    )


def is_single(raw: Raw) -> bool:
    return len(raw.references) == 1 and not raw.joined


def _plain(draft: TableDraft, checks: list[tuple[str, str]]) -> list[str]:
    columns = {
        name: PLAIN_CAST.sub(r"\1", sql) if PLAIN_CAST.fullmatch(sql) else sql
        for name, sql in draft.branches[0].columns.items()
    }
    attributes = {name.partition(".")[2]: sql for name, sql in columns.items() if "." in name}
    columns = {name: sql for name, sql in columns.items() if "." not in name}
    lines = [f"# CHECK: {text}" for column, text in checks if column not in columns]
    lines.append(f"from = {_text(draft.raw.name)}")
    for name in sorted(columns, key=lambda one: FIRST.index(one) if one in FIRST else len(FIRST)):
        lines += [f"# CHECK: {text}" for column, text in checks if column == name]
        lines.append(f"{name} = {_text(columns[name])}")
    if attributes:
        lines.append(f"attributes = {{ {', '.join(f'{name} = {_text(sql)}' for name, sql in attributes.items())} }}")
    return lines


def query_of(table: str, drafts: list[TableDraft]) -> str:
    """Write the query of a table: the rows of each raw file under a name, one SELECT per branch."""
    known = any(draft.known_at for draft in drafts)
    names = {name for draft in drafts for branch in draft.branches for name in branch.columns} | (
        {"known_at"} if known else set()
    )
    contract = STAGED_TABLES[table].column_names
    ordered = [name for name in (*FIRST, *contract) if name in names]
    rows = {
        draft: f"rows_{number}" if len(drafts) > 1 else "raw_rows" for number, draft in enumerate(map(id, drafts), 1)
    }
    ctes, selects = [], []
    for draft in drafts:
        view = rows[id(draft)]
        if not draft.rows_sql and is_single(draft.raw):
            view = quoted(draft.raw.name)
        else:
            ctes.append(
                f"{view} AS (\n    {draft.rows_sql or relation_of(draft.raw).replace(' UNION ALL', chr(10) + '    UNION ALL')})"
            )
        selects += [_select(branch, ordered, view, draft) for branch in draft.branches]
    return ("WITH " + ",\n".join(ctes) + "\n" if ctes else "") + "\nUNION ALL\n".join(selects)


def _select(branch: Branch, ordered: list[str], view: str, draft: TableDraft) -> str:
    columns = branch.columns | (
        {"known_at": draft.known_at} if draft.known_at and "known_at" not in branch.columns else {}
    )
    selected = ",\n       ".join(f"{columns.get(name, 'NULL')} AS {name}" for name in ordered)
    where = f"\nWHERE {chr(10).join(['', '  AND ']).join(branch.where)}" if branch.where else ""
    return f"SELECT {selected}\nFROM {view}{where}"


def _raw_sections(raw: Raw, drafts: list[TableDraft]) -> list[str]:
    lines: list[str] = []
    if not drafts:
        return lines
    plainly_known = next((draft.known_at for draft in drafts if draft.known_at and is_plain([draft])), "")
    for reference in raw.references:
        settings = raw.settings.get(reference, {})
        if settings or plainly_known:
            lines += ["", f"[raw.{_text(split_reference(reference)[0])}]"]
            lines += [f"{key} = {value if isinstance(value, int) else _text(value)}" for key, value in settings.items()]
            lines += [f"known_at = {_text(plainly_known)}"] if plainly_known else []
    return lines


def _text(text: str) -> str:
    return f"'{text}'" if '"' in text and "'" not in text and "\n" not in text else json.dumps(text, ensure_ascii=False)


def _long(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"""', '""\\"')
    return f'"""\n{escaped}\n"""'
