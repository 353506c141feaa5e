"""Orders and payments: what was sold, what was paid, and what of both was given back, dated when it was."""

from __future__ import annotations

import re
from collections import defaultdict

from tenure.intake.columns import Column
from tenure.intake.look import Raw
from tenure.intake.names import among, plain, vocabulary, words
from tenure.intake.table_draft import TableDraft, listed


def order_lines(raw: Raw) -> TableDraft | None:
    """Draft order lines from a file of items, or of orders; None where it has no customer, date or amount."""
    draft = TableDraft("order_lines", raw)
    wide = _items_side_by_side(raw)
    when = (raw.date("won") if is_crm(raw) else None) or raw.date("order")
    customer = draft.customer(0.3)
    order = raw.find("order", "text", "number", "email", without=draft.used.values())
    if not when or not customer:
        return None
    columns = {"customer_id": customer, "occurred_at": draft.time(when)}
    if order:
        columns["order_id"] = draft.text(order)
    else:
        columns["order_id"] = f"concat({customer}, ' ', CAST({when.sql} AS VARCHAR))"
        draft.check("order_id", "no_order_id")
    where = _sales_only(draft, order)
    if wide:
        return _from_items(draft, wide, columns, where)
    product, quantity = raw.find("product", "text", "number"), raw.find("quantity", "number")
    price = raw.find("unit_price", "number")
    per_line = bool(product and order and not order.is_unique) or bool(quantity and (product or price))
    amount = raw.find("line_amount" if per_line else "order_amount", "number", without=[price])
    repeated = order if per_line and order and not order.is_unique else None
    # A total that stands on the first line of an order alone is the order's, not the line's.
    if amount and repeated and amount.filled < 0.97 * raw.rows and price:
        amount = None
    if not amount and not price:
        return None
    if product and product.kind != "empty":
        columns["product_id"] = _product(draft, product)
    count = draft.number(quantity, factor=True) if quantity else ""
    if per_line and quantity:
        columns["quantity"] = count
    elif not per_line:
        columns["quantity"] = (
            f"CASE WHEN {draft.number(amount)} < 0 THEN -1 ELSE 1 END" if amount and _has_negative(amount) else "1"
        )
    gross = f"{count} * {draft.number(price, factor=True)}" if price and quantity else draft.number(price)
    columns["amount"] = draft.number(amount) if amount else gross
    if not amount and price and quantity and quantity.distinct > 1:
        draft.check("amount", "piece_or_line_price", price=price, quantity=quantity)
    discount = raw.find("discount", "number")
    if discount and discount is not amount:
        taken = draft.number(discount)
        if repeated and discount.filled < 0.97 * raw.rows and not amount:
            _spread_discount(draft, order, gross, taken)
            columns["amount"] = f"{gross} * (1 - order_discount_share)"
            columns["discount"] = f"{gross} * order_discount_share"
            draft.check("amount", "discount_of_order", discount=discount)
        elif per_line:
            columns["discount"] = f"abs({taken})"
    elif not per_line and amount:
        rival = raw.find("order_total", "number", without=[amount])
        if rival:
            draft.check("amount", "subtotal_or_total", amount=amount, rival=rival)
    _name_dimensions(draft, columns)
    draft.add(columns, where)
    _returns(draft, columns, order if repeated else None)
    return draft


def is_crm(raw: Raw) -> bool:
    """Say whether the rows are deals of a sales team: some were won."""
    status = raw.find("status", "text")
    return status is not None and any("won" in words(value) for value in status.values)


def _product(draft: TableDraft, product: Column) -> str:
    named = draft.raw.find("product_name", "text", without=[product])
    draft.use(product)
    if product.share < 1 and named and named.share > product.share:
        draft.use(named)
        return f"coalesce({product.sql}, {named.sql})"
    return product.as_text()


def _name_dimensions(draft: TableDraft, columns: dict[str, str]) -> None:
    for role in ("channel", "brand"):
        found = draft.raw.find(role, "text", share=0.5, without=draft.used.values())
        if found and found.distinct <= 60 and not any("\n" in value for value in found.sample):
            columns[role] = draft.text(found)


def _largest(column: Column) -> str:
    return max(column.sample, key=lambda value: (bool(re.search(r"[1-9]", value)), len(value)))


def _has_negative(column: Column) -> bool:
    return any(re.match(r"[^\d]*-|\(", value) for value in column.sample)


