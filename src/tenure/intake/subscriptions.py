"""Subscriptions: one row each with its dates, a log of events, or paid periods; all become dated events."""

from __future__ import annotations

import re

from tenure.core.sql import literal
from tenure.intake.columns import Column
from tenure.intake.look import Raw
from tenure.intake.names import among, plain, vocabulary
from tenure.intake.table_draft import TableDraft, cases, listed, relation_of

GRACE_DAYS = 30


def subscription_rows(raw: Raw) -> TableDraft | None:
    """Draft the events of a file with one row per subscription and its dates side by side."""
    draft = TableDraft("subscription_events", raw)
    start, cancel, end = raw.date("started"), raw.date("cancelled"), raw.date("ended")
    trial, trial_end = raw.date("trial_started"), raw.date("trial_ended")
    customer = draft.customer()
    if not (start and customer and (cancel or end)):
        return None
    columns = {"customer_id": customer, **_agreed(draft)}
    status = raw.find("status", "text")
    states = (
        {value: among(value, "statuses", "subscriptions") for value in status.values}
        if status and status.distinct < 30
        else {}
    )
    base = []
    if status and (never := [value for value, meant in states.items() if meant == "never"]):
        base.append(draft.none_of(status, never))
        draft.notes.append(f"{listed(never)}: never became subscriptions; left out.")
    over = [value for value, meant in states.items() if meant == "ended"]
    end_at, asked_at = _ends(draft, status, over, cancel, end)
    if trial and trial.filled:
        draft.add(columns, [*base, f"{trial.sql} IS NOT NULL"], occurred_at=draft.time(trial), event="'trial_started'")
    began, outlived = draft.time(start), list(base)
    if trial and trial_end and "activ" not in start.name.lower():
        began = f"coalesce({draft.time(trial_end)}, {began})"
        if status and (in_trial := [value for value, meant in states.items() if meant == "trial"]):
            outlived.append(draft.none_of(status, in_trial))
        if end_at:
            outlived.append(f"coalesce({end_at[0]} > {draft.time(trial_end)}, true)")
    elif end_at and trial:
        outlived.append(f"coalesce({end_at[0]} > {began}, true)")
    outlived.append(f"{start.sql} IS NOT NULL") if start.share < 1 else None
    draft.add(columns, outlived, occurred_at=began, event="'started'")
    if paused := raw.date("paused"):
        draft.add(columns, [*base, f"{paused.sql} IS NOT NULL"], occurred_at=draft.time(paused), event="'paused'")
    if resumed := raw.date("resumed"):
        draft.add(columns, [*base, f"{resumed.sql} IS NOT NULL"], occurred_at=draft.time(resumed), event="'resumed'")
    reason = raw.find("end_reason", "text")
    why = {"end_reason": draft.text(reason)} if reason else {}
    if asked_at:
        forced = (
            [value for value in reason.values if value.lower() in vocabulary()["words"]["involuntary"]]
            if reason
            else []
        )
        chose = [draft.none_of(reason, forced)] if reason and forced else []
        draft.add(columns, [*base, *asked_at[1], *chose], occurred_at=asked_at[0], event="'cancel_requested'", **why)
    if end_at:
        draft.add(columns, [*base, *end_at[1]], occurred_at=end_at[0], event="'ended'", **why)
    _newest_version(draft)
    return draft


def _ends(
    draft: TableDraft, status: Column | None, over: list[str], cancel: Column | None, end: Column | None
) -> tuple[tuple[str, list[str]] | None, tuple[str, list[str]] | None]:
    """Say when a subscription ended and when its end was asked for. => (SQL, conditions) of each"""
    is_over = [draft.one_of(status, over)] if over and status else []
    if end:
        # "Ended" has happened; what "expires" or "ends" may lie ahead while the subscription runs.
        planned = not re.search(r"ended|terminated|expired", plain(end.name))
        asked = (draft.time(cancel), [f"{cancel.sql} IS NOT NULL"]) if cancel else None
        if planned and not is_over:
            draft.check("event", "planned_end", end=end)
        return (draft.time(end), [f"{end.sql} IS NOT NULL", *(is_over if planned else [])]), asked
    if cancel and is_over:
        leaving = [v for v in (status.values if status else []) if among(v, "statuses", "subscriptions") == "leaving"]
        if leaving:
            draft.check("event", "leaving", cancel=cancel, leaving=listed(leaving), over=listed(over))
        return (draft.time(cancel), [f"{cancel.sql} IS NOT NULL", *is_over]), None
    if cancel:
        draft.check("event", "cancelled_or_asked", cancel=cancel)
        return (draft.time(cancel), [f"{cancel.sql} IS NOT NULL"]), None
    return None, None


def _agreed(draft: TableDraft) -> dict[str, str]:
    """Give what was agreed at the start: id, plan, price a month, term."""
    raw, columns = draft.raw, {}
    # A file of subscriptions calls the subscription's own id "id".
    if found := raw.find("subscription", "text", "number"):
        columns["subscription_id"] = draft.text(found)
    if plan := raw.find("plan", "text", "number"):
        columns["plan"] = draft.text(plan)
    if months := _months(draft):
        draft.prepared["term_months"] = months
    price = raw.find("plan_price", "number")
    if price:
        cents = _cents(draft, price)
        value = draft.number(price, factor=True) + (" / 100" if cents else "")
        quantity = raw.find("quantity", "number")
        value += f" * {draft.number(quantity, factor=True)}" if quantity else ""
        columns["monthly_price"] = f"{value} / term_months" if months else value
        if not months and "month" not in plain(price.name):
            draft.check("monthly_price", "price_of_term", price=price)
    if months:
        columns["term_days"] = "CASE WHEN term_months % 12 = 0 THEN 365 * term_months // 12 ELSE 30 * term_months END"
    return columns


