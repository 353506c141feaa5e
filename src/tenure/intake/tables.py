"""Which raw file is which staged table: by the shape of its rows, the names of its columns, the words in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tenure.intake import acts
from tenure.intake.columns import Column
from tenure.intake.look import SAMPLE_ROWS, Raw, describe
from tenure.intake.names import among, date_rank, plain
from tenure.intake.sales import is_crm, order_lines, payments
from tenure.intake.subscriptions import paid_periods, subscription_log, subscription_rows
from tenure.intake.table_draft import TableDraft, customer_of, relation_of

SUBSCRIPTION_WORDS = re.compile(
    r"\b(subscription|plan|trial|abo|abonnement|membership|contract|billing period|renewal|term\b|tarif|vertrag|kundigung|monat)"
)
PERSON = ("first name", "last name", "name", "email", "phone", "phone number", "city", "birth date", "address")
# Tables whose rows from several systems stand beside each other; of the others two would tell the same twice.
ADDED_UP = ("engagement", "contacts", "usage", "support_tickets", "loyalty", "declared")


@dataclass
class Found:
    """What the raw files are drafted as, and why some are not."""

    tables: dict[str, list[TableDraft]] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)  # raw file, reason
    raws: list[Raw] = field(default_factory=list)


def find_tables(raws: list[Raw]) -> Found:
    """Draft every staged table that the raw files hold."""
    found = Found()
    raws = [_with_heads(raw, raws) for raw in _joined(raws, found)]
    found.raws = raws
    histories = [raw for raw in raws if _is_ticket_history(raw)]
    drafted: list[TableDraft] = []
    for raw in raws:
        if raw in histories:
            continue
        drafts, reason = _drafts_of(raw, histories[0] if histories else None)
        drafted += drafts
        if not drafts:
            found.left_out.append((raw.name, reason))
    read = {other.name for draft in drafted for other in (*draft.reads, draft.raw.joined) if other}
    found.left_out = [(name, reason) for name, reason in found.left_out if name not in read]
    found.left_out += [
        (raw.name, "a history of fields without its tickets") for raw in histories if raw.name not in read
    ]
    if not any(draft.table == "subscription_events" for draft in drafted):
        drafted += [draft for raw in raws if (draft := _periods(raw))]
    named = {draft.raw.name for draft in drafted}
    found.left_out = [(name, reason) for name, reason in found.left_out if name not in named]
    if drafted and not {draft.table for draft in drafted} - {"products", "customers"}:
        found.left_out += [(draft.raw.name, f"it holds {draft.table} alone, no facts with a date") for draft in drafted]
    for draft in drafted:
        found.tables.setdefault(draft.table, []).append(draft)
    for table, drafts in found.tables.items():
        if table not in ADDED_UP and len(drafts) > 1:
            _keep_best(found, table, drafts)
    _keep_customers_who_meet(found)
    return found


def _drafts_of(raw: Raw, history: Raw | None) -> tuple[list[TableDraft], str]:
    """Draft what one raw file holds. => drafts, why there is none"""
    if not raw.rows:
        return [], "it holds no rows"
    if raw.count("bank") >= 3 and raw.count("orders") < 3:
        return _bank(raw)
    if not customer_of(raw, 0.2) and not _own_id(raw):
        return _without_customer(raw)
    if draft := acts.contacts(raw):
        return [draft], ""
    if raw.count("tickets") >= 3 and (draft := acts.tickets(raw, history)):
        return [draft], ""
    if draft := subscription_log(raw):
        return [draft], ""
    names = " | ".join(plain(column.name) for column in raw.columns) + " | " + plain(raw.name)
    if len(SUBSCRIPTION_WORDS.findall(names)) >= 2 and raw.count("orders") < 4 and (draft := subscription_rows(raw)):
        return [draft], ""
    has_consent_dates = any(date_rank(c.name, "opt_in") is not None and c.is_date for c in raw.columns)
    if has_consent_dates and raw.find("email", "email") and (drafts := acts.audience(raw)):
        return drafts, ""
    ways: list[Callable[[Raw], TableDraft | None]] = [order_lines, payments]
    sells, pays = raw.count("orders") + 2 * is_crm(raw), raw.count("payments")
    if pays > sells or (pays and raw.find("quantity") is None and raw.find("product") is None and pays >= sells):
        ways.reverse()
    is_list = raw.find("event", "text") is not None and not sells and pays < 2
    if sells + pays and not is_list:
        for way in ways:
            if draft := way(raw):
                return [draft], ""
    if drafts := acts.events(raw):
        return drafts, ""
    for way in (acts.loyalty, acts.answers, acts.usage, *([acts.customers] if _own_id(raw) or _one_each(raw) else [])):
        if draft := way(raw):
            return [draft], ""
    if customer_of(raw):
        for way in ways:
            if draft := way(raw):
                return [draft], ""
    return [], "no dated facts of customers were found in it"


def _own_id(raw: Raw) -> bool:
    """Say whether the rows are persons, who have ids of their own."""
    described = sum(column.fits("attribute") is not None or plain(column.name) in PERSON for column in raw.columns)
    return described > 1 and any(plain(column.name) == "id" and column.is_unique for column in raw.columns)


def _one_each(raw: Raw) -> bool:
    found = customer_of(raw)
    return bool(found and found[0].is_unique)


def _without_customer(raw: Raw) -> tuple[list[TableDraft], str]:
    if draft := acts.products(raw):
        return [draft], ""
    days = next((column for column in raw.columns if column.is_date and column.is_unique), None)
    if days and not any(plain(column.name) == "id" for column in raw.columns):
        return [], f'no column says which customer, and "{days.name}" is another in every row: an aggregated report'
    return [], "no column says which customer a row is of (it may describe campaigns, plans or products)"


def _is_ticket_history(raw: Raw) -> bool:
    ticket = any(plain(column.name) == "ticket id" for column in raw.columns)
    return bool(ticket and raw.find("field_name", "text") and raw.find("new_value"))


def _bank(raw: Raw) -> tuple[list[TableDraft], str]:
    """Draft payments of a bank statement in which customers pay in; one of own spending is left out."""
    amount = raw.find("pay_amount", "number")
    found = customer_of(raw)
    if not amount or not found or found[0].distinct < 5:
        return [], "a statement of a bank account: no column says which of several customers paid"
    taken_in = sum(n for value, n in amount.top if not re.match(r"[^\d]*-|\(", value))
    if taken_in < 0.5 * sum(n for _, n in amount.top):
        return [], "a statement of a bank account whose rows are mostly own spending"
    draft = payments(raw)
    if not draft:
        return [], "a statement of a bank account without date, payer or amount"
    draft.check("customer_id", "who_pays", payer=found[0])
    draft.checks.insert(0, draft.checks.pop())
    if "payment_id" not in draft.branches[0].columns:
        for column in raw.columns:
            word = re.compile(r"(Rechnung|Rechnungsnr|Invoice|Facture|Factura|Factuur|Fattura)\.? ([0-9]+)")
            named = [match[1] for value in column.sample if (match := word.search(value))]
            if column.kind == "text" and len(named) > 0.3 * len(column.sample):
                draft.use(column)
                draft.branches[0].columns["payment_id"] = f"regexp_extract({column.sql}, '{named[0]} ([0-9]+)', 1)"
                break
    return [draft], ""


def _periods(raw: Raw) -> TableDraft | None:
    return paid_periods(raw) if customer_of(raw) else None


def _joined(raws: list[Raw], found: Found) -> list[Raw]:
    """Join files of one layout by the names of their columns; leave out forms of the same data."""
    kept: list[Raw] = []
    for raw in sorted(raws, key=lambda one: (-one.rows, one.name)):
        alike = next((other for other in kept if _one_layout(raw, other)), None)
        if alike is None:
            kept.append(raw)
        elif not _tells_the_same(raw, alike):
            _append(alike, raw)
        else:
            found.left_out.append(
                (
                    raw.name,
                    f"its rows are in {alike.name}, too: forms of the same data; reading both would count everything twice",
                )
            )
    order = {raw.name: place for place, raw in enumerate(raws)}
    return sorted(kept, key=lambda raw: order[raw.name])


def _with_heads(raw: Raw, raws: list[Raw]) -> Raw:
    """Join rows that name no customer with the rows of another file that does, by a key that is in both."""
    if customer_of(raw, 0.2) or _is_ticket_history(raw):
        return raw
    for head in raws:
        if head is raw or not customer_of(head, 0.2):
            continue
        for own in raw.columns:
            key = next(
                (c for c in head.columns if c.is_unique and c.kind != "date" and _one_key(own.name, c.name)), None
            )
            if key and own.distinct > 3 and _common(own, key) > 0.5 * own.distinct:
                return _join(raw, own, head, key)
    return raw


def _one_key(own: str, key: str) -> bool:
    return plain(own) == plain(key) or (
        plain(key) == "id" and plain(own) in ("order id", "invoice id", "cart id", "basket id")
    )


def _common(one: Column, other: Column) -> int:
    connection, relation = one.look
    _, others = other.look
    both = f"SELECT DISTINCT {one.text} FROM {relation} INTERSECT SELECT {other.text} FROM {others}"
    return int(connection.execute(f"SELECT count(*) FROM ({both})").fetchall()[0][0])


def _join(raw: Raw, own: Column, head: Raw, key: Column) -> Raw:
    connection, _ = own.look
    known = {column.text.lower() for column in raw.columns}
    added = {c.text: (c.name, c.sql, c.native) for c in head.columns if c.text.lower() not in known}
    view, names = f"{raw.relation}_with_{head.relation}", "".join(f", head.{text}" for text in added)
    on = f"ON row.{own.text} = head.{key.text}"
    connection.execute(
        f"CREATE VIEW {view} AS SELECT row.*{names} FROM {raw.relation} row LEFT JOIN {head.relation} head {on}"
    )
    leaves = {c.text: (c.name, c.sql, c.native) for c in raw.columns} | added
    joined = Raw(raw.references, view, describe(connection, view, raw.rows, leaves), raw.rows, raw.settings)
    joined.rows_sql = f"SELECT row.*{names} FROM ({relation_of(raw)}) row LEFT JOIN ({relation_of(head)}) head {on}"
    joined.joined = head
    return joined


def _one_layout(one: Raw, other: Raw) -> bool:
    names, others = ({column.text for column in raw.columns} for raw in (one, other))
    common = names & others
    return len(common) >= 3 and len(common) >= 0.9 * min(len(names), len(others)) and one.name != other.name


def _tells_the_same(small: Raw, large: Raw) -> bool:
    """Say whether most rows of a file are in another: alike in their dates and figures."""
    known = {column.text for column in large.columns if column.filled}
    columns = [
        column
        for column in small.columns
        if column.text in known and column.kind in ("date", "number") and column.share > 0.5
    ]
    columns = sorted(columns, key=lambda column: (column.kind != "date", -column.distinct))[:4]
    if not columns or columns[0].kind != "date":
        return False
    names = ", ".join(column.text for column in columns)
    connection, _ = columns[0].look
    (same,) = connection.execute(
        f"SELECT count(*) FROM {small.relation} WHERE ({names}) IN (SELECT ({names}) FROM {large.relation})"
    ).fetchall()[0]
    return bool(same > 0.5 * small.rows)


def _append(raw: Raw, other: Raw) -> None:
    connection, _ = raw.columns[0].look
    joined = f"{raw.relation}_{other.relation}"
    kept = "TABLE" if raw.rows + other.rows < SAMPLE_ROWS else "VIEW"
    connection.execute(
        f"CREATE {kept} {joined} AS SELECT * FROM {raw.relation} UNION ALL BY NAME SELECT * FROM {other.relation}"
    )
    leaves = {column.text: (column.name, column.sql, column.native) for column in (*other.columns, *raw.columns)}
    raw.references += other.references
    raw.settings |= other.settings
    raw.relation, raw.rows = joined, raw.rows + other.rows
    raw.columns = describe(connection, joined, raw.rows, leaves)


def _keep_best(found: Found, table: str, drafts: list[TableDraft]) -> None:
    """Keep the draft that says most; of the others say that they were left out, and what follows."""

    def says(draft: TableDraft) -> tuple[int, int, int]:
        known = sum(
            bool(among(value, "types", "payments")) for column in draft.used.values() for value in column.values[:50]
        )
        return (
            sum(len(branch.columns) for branch in draft.branches[:1]) + (known > 0),
            draft.raw.count("payments"),
            draft.raw.rows,
        )

    best = max(drafts, key=says)
    for draft in drafts:
        if draft is not best:
            best.check("where", "same_table", name=best.raw.name, name2=draft.raw.name, table=table, rows=best.raw.rows, rows2=draft.raw.rows)  # fmt: skip
            found.left_out.append((draft.raw.name, f"it would be {table} as {best.raw.name} is; see the CHECK there"))
    found.tables[table] = [best]


def _keep_customers_who_meet(found: Found) -> None:
    """Leave a list of customers out whose ids appear in no other table: it would describe nobody."""
    others = [
        draft for table, drafts in found.tables.items() for draft in drafts if table not in ("customers", "products")
    ]
    for draft in list(found.tables.get("customers", [])):
        own = next(iter(draft.used.values()))
        if others and not any(_meet(own, draft.raw, other.raw) for other in others):
            found.tables["customers"].remove(draft)
            found.left_out.append(
                (
                    draft.raw.name,
                    f'its ids ("{own.name}", as {own.example}) appear in no other file: it would describe nobody',
                )
            )
    if not found.tables.get("customers", [True]):
        del found.tables["customers"]


def _meet(own: Column, raw: Raw, other: Raw) -> bool:
    found = customer_of(other, 0.2)
    if not found or raw is other:
        return False
    return _common(found[0], own) >= max(1, 0.1 * found[0].distinct)
