"""What the data's own rhythm says: how far targets look, in which zone the days begin, in which currency amounts are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tenure.intake.look import Raw
from tenure.intake.names import plain, vocabulary
from tenure.intake.table_draft import TableDraft, listed
from tenure.targets.catalogue import all_targets, in_form, missing_tables

NICE_DAYS = (7, 14, 28, 56, 90, 120, 180, 270, 365)
# A horizon of three usual gaps: who has not come back by then is late, not between two orders.
GAPS = 3


@dataclass
class Setting:
    """A line of the file's head: what it says, and why or what else it could be."""

    value: str
    comments: list[str] = field(default_factory=list)


def zone_of_days(drafts: list[TableDraft]) -> Setting:
    """Find the zone of the times that are used: by offsets, by a column of zones, by their names; else it is asked."""
    zones, raws = vocabulary()["zones"], {draft.raw.name: draft.raw for draft in drafts}
    used = [column for draft in drafts for column in draft.used.values() if column.is_date]
    offsets = Counter(offset for column in used for offset in column.offsets)
    # A zone beside a sale is the row's; elsewhere it is where a person lives.
    timed = [draft.raw for draft in drafts if draft.table in ("order_lines", "payments")]
    if named := next((column for raw in timed if (column := raw.find("zone", "text"))), None):
        found = Counter(zones.get(value.lower(), value if "/" in value else "") for value in named.values)
        zone = found.most_common(1)[0][0]
        if zone:
            return Setting(zone, [f'# "{named.name}" says {listed(named.values, 3)}.'])
    if offsets and set(offsets) != {"+0000"}:
        offset = offsets.most_common(1)[0][0]
        zone = zones.get(offset) or f"Etc/GMT{'-' if offset[0] == '+' else '+'}{int(offset[1:3])}"
        return Setting(zone, [f"# CHECK: the times carry the offset {offset}: {zone}, or another zone of that offset? The instants are right either way; "
                              "days begin where the zone says."])  # fmt: skip
    counted = [column for column in used if column.kind == "number" and column.has_time]
    is_utc = offsets or counted or (used and all("utc" in plain(column.name).split() for column in used))
    systems = any(plain(c.name) in vocabulary()["words"]["utc"] for raw in raws.values() for c in raw.columns)
    if is_utc or systems:
        why = "the times say UTC" if is_utc else "the connector that wrote the files keeps times in UTC"
        return Setting(
            "UTC",
            [
                f'# CHECK: {why}; in which zone do your days begin? With "Europe/Berlin" here and raw_timezone = "UTC" below, 23:30 is of the next day; with UTC it is of the same.'
            ],
        )
    example = used[0].example if used else ""
    return Setting(
        "UTC",
        [
            f'# CHECK: the times name no zone (as {example}). Drafted as UTC; if they are local times, write the zone, as in "Europe/Berlin": they stay as they are, but values with an offset move.'
        ],
    )


def is_all_utc(drafts: list[TableDraft]) -> bool:
    return "say UTC" in "".join(zone_of_days(drafts).comments)


def currency_of(drafts: list[TableDraft]) -> Setting:
    """Find the currency of the amounts that are used: by a column of codes, by signs; else it is asked."""
    with_amounts = [d for d in drafts if any(n in d.branches[0].columns for n in ("amount", "monthly_price", "price"))]
    for draft in with_amounts or drafts:
        if code := draft.raw.find("currency", "text"):
            others = f" and {listed(code.values[1:], 3)}" if code.distinct > 1 else ""
            comments = (
                [f'# CHECK: "{code.name}" holds {code.values[0]}{others}: convert the others, or leave them out.']
                if others
                else []
            )
            return Setting(code.values[0].upper()[:3], comments)
        for column in draft.used.values():
            if column.signs:
                sign = max(column.signs, key=lambda one: sum(one in value for value in column.sample))
                return Setting(vocabulary()["signs"][sign], [f'# By the sign in "{column.name}".'])
    return Setting(
        "", ["# CHECK: no file says the currency: EUR or USD? Amounts stay as they are; pages show the name."]
    )