def _cents(draft: TableDraft, price: Column) -> bool:
    from tenure.intake.sales import _minor

    before = len(draft.checks)
    cents = _minor(draft, price)
    draft.checks[before:] = [("monthly_price", text) for _, text in draft.checks[before:]]
    return cents


def _months(draft: TableDraft) -> str:
    """SQL of the months of a term, by the words for it."""
    known = vocabulary()["intervals"]
    texts = (column for column in draft.raw.columns if column.kind == "text" and column.values)
    worded = next((c for c in texts if all(plain(value) in known for value in c.values)), None)
    interval = draft.raw.find("interval", "text") or worded
    if not interval or interval.distinct > 20:
        return ""
    months = {value: known.get(plain(value)) for value in interval.values}
    if not any(months.values()):
        return ""
    draft.use(interval)
    sql = f"CASE {interval.sql} " + " ".join(f"WHEN {literal(v)} THEN {n}" for v, n in months.items() if n) + " END"
    count = draft.raw.find("interval_count", "number")
    return f"{sql} * {draft.number(count)}" if count and count.is_whole else sql


def _newest_version(draft: TableDraft) -> None:
    """Where a subscription stands in several rows, versions of it, read the newest."""
    raw = draft.raw
    own, updated = raw.find("subscription", "text", "number"), raw.date("updated")
    if not (own and updated) or own.distinct == own.filled:
        return
    draft.qualify = f"row_number() OVER (PARTITION BY {own.sql} ORDER BY {updated.as_time()} DESC) = 1"
    draft.notes.append(f'Rows of one "{own.name}" are versions of it: the newest by "{updated.name}" is read.')


def subscription_log(raw: Raw) -> TableDraft | None:
    """Draft the events of a file that has one row per event, named in a vocabulary of subscriptions."""
    draft = TableDraft("subscription_events", raw)
    event, when, customer = _event_column(raw), raw.date("event"), draft.customer()
    if not (event and when and customer):
        return None
    meanings = {value: among(value, "events", "subscription") for value in event.values}
    mapped = {value: meant for value, meant in meanings.items() if meant}
    draft.use(event)
    columns = {
        "customer_id": customer,
        "occurred_at": draft.time(when),
        "event": cases(event, mapped),
        **_agreed(draft),
    }
    if reason := raw.find("end_reason", "text"):
        columns["end_reason"] = draft.text(reason)
    where = []
    if other := [value for value in meanings if value not in mapped]:
        where.append(draft.one_of(event, list(mapped)))
        draft.check("event", "other_events", event=event, other=listed(other))
    draft.add(columns, where)
    return draft


def _event_column(raw: Raw) -> Column | None:
    for column in raw.columns:
        if column.fits("event") is not None and column.kind == "text" and column.distinct <= 60:
            known = sum(n for value, n in column.top if among(value, "events", "subscription"))
            if (
                known > 0.6 * sum(n for _, n in column.top)
                and len({among(v, "events", "subscription") for v in column.values} - {None}) > 1
            ):
                return column
    return None


def paid_periods(raw: Raw) -> TableDraft | None:
    """Draft events from paid periods where there are no events: an end is a period that no other follows in time."""
    draft = TableDraft("subscription_events", raw)
    start, end = raw.date("period_start") or raw.date("paid"), raw.date("period_end")
    customer, months = draft.customer(), _months(draft)
    if not (start and customer and (end or months)):
        return None
    plan, own = raw.find("plan", "text"), raw.find("subscription", "text", "number", share=0.5)
    own = own if own and not own.is_unique and plain(own.name) != "id" else None
    begin = draft.time(start)
    until = (
        draft.time(end)
        if end
        else f"{begin} + to_days(CAST(CASE WHEN {months} >= 12 THEN 365.0 / 12 ELSE 30 END * {months} AS INTEGER))"
    )
    who = draft.text(own) if own else customer
    status = raw.find("status", "text")
    paid = [v for v in status.values if among(v, "statuses", "payments") == "succeeded"] if status else []
    condition = f" WHERE {draft.one_of(status, paid)}" if paid and status else ""
    named = f", {draft.text(plan)} AS plan_paid" if plan else ""
    draft.rows = (
        f"SELECT *, lag(period_until) OVER w AS until_before, lead(period_from) OVER w AS from_next, max(period_from) OVER () AS today\n"
        f"    FROM (SELECT DISTINCT {customer} AS customer, {who} AS subscription, {begin} AS period_from, {until} AS period_until{named}\n"
        f"          FROM ({relation_of(raw)}){condition})\n"
        "    WINDOW w AS (PARTITION BY subscription ORDER BY period_from)"
    )
    columns = {"customer_id": "customer", "subscription_id": "subscription", **({"plan": "plan_paid"} if plan else {})}
    columns["term_days"] = "date_diff('day', period_from, period_until)"
    grace = f"INTERVAL {GRACE_DAYS} DAY"
    event = f"CASE WHEN until_before IS NULL OR period_from > until_before + {grace} THEN 'started' ELSE 'renewed' END"
    draft.add(columns, [], occurred_at="period_from", known_at="period_from", event=event)
    draft.add(
        columns,
        [f"(from_next IS NULL OR from_next > period_until + {grace})", f"period_until + {grace} < today"],
        occurred_at="period_until",
        known_at=f"period_until + {grace}",
        event="'ended'",
    )
    draft.check("event", "paid_periods", grace_days=GRACE_DAYS)
    return draft
