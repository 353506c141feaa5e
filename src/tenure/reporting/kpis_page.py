"""The page of KPIs: what changed each measure, what foretells it, and what moved it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tenure.measure.kpi_tree import KpiTree
from tenure.measure.kpis.kpi import Kpi, Value
from tenure.measure.words import amount, ends
from tenure.reporting.figures import HEURISTIC, INK, MODEL, MUTED, new_axes
from tenure.reporting.pages import count, picture, render_page
from tenure.sources.staged_source import StagedSource

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_MONTHS, SHOWN_LINKS, SHOWN_WEEKS = 13, 8, 53
COLOURS = (MODEL, "#6bb3a8", HEURISTIC, "#e3a857", MUTED, "#4a6fa5")
FORMS = {"currency": "{:,.2f}", "count": "{:,.0f}", "share": "{:.1%}", "ratio": "{:.3f}"}


def kpis_page(
    tree: KpiTree, links: pd.DataFrame, causes: pd.DataFrame, staged: StagedSource, as_of: object, *, is_quick: bool
) -> str:
    """Render the tree; ``links`` as ``measure.links``, ``causes`` as ``measure.links.causes``."""
    words = {value.name: value.words for kpi in tree.kpis.values() for value in kpi.values}
    found = links[links["is_found"]].drop_duplicates(["leading", "lagging"])
    shown = found if len(found) else links.drop_duplicates(["leading", "lagging"]).head(SHOWN_LINKS)
    return render_page(
        "kpis.html",
        staged,
        as_of,
        is_quick=is_quick,
        lagging=[
            _lagging(kpi, tree, found, causes, staged.source.currency)
            for kpi in tree.kpis.values()
            if not kpi.is_leading
        ],
        leading=[_leading(kpi, tree) for kpi in tree.kpis.values() if kpi.is_leading],
        links=[_link(row, words) for row in shown.itertuples()],
        found=len(found),
        looked_at=len(links),
        unavailable=tree.unavailable,
        words_of=words,
    )


def _lagging(kpi: Kpi, tree: KpiTree, found: pd.DataFrame, causes: pd.DataFrame, currency: str) -> dict[str, Any]:
    """Say what one measure came to, month by month, and what changed it."""
    names = [value.name for value in kpi.values]
    own = tree.months[tree.months["kpi"].isin(names)]
    table = own.pivot(index="month", columns="kpi", values="value")[names].tail(SHOWN_MONTHS)
    partial = own.groupby("month")["is_partial"].any()
    changes = tree.changes[tree.changes["kpi"] == kpi.name].pivot(index="month", columns="part", values="amount")
    changes = changes[[name for name in names if name in changes]].reindex(table.index)
    rows = [
        (month, partial[month], [_cell(value, table.at[month, value.name], changes, month) for value in kpi.values])
        for month in table.index[::-1]
    ]
    whole = [month for month in table.index if not partial[month]]
    return {
        "kpi": kpi, "heading": _heading(kpi, table, changes, whole, currency), "rows": rows,
        "figure": picture(_figure(kpi, table.loc[whole], changes.loc[whole].dropna())) if len(whole) > 1 else "",
        "branches": [
            (value.words, *_branch(value, table, changes, whole), _found(value.name, found))
            for value in kpi.values
            if value.name == kpi.values[0].name or value.name in changes
        ],
        "causes": [
            f"{row.action} causes {amount(row.effect, row.unit)} {'points' if row.unit == 'share' else currency} {row.outcome} "
            f"({ends(row.low, row.high, row.unit)})"
            for row in causes[causes["kpi"] == kpi.name].itertuples()
        ],
    }  # fmt: skip


def _cell(value: Value, number: Any, changes: pd.DataFrame, month: Any) -> tuple[str, str]:
    """Write a value, and where its unit is not the KPI's what it changed the KPI by."""
    part = changes[value.name].get(month) if value.name in changes else None
    return count(number, FORMS[value.unit]), "" if part is None or part != part else f"{part:+,.2f}"


