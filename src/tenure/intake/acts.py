"""What customers did, what was sent to them, what they asked for: engagement, contacts, tickets and the smaller tables."""

from __future__ import annotations

from collections.abc import Callable

from tenure.core.sql import literal
from tenure.intake.columns import Column
from tenure.intake.look import Raw
from tenure.intake.names import among, date_rank, plain, snake
from tenure.intake.table_draft import TableDraft, cases, customer_of, listed, relation_of


def events(raw: Raw) -> list[TableDraft]:
    """Draft a tracker's events: acts are engagement, what we sent contacts, purchases with an amount order lines."""
    found = customer_of(raw, 0.2)
    event, when = _event(raw), raw.date("event")
    if not (found and event and when):
        return []
    heads = {value: _heading(value) for value in event.values}
    sent, bought = ([value for value, head in heads.items() if head == kind] for kind in ("contacts", "purchase"))
    skipped = [value for value, head in heads.items() if head in ("identity", "outcome")]
    amount, order = (
        raw.find("pay_amount", "number", "text"),
        raw.find("order", "text", "number", without=[event, *found]),
    )
    sells = bool(bought and amount and order and "order" in plain(order.name))
    drafts = []
    apart = [*sent, *skipped, *(bought if sells else [])]
    for table, values in (
        ("engagement", [v for v in heads if v not in apart]),
        ("contacts", sent),
        ("order_lines", bought if sells else []),
    ):
        if not values:
            continue
        draft = TableDraft(table, raw)
        draft.use(event)
        columns = {"customer_id": draft.customer(0.2), "occurred_at": draft.time(when)}
        # An event that is new next month is an act, too.
        where = (
            [draft.one_of(event, values)] if table != "engagement" else [draft.none_of(event, apart)] if apart else []
        )
        _identified(draft, columns, skipped, event, when)
        if table == "order_lines":
            columns |= {"order_id": draft.text(order), "amount": draft.number(amount)}
            draft.check("where", "purchases_twice", bought=listed(bought))
        elif table == "contacts":
            for name in ("campaign", "offer"):
                if column := raw.find(name, "text", "number"):
                    columns["campaign_id" if name == "campaign" else name] = draft.text(column)
            if flow := next(
                (c for c in raw.columns if plain(c.name) == "flow id" and c.filled and c.name not in draft.used), None
            ):
                columns["campaign_id"] = f"coalesce({columns.get('campaign_id', 'NULL')}, {draft.text(flow)})"
            columns["channel"] = _channel_of_sends(event, values)
            draft.check("where", "sends_or_acts", sent=listed(sent))
        else:
            _kinds(draft, columns, event, values)
        _once(draft, event, when, found[0])
        _known(draft, when)
        draft.add(columns, where)
        drafts.append(draft)
    return drafts


def _event(raw: Raw) -> Column | None:
    """Find the column of event names: of all whose names fit, the one whose values are known, else the first."""
    fitting = [c for c in raw.columns if c.fits("event") is not None and c.kind == "text" and c.share > 0.5]
    fitting = [c for c in fitting if c.distinct < max(3, c.filled * 0.9) and c.distinct <= 2000]
    # What is called "name" or "type" may name anything: its values have to be known, unless nothing else is told.
    fitting = [c for c in fitting if plain(c.name) not in ("name", "kind", "action") or any(map(_heading, c.values))]
    fitting.sort(key=lambda c: (-sum(bool(_heading(value)) for value in c.values), c.fits("event")))
    return fitting[0] if fitting else None


def _heading(value: str) -> str | None:
    for kind in ("contacts", "purchase", "identity", "outcome", "engagement"):
        if among(value, "events", kind):
            return kind
    return None


def _kinds(draft: TableDraft, columns: dict[str, str], event: Column, values: list[str]) -> None:
    known = {
        value: meant for value in values if (meant := among(value, "events", "engagement")) and meant != snake(value)
    }
    other = f"lower(regexp_replace({event.sql}, '[^A-Za-z0-9]+', '_', 'g'))"
    columns["kind"] = cases(event, known, other) if known else other
    if channel := draft.raw.find("channel", "text", without=draft.used.values()):
        columns["channel"] = draft.text(channel)