def _sales_only(draft: TableDraft, order: Column | None) -> list[str]:
    """Keep what was sold: of the statuses that are there, those that mean a sale; say what was thought of each."""
    status = draft.raw.find("status", "text")
    if not status or status.distinct > 40:
        return []
    found = {value: among(value, "statuses", "orders") for value in status.values}
    if sum(bool(meant) for meant in found.values()) < len(found) / 3:
        return []
    draft.use(status)
    asked = [value for value, meant in found.items() if meant == "asked"]
    deals = is_crm(draft.raw)
    unknown = [] if deals else [value for value, meant in found.items() if meant is None]
    lost = [value for value, meant in found.items() if meant == "none" or (deals and meant != "sale")]
    # Where orders wait for nothing but cash at the door, "pending" is what nearly all of them are.
    sold = sum(n for value, n in status.top if found[value] == "sale")
    waiting = [v for v in asked if "hold" in v or sum(n for value, n in status.top if value in asked) > sold]
    for doubtful, counts in ((waiting, True), ([v for v in asked if v not in waiting], False), (unknown, True)):
        if doubtful and not deals:
            rows = sum(n for value, n in status.top if value in doubtful)
            draft.check(
                "where",
                "waiting_orders",
                status=status,
                doubtful=listed(doubtful),
                rows=rows,
                drafted="sales; take them out of" if counts else "none; add them to",
            )
    if deals:
        draft.check("where", "won_deals", won=listed([v for v in found if found[v] == "sale"]))
    elif draft.raw.date("cancelled"):
        return []  # what was cancelled is taken back on its day
    kept = [value for value, meant in found.items() if value not in lost and (meant != "asked" or value in waiting)]
    if len(kept) == len(found):
        return []
    condition = draft.one_of(status, kept)
    if status.share < 1 and order and not order.is_unique:  # it stands on the first line of an order alone
        draft.prepared["status_of_order"] = f"max({status.sql}) OVER (PARTITION BY {order.sql})"
        return [condition.replace(status.sql, "status_of_order", 1)]
    return [condition if status.share == 1 else f"coalesce({condition}, true)"]


def _spread_discount(draft: TableDraft, order: Column | None, gross: str, taken: str) -> None:
    """Give each line its share of what was taken off the order."""
    whole = f"OVER (PARTITION BY {order.sql})" if order else "OVER ()"
    draft.prepared["order_discount_share"] = f"coalesce(max({taken}) {whole} / nullif(sum({gross}) {whole}, 0), 0)"


def _returns(draft: TableDraft, columns: dict[str, str], order: Column | None) -> None:
    """Add what was taken back as lines of its own, dated then; say so where the file does not tell when."""
    raw = draft.raw
    status = raw.find("status", "text")
    given_back = (
        [v for v in status.values if among(v, "statuses", "orders") == "refunded"]
        if status and status.name in draft.used
        else []
    )
    cancelled = raw.date("cancelled")
    packed = next(
        (c for c in raw.columns if c.filled and all(re.search(r"amount:[\d.]+.*date:", v) for v in c.sample)), None
    )
    negative = {**columns, "quantity": f"-({columns.get('quantity', '1')})", "amount": f"-({columns['amount']})"}
    if "discount" in columns:
        negative["discount"] = f"-({columns['discount']})"
    if cancelled and draft.branches:
        draft.use(cancelled)
        if order and cancelled.filled < raw.rows:
            draft.prepared["cancelled_on_order"] = f"max({cancelled.sql}) OVER (PARTITION BY {order.sql})"
            when = cancelled.as_time().replace(cancelled.sql, "cancelled_on_order")
            negative["occurred_at"], condition = when, "cancelled_on_order IS NOT NULL"
        else:
            negative["occurred_at"], condition = draft.time(cancelled), f"{cancelled.sql} IS NOT NULL"
        draft.add(negative, [condition])
        draft.notes.append(
            f'An order cancelled at "{cancelled.name}" stays until then; the same lines follow, negative.'
        )
    elif packed:
        draft.use(packed)
        amount, day = (f"regexp_extract({packed.sql}, '{key}:([0-9:. -]+)', 1)" for key in ("amount", "date"))
        back = {name: sql for name, sql in columns.items() if name in ("customer_id", "order_id")}
        back |= {
            "occurred_at": f"TRY_CAST({day} AS TIMESTAMP)",
            "quantity": "-1",
            "amount": f"-TRY_CAST({amount} AS DECIMAL(18,4))",
        }
        draft.add(back, [f"{packed.sql} IS NOT NULL", *draft.branches[0].where[1:]])
        draft.notes.append(f'A refund ("{packed.name}") is a line of its own, negative, on its own day.')
    else:
        back_amount = next(
            (
                c
                for c in raw.columns
                if c.kind == "number"
                and re.search(r"refund", plain(c.name))
                and any(float(n) > 0 for n in re.findall(r"\d+\.?\d*", " ".join(c.sample)))
            ),
            None,
        )
        refunded_at = raw.date("refunded")
        if back_amount and refunded_at:
            back = negative | {
                "occurred_at": draft.time(refunded_at),
                "quantity": "-1",
                "amount": f"-abs({draft.number(back_amount)})",
            }
            back.pop("discount", None)
            draft.add(back, [f"{draft.number(back_amount)} <> 0"])
        elif back_amount:
            draft.check("amount", "undated_refund", back_amount=back_amount, example=_largest(back_amount))
        elif given_back:
            draft.check("where", "given_back_orders", given_back=listed(given_back))