def _branch(value: Value, table: pd.DataFrame, changes: pd.DataFrame, whole: Sequence[Any]) -> tuple[str, str]:
    if not whole:
        return "–", ""
    return _cell(value, table.at[whole[-1], value.name], changes, whole[-1])


def _found(name: str, found: pd.DataFrame) -> list[Any]:
    return list(found[found["lagging"] == name].itertuples())


def _heading(kpi: Kpi, table: pd.DataFrame, changes: pd.DataFrame, whole: Sequence[Any], currency: str) -> str:
    own, words = kpi.values[0], {value.name: value.words for value in kpi.values}
    unit = f" {currency}" if own.unit == "currency" else ""
    name = own.words[:1].upper() + own.words[1:]
    if len(whole) < 2:
        return f"{name}: no two whole months yet"
    now, before = (table.at[month, own.name] for month in (whole[-1], whole[-2]))
    moved = (
        f"rose by {now - before:,.0f}" if now > before else f"fell by {before - now:,.0f}" if now < before else "stayed"
    )
    said = f"{name} {moved} to {now:,.0f}{unit} in {whole[-1]:%B %Y}"
    if changes.empty or not len(changes.columns):
        return said
    parts = changes.loc[whole[-1]].astype(float)
    most = parts.abs().idxmax()
    return f"{said}, most of it by {words[most]} ({parts[most]:+,.0f})"


def _figure(kpi: Kpi, table: pd.DataFrame, changes: pd.DataFrame) -> Figure:
    """Draw what changed the measure from month to month; without parts, the measure itself."""
    own, words = kpi.values[0], {value.name: value.words for value in kpi.values}
    if changes.empty:
        figure, axes = new_axes(own.words, "", "")
        axes.bar(range(len(table)), table[own.name].astype(float), color=MODEL)
        months = list(table.index)
    else:
        figure, axes = new_axes(f"What changed: {own.words}", "", "against the month before")
        up, down = ([0.0] * len(changes) for _ in range(2))
        for name, colour in zip(changes, COLOURS, strict=False):
            parts = changes[name].astype(float).tolist()
            bottom = [u if part >= 0 else d for part, u, d in zip(parts, up, down, strict=True)]
            axes.bar(range(len(parts)), parts, bottom=bottom, color=colour, width=0.75, label=words[name])
            up = [u + max(part, 0) for u, part in zip(up, parts, strict=True)]
            down = [d + min(part, 0) for d, part in zip(down, parts, strict=True)]
        axes.plot(
            range(len(changes)),
            changes.astype(float).sum(axis=1),
            "o-",
            color=INK,
            markersize=4,
            linewidth=1,
            label="all together",
        )
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.legend(frameon=False, fontsize=8, ncols=2)
        months = list(changes.index)
    step = max(1, len(months) // 6)
    axes.set_xticks(
        range(0, len(months), step), [f"{month:%b %Y}" for month in months[::step]], rotation=30, ha="right"
    )
    axes.yaxis.set_major_formatter("{x:,.0f}")
    return figure


def _leading(kpi: Kpi, tree: KpiTree) -> dict[str, Any]:
    value = kpi.values[0]
    weeks = tree.weeks[value.name].dropna().tail(SHOWN_WEEKS)
    ago = [weeks.iloc[-1 - back] if len(weeks) > back else None for back in (0, 4, 52)]
    return {
        "kpi": kpi, "words": value.words, "week": weeks.index[-1] if len(weeks) else None,
        "values": [count(each, FORMS[value.unit]) for each in ago],
    }  # fmt: skip


def _link(row: Any, words: dict[str, str]) -> dict[str, Any]:
    return {
        "leading": words[row.leading], "lagging": words[row.lagging], "lead": row.lead_weeks, "weeks": row.weeks,
        "slope": f"{row.slope:+,.4g} ({row.low:+,.4g} to {row.high:+,.4g})", "p": f"{row.p_adjusted:.3f}",
        "word": "goes with" if row.is_found else "may be chance",
    }  # fmt: skip