def _channel_of_sends(event: Column, values: list[str]) -> str:
    ways = {value: way for value in values for way in ("sms", "push", "email") if way in value.lower()}
    return cases(event, ways, "'email'") if len(set(ways.values())) > 1 else literal(next(iter(ways.values()), "email"))


def _identified(draft: TableDraft, columns: dict[str, str], skipped: list[str], event: Column, when: Column) -> None:
    """Name devices as the customers they turned out to be, where the tracker says so; known from that day on."""
    raw = draft.raw
    anonymous, identified = raw.find("anonymous", "text"), raw.find("identified", "text")
    if not (skipped and anonymous and identified):
        return
    draft.use(anonymous)
    draft.use(identified)
    own = columns["customer_id"]
    links = f"SELECT {anonymous.sql} AS device, min({identified.sql}) AS person, min({when.as_time()}) AS linked_at FROM ({relation_of(raw)}) WHERE {draft.one_of(event, skipped)} GROUP BY 1"
    draft.rows = (
        f"SELECT every.*, links.person, links.linked_at\n    FROM ({relation_of(raw)}) every\n"
        f"    LEFT JOIN ({links}) links ON links.device = every.{own}"
    )
    columns["customer_id"] = f"coalesce(person, {own})"
    draft.check("customer_id", "devices", skipped=listed(skipped))
    draft.known_at = f"greatest({when.as_time()}, linked_at)"


def _once(draft: TableDraft, event: Column, when: Column, who: Column) -> None:
    """Read an event once that was delivered twice."""
    insert = draft.raw.find("insert", "text", "number", without=[event, when, who])
    own = next((c for c in draft.raw.columns if plain(c.name) == "id" and c.is_unique), None)
    if (
        own
        or not insert
        or insert.share < 0.9
        or insert.distinct == insert.filled
        or insert.distinct < 0.5 * insert.filled
    ):
        return
    draft.use(insert)
    keys = ", ".join(column.sql for column in (event, who, when, insert))
    draft.qualify = f"row_number() OVER (PARTITION BY {keys}) = 1"
    draft.notes.append(f'{insert.filled - insert.distinct} rows repeat an "{insert.name}": each event is read once.')


def _known(draft: TableDraft, when: Column) -> None:
    known = draft.raw.date("known")
    if known and known.share > 0.9 and known is not when:
        draft.use(known)
        draft.known_at = f"greatest({known.as_time()}, linked_at)" if draft.known_at else known.as_time()
        (early,) = (
            known.look[0]
            .execute(
                f"SELECT count(*) FROM {draft.raw.relation} WHERE TRY_CAST({when.text} AS TIMESTAMP) > TRY_CAST({known.text} AS TIMESTAMP)"
            )
            .fetchall()[0]
        )
        if early:
            draft.check("occurred_at", "wrong_clock", when=when, known=known, early=early, rows=draft.raw.rows)


def audience(raw: Raw) -> list[TableDraft]:
    """Draft a list's members: they subscribed when they opted in, and unsubscribed when they left."""
    entries = [c for c in raw.columns if c.filled and date_rank(c.name, "opt_in") is not None and c.is_date]
    left = raw.date("opt_out")
    draft = TableDraft("engagement", raw)
    customer = draft.customer()
    if not (entries and customer):
        return []
    entries.sort(key=lambda column: date_rank(column.name, "opt_in") or 0)
    came = (
        f"coalesce({', '.join(draft.time(column) for column in entries)})"
        if len(entries) > 1
        else draft.time(entries[0])
    )
    columns = {"customer_id": customer, "channel": "'email'"}
    draft.add(columns, [f"{came} IS NOT NULL"], occurred_at=came, kind="'subscribed'")
    if left:
        draft.add(columns, [f"{left.sql} IS NOT NULL"], occurred_at=draft.time(left), kind="'unsubscribed'")
    draft.check("customer_id", "members")
    draft.check("kind", "consent")
    return [draft]