def _items_side_by_side(raw: Raw) -> dict[str, dict[str, Column]]:
    """Find numbered groups of columns, "Product Item 1 id" beside "Product Item 2 id". => number: role: column"""
    groups: dict[str, dict[str, Column]] = defaultdict(dict)
    for column in raw.columns:
        if not (numbered := re.fullmatch(r"(.*?)[ _]?(\d{1,2})[ _](.+)", column.name)) or "item" not in plain(
            numbered[1]
        ):
            continue
        name = plain(numbered[3])
        for role, names in {"sku": ("sku",), "id": ("id", "product id"), "name": ("name",), "quantity": ("quantity", "qty"), "total": ("total", "line total", "price"), "sub": ("subtotal",)}.items():  # fmt: skip
            if name in names:
                groups[numbered[2]][role] = column
    return {n: group for n, group in groups.items() if {"quantity", "total"} <= group.keys()} if len(groups) > 1 else {}


def _from_items(
    draft: TableDraft, wide: dict[str, dict[str, Column]], base: dict[str, str], where: list[str]
) -> TableDraft:
    for group in wide.values():
        product = next((group[role] for role in ("id", "sku", "name") if role in group), None)
        columns = base | {"product_id": product.sql if product else "NULL"}
        for column in group.values():
            draft.use(column)
        columns |= {"quantity": group["quantity"].as_number(), "amount": group["total"].as_number()}
        if "sub" in group:
            columns["discount"] = f"{group['sub'].as_number()} - {columns['amount']}"
        there = product or group["quantity"]
        draft.add(columns, [f"{there.sql} IS NOT NULL", *where])
    draft.notes.append("The items of an order lie side by side: one SELECT each.")
    _returns(draft, draft.branches[0].columns | {"product_id": "NULL"}, None)
    return draft


def payments(raw: Raw) -> TableDraft | None:
    """Draft payments; None where the file has no customer, date or amount."""
    draft = TableDraft("payments", raw)
    when = raw.date("paid")
    customer = draft.customer()
    currency = raw.find("currency", "text")
    codes = [
        c for c in raw.columns if re.search(r"currency|waehrung|wahrung|devise|moneda", plain(c.name)) and c.filled
    ]
    mixed = any(
        code.distinct > 1 for code in codes if plain(code.name) in ("currency", "currency code", "transaction currency")
    )
    amount = (raw.find("converted_amount", "number") if mixed else None) or raw.find("pay_amount", "number")
    if not (when and customer and amount):
        return None
    where = []
    if mixed and currency and plain(currency.name).startswith("currency"):
        main = currency.values[0]
        where.append(draft.one_of(currency, [main]))
        draft.check(
            "amount", "several_currencies", currency=currency, currency_values=listed(currency.values), main=main
        )
    elif mixed:
        source = raw.find("pay_amount", "number", without=[amount])
        if source:
            draft.check("amount", "account_currency", amount=amount, source=source)
    value, minor = draft.number(amount), _minor(draft, amount)
    value = f"{value} / 100" if minor else value
    columns = {"customer_id": customer, "occurred_at": draft.time(when)}
    taken = [*draft.used.values()]
    if found := raw.find("payment_id", "text", "number", share=0.3, without=taken):
        columns["payment_id"] = draft.text(found)
        if not found.is_unique and found.filled > 5:
            draft.notes.append(f'"{found.name}" is not unique: retries and refunds share it, so it is no key.')
    how, kept = _how_it_went(draft)
    has_negative = _has_negative(amount)
    gives_back = "'refunded'" in how or "'charged_back'" in how
    columns["amount"] = f"abs({value})" if has_negative and gives_back else value
    if has_negative and not gives_back:
        where.append(f"{value} > 0")
        draft.notes.append(f'Negative "{amount.name}" are what we paid, not what customers did: left out.')
    columns["status"] = how
    if reason := raw.find("failure", "text", without=draft.used.values()):
        columns["failure_reason"] = draft.text(reason)
    draft.add(columns, [*where, *kept])
    _money_back(draft, columns, minor)
    return draft