def targets(tables: dict[str, list[TableDraft]]) -> list[str]:
    """Give the lines of the targets that can be asked, with their numbers from the data's own rhythm."""
    lines, names = (
        ["# Which targets these tables can answer; leave a section out to take the usual numbers."],
        set(tables),
    )
    for name, target in sorted(all_targets().items()):
        if missing := missing_tables(in_form(target, names), names):
            lines.append(f"# {name}: cannot be asked without {' and '.join(missing)}.")
        elif name == "lapse":
            lines += _lapse(tables["order_lines"][0])
        elif name == "churn":
            lines += ["# churn: can be asked.", "[targets.churn]", f"horizon_days = {target.horizon_days}"]
        elif not target.by_default:
            lines.append(f"# {name}: can be asked; write [targets.{name}] to ask it.")
        else:
            lines.append(f"# {name}: can be asked where enough customers did it; 'tenure check' counts them.")
    return lines


def _lapse(draft: TableDraft) -> list[str]:
    gap, span, repeats = usual_gap(draft)
    if not gap:
        return ["# lapse: can be asked, but hardly a customer ordered twice: no usual gap is seen."]
    horizon = next((days for days in NICE_DAYS if days >= GAPS * gap), NICE_DAYS[-1])
    short = horizon * 3 > span
    horizon = max((days for days in NICE_DAYS if days * 3 <= span), default=NICE_DAYS[0]) if short else horizon
    why = f"# lapse: the usual gap between two orders of a customer is {gap:.0f} days (median of {repeats:,}); the horizon is {GAPS} of them"
    why += f", as far as {span} days of history allow." if short else "."
    return [why, "[targets.lapse]", f"horizon_days  = {horizon}", f"eligible_days = {min(2 * horizon, 365)}"]


def usual_gap(draft: TableDraft) -> tuple[float, int, int]:
    """Measure the median days between a customer's orders. => gap (0: none), days of history, gaps measured"""
    who, when = draft.who, draft.when
    if not who or not when:
        return 0.0, 0, 0
    connection, relation = when.look
    day = when.as_time(when.text)
    days = (
        f"SELECT DISTINCT {who.text} AS who, TRY_CAST(TRY_CAST({day} AS TIMESTAMP) AS DATE) AS day "
        f"FROM {relation} WHERE {who.text} IS NOT NULL"
    )
    for condition in draft.branches[0].where:
        if any(name in condition for name in draft.prepared):
            continue
        for column in draft.used.values():
            condition = condition.replace(column.sql, column.text)
        days += f" AND ({condition})"
    gap, span, count = connection.execute(
        f"SELECT median(gap), date_diff('day', min(day), max(day)), count(gap) FROM "
        f"(SELECT day, day - lag(day) OVER (PARTITION BY who ORDER BY day) AS gap FROM ({days}) WHERE day IS NOT NULL)"
    ).fetchall()[0]
    return float(gap or 0), int(span or 0), int(count)


def unused(raw: Raw, drafts: list[TableDraft]) -> list[str]:
    """Give comment lines of the raw columns that are not used, by reason."""
    from tenure.intake.names import is_any

    used = {name for draft in drafts for name in draft.used}
    reasons: dict[str, list[str]] = {}
    for column in raw.columns:
        if column.name in used:
            continue
        reason = (
            "empty" if not column.filled
            else "personal" if column.kind == "email" or (column.kind == "text" and is_any(column.name, "personal"))
            else "two currencies in one column" if len(column.signs) > 1
            else "known only later, or the state at the export" if column.is_future
            else "personal" if is_any(column.name, "personal")
            else "the same in every row" if column.distinct == 1 and raw.rows > 1
            else "no place in the tables above"
        )  # fmt: skip
        reasons.setdefault(reason, []).append(column.name)
    return [f"#   {reason}: {', '.join(names)}" for reason, names in sorted(reasons.items())]