def tickets(raw: Raw, history: Raw | None) -> TableDraft | None:
    """Draft tickets: opened, and resolved or reopened by the history of their status, else by a date of the end."""
    draft = TableDraft("support_tickets", raw)
    opened, own = raw.date("opened"), raw.find("ticket", "text", "number")
    customer = draft.customer()
    if not (opened and own and customer):
        return None
    draft.use(own)
    columns = {"customer_id": customer, "ticket_id": own.as_text()}
    # Where tickets have a history, the priority they end with is not the one they began with.
    for role in ("topic",) if history else ("topic", "severity"):
        if column := raw.find(role, "text"):
            columns[role] = draft.text(column)
    status, where = raw.find("status", "text"), []
    if status and (gone := [v for v in status.values if among(v, "statuses", "tickets") == "no_ticket"]):
        where = [draft.none_of(status, gone)]
        draft.notes.append(f"Tickets that are {listed(gone)} are left out.")
    draft.add(columns, where, occurred_at=draft.time(opened), event="'opened'")
    if organisation := next(
        (c for c in raw.columns if plain(c.name) in ("organization id", "company id", "organisation id") and c.filled),
        None,
    ):
        draft.check("customer_id", "person_or_company", person=next(iter(draft.used)), organisation=organisation)
    if history and _add_history(draft, history, columns, own):
        return draft
    if solved := raw.date("solved"):
        draft.add(columns, [*where, f"{solved.sql} IS NOT NULL"], occurred_at=draft.time(solved), event="'resolved'")
    return draft


def _add_history(draft: TableDraft, history: Raw, columns: dict[str, str], own: Column) -> bool:
    field, value, when = history.find("field_name", "text"), history.find("new_value"), history.date("changed")
    ticket = next((c for c in history.columns if plain(c.name) == "ticket id"), None)
    if not (field and value and when and ticket) or "status" not in field.values:
        return False
    states = [v for v in value.values if among(v, "statuses", "tickets") == "over"]
    over = ", ".join(map(literal, states)) or "'solved', 'closed'"
    draft.reads.append(history)
    for column in (field, value, when, ticket):
        draft.use(column)
    draft.rows = (
        f"SELECT every.*, NULL AS changed_at, NULL AS was_over, NULL AS is_over FROM ({relation_of(draft.raw)}) every\n"
        f"    UNION ALL SELECT ticket.*, status.changed_at, status.was_over, status.is_over\n"
        f"    FROM (SELECT {ticket.sql} AS of_ticket, {when.as_time()} AS changed_at, {value.sql} IN ({over}) AS is_over,\n"
        f"                 coalesce(lag({value.sql}) OVER (PARTITION BY {ticket.sql} ORDER BY {when.as_time()}) IN ({over}), false) AS was_over\n"
        f"          FROM ({relation_of(history)}) WHERE {field.sql} = 'status') status\n"
        f"    JOIN ({relation_of(draft.raw)}) ticket ON ticket.{own.sql} = status.of_ticket"
    )
    draft.branches[0].where.append("changed_at IS NULL")
    moved = {**columns, "occurred_at": "changed_at", "event": "CASE WHEN is_over THEN 'resolved' ELSE 'reopened' END"}
    draft.add(moved, ["changed_at IS NOT NULL", "is_over <> was_over"])
    draft.check("event", "closed_tickets", over=over)
    return True


def _dated(
    table: str, when: str, needed: dict[str, tuple[str, ...]], more: dict[str, str]
) -> Callable[[Raw], TableDraft | None]:
    """Make the drafter of a table whose columns are plainly mapped. ``needed``: column => role and kinds."""

    def draft_table(raw: Raw) -> TableDraft | None:
        draft = TableDraft(table, raw)
        date, customer = raw.date(when), draft.customer()
        if not (date and customer):
            return None
        columns = {"customer_id": customer, "occurred_at": draft.time(date)}
        for name, (role, *kinds) in needed.items():
            if not (column := raw.find(role, *kinds, without=draft.used.values())):
                return None
            columns[name] = draft.number(column) if kinds == ["number"] else draft.text(column)
        for name, role in more.items():
            if column := raw.find(role, without=draft.used.values()):
                columns[name] = draft.text(column)
        draft.add(columns)
        return draft

    return draft_table