def _minor(draft: TableDraft, amount: Column) -> bool:
    """Say whether whole figures are cents: certain beside a column a hundred times smaller, else a point to check."""
    if not amount.is_whole or not amount.top:
        return False
    named = plain(amount.name) in vocabulary()["words"]["minor_units"]
    shown = max(amount.values, key=len)
    if named or all(abs(int(value)) >= 100 or value == "0" for value in amount.values):
        draft.check(
            "amount",
            "cents",
            amount=amount,
            shown=shown,
            as_cents=int(shown) / 100,
            drafted="cents" if named else "whole units",
            other="larger" if named else "smaller",
        )
    return named


def _how_it_went(draft: TableDraft) -> tuple[str, list[str]]:
    """Map statuses and types to the contract's four. => SQL, conditions on the rows that are payments of customers"""
    raw = draft.raw
    status, kind = raw.find("pay_status", "text"), raw.find("type", "text")
    # The state of an order is none of its payment.
    status = status if status and status.distinct <= 40 and "order" not in words(status.name) else None
    states = {v: among(v, "statuses", "payments") for v in status.values} if status else {}
    kinds = {v: among(v, "types", "payments") for v in kind.values} if kind and kind.distinct <= 60 else {}
    # A type that says how it went: Settled, Refused.
    kinds |= {
        v: "failed"
        for v, meant in kinds.items()
        if not meant and not status and among(v, "statuses", "payments") == "failed"
    }
    if not any(kinds.values()):
        kinds, kind = {}, None
    kept, parts = [], []
    if kind:
        draft.use(kind)
        good = [value for value, meant in kinds.items() if meant]
        kept.append(draft.one_of(kind, good))
        if other := [value for value in kinds if value not in good]:
            draft.check("where", "other_types", kind=kind, other=listed(other, 4), out=other[0], kept=good[0])
        parts += [
            f"WHEN {draft.one_of(kind, [v for v in good if kinds[v] == way])} THEN '{way}'"
            for way in ("refunded", "charged_back", "failed")
            if way in kinds.values()
        ]
    if status and any(states.values()):
        draft.use(status)
        has_dated_refund = bool(raw.date("refunded"))
        mapped = {
            v: ("succeeded" if m in ("refunded", "charged_back") and has_dated_refund else m)
            for v, m in states.items()
            if m and m != "left_out"
        }
        if "refunded" in mapped.values() and not kind and not has_dated_refund:
            draft.check("status", "undated_refund_status", status=status)
        parts += [
            f"WHEN {draft.one_of(status, [v for v in mapped if mapped[v] == way])} THEN '{way}'"
            for way in dict.fromkeys(mapped.values())
        ]
        absent = [
            way for way in ("failed", "refunded") if way not in states.values() and not (kind or has_dated_refund)
        ]
        parts += [f"WHEN lower({status.sql}) = '{way}' THEN '{way}'" for way in absent]
        if other := [value for value in states if value not in mapped]:
            kept.append(draft.one_of(status, list(mapped)))
            draft.check("status", "other_statuses", status=status, other=listed(other))
        elif len(mapped) == len(states) and set(mapped.values()) == {"succeeded"}:
            draft.check("status", "no_failures", status=status, states=listed(list(states)))
    elif kind:
        parts.append("ELSE 'succeeded'")
    else:
        draft.check("status", "no_status")
        return "'succeeded'", kept
    return f"CASE {' '.join(parts)} END", kept


def _money_back(draft: TableDraft, columns: dict[str, str], minor: bool) -> None:
    """Add refunds and disputes that stand in the payment's own row as rows of their own day."""
    for role, word, way in (("refunded", "refund", "refunded"), ("disputed", "disput", "charged_back")):
        when = draft.raw.date(role)
        amounts = [c for c in draft.raw.columns if c.kind == "number" and word in plain(c.name) and c.filled]
        amounts.sort(key=lambda c: ("converted" in plain(c.name)) != any("converted" in plain(u) for u in draft.used))
        if not amounts:
            continue
        value = amounts[0].as_number() + (" / 100" if minor else "")
        if when:
            draft.use(amounts[0])
            back = columns | {"occurred_at": draft.time(when), "amount": f"abs({value})", "status": f"'{way}'"}
            draft.add(back, [f"{value} <> 0"])
            draft.notes.append(f'"{amounts[0].name}" is a second row, dated "{when.name}".')
        elif any(re.search(r"[1-9]", v) for v in amounts[0].sample):
            draft.check("amount", "undated_money_back", name=amounts[0].name, example=_largest(amounts[0]))