def loyalty(raw: Raw) -> TableDraft | None:
    """Draft a programme's points: earned above nought, redeemed below."""
    points = raw.find("points", "number")
    draft = _dated("loyalty", "event", {}, {"tier": "tier"})(raw)
    if not (points and draft):
        return None
    value = draft.number(points)
    draft.branches[0].columns |= {
        "points": f"abs({value})",
        "event": f"CASE WHEN {value} < 0 THEN 'redeemed' ELSE 'earned' END",
    }
    return draft


answers = _dated("declared", "event", {"key": ("question", "text"), "value": ("answer", "text", "number", "flag")}, {})


def contacts(raw: Raw) -> TableDraft | None:
    """Draft what a channel reports of decisions: each status a row; one of no known name is kept, and rejected."""
    more = {"campaign_id": "campaign"} | {name: name for name in ("channel", "offer", "arm", "assigned")}
    draft = _dated("contacts", "event", {"decision_id": ("decision", "text", "number")}, more)(raw)
    if draft and (status := raw.find("contact_status", "text", without=draft.used.values())):
        draft.use(status)
        known = {value: meant for value in status.values if (meant := among(value, "statuses", "contacts"))}
        draft.branches[0].columns["status"] = cases(status, known, status.sql) if known else status.sql
    if draft and (cost := raw.find("cost", "number", without=draft.used.values())):
        draft.branches[0].columns["cost"] = draft.number(cost)
    return draft


def usage(raw: Raw) -> TableDraft | None:
    """Draft what customers used: a metric named in the file, else by the column that counts it."""
    amount = raw.find("usage_amount", "number")
    draft = _dated("usage", "event", {}, {})(raw)
    if not (amount and draft):
        return None
    metric = raw.find("metric", "text", without=draft.used.values())
    named = draft.text(metric) if metric else literal(snake(amount.name))
    draft.branches[0].columns |= {"metric": named, "quantity": draft.number(amount)}
    return draft


def products(raw: Raw) -> TableDraft | None:
    """Draft a list of products: one row each, and no customer."""
    draft = TableDraft("products", raw)
    own = raw.find("product", "text", "number") or next((c for c in raw.columns if plain(c.name) == "id"), None)
    if (
        customer_of(raw)
        or not own
        or not own.is_unique
        or raw.find("quantity", "number") is None
        and not raw.find("category", "text")
        and not raw.find("unit_price", "number")
    ):
        return None
    columns = {"product_id": draft.text(own)}
    for name, role in (("category", "category"), ("brand", "brand")):
        if column := raw.find(role, "text", without=draft.used.values()):
            columns[name] = draft.text(column)
    if price := raw.find("unit_price", "number"):
        columns["price"] = draft.number(price)
    draft.add(columns)
    return draft if len(columns) > 1 else None


def customers(raw: Raw) -> TableDraft | None:
    """Draft who the customers are: what does not change of them, from the day they came."""
    draft = TableDraft("customers", raw)
    own = next((c for c in raw.columns if plain(c.name) == "id" and c.is_unique), None)
    found = customer_of(raw)
    key = (
        found[0] if found and found[0].is_unique and found[0].kind != "email" else own or (found[0] if found else None)
    )
    if not key or not key.is_unique:
        return None
    attributes = [
        c for c in raw.columns if c.fits("attribute") is not None and c.kind == "text" and 1 < c.distinct <= 200
    ]
    since = raw.date("registered")
    columns = {"customer_id": draft.text(key)}
    kinds = next((c for c in raw.columns if plain(c.name) == "role" and "agent" in c.values), None)
    where = [draft.none_of(kinds, ["agent"])] if kinds else []
    if since:
        columns["occurred_at"] = draft.time(since)
    for column in attributes:
        columns[f"attributes.{snake(plain(column.name))}"] = draft.text(column)
    draft.add(columns, where)
    return draft if attributes or since else None
