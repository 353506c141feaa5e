"""The page of KPIs: what changed each measure, what foretells it, and what moved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tenure.measure.kpi_tree import KpiTree
from tenure.measure.kpis.kpi import Kpi, Value
from tenure.measure.outcomes import OUTCOMES
from tenure.measure.words import amount, ends
from tenure.reporting.figures import HEURISTIC, INK, MODEL, MUTED, new_axes
from tenure.reporting.pages import count, picture, render_page
from tenure.sources.staged_source import StagedSource

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_MONTHS, SHOWN_LINKS = 13, 8
COLOURS = (MODEL, "#6bb3a8", HEURISTIC, "#e3a857", MUTED)
FORMS = {"currency": "{:,.2f}", "count": "{:,.0f}", "share": "{:.1%}", "ratio": "{:.3f}"}


class Months(NamedTuple):
    """One KPI's last months: ``table`` by month and value, ``is_partial`` by month, ``changes`` by whole month and part."""

    table: pd.DataFrame
    is_partial: pd.Series
    changes: pd.DataFrame


def kpis_page(tree: KpiTree, causes: pd.DataFrame, staged: StagedSource, as_of: object, *, is_quick: bool) -> str:
    """Render the tree; ``causes`` as ``measure.links.causes``."""
    pairs = tree.links.drop_duplicates(["leading", "lagging"])
    is_share = pairs["leading"].map({name: kpi.unit == "share" for name, kpi in tree.kpis.items()}).astype(bool)
    pairs = pairs.assign(**{name: pairs[name].where(~is_share, pairs[name] / 100) for name in ("slope", "low", "high")})
    found = pairs[pairs["is_found"]]
    return render_page(
        "kpis.html", staged, as_of, is_quick=is_quick, looked_at=len(tree.links), unavailable=tree.unavailable,
        lagging=[_lagging(kpi, _months_of(kpi, tree)) for kpi in tree.kpis.values() if not kpi.is_leading],
        causes={name: [_cause(row, staged.source.currency) for row in own.itertuples()] for name, own in causes.groupby("kpi")},
        leading=[_leading(kpi, tree.weeks[name].dropna()) for name, kpi in tree.kpis.items() if kpi.is_leading],
        found={name: list(own.itertuples()) for name, own in found.groupby("lagging")}, pairs=len(found),
        links=list((found if len(found) else pairs.head(SHOWN_LINKS)).itertuples()),
        words={value.name: value.words for kpi in tree.kpis.values() for value in kpi.values},
    )  # fmt: skip


def _months_of(kpi: Kpi, tree: KpiTree) -> Months:
    names = [value.name for value in kpi.values]
    own = tree.months[tree.months["kpi"].isin(names)]
    parts = tree.changes[tree.changes["kpi"] == kpi.name].pivot(index="month", columns="part", values="amount")
    return Months(
        own.pivot(index="month", columns="kpi", values="value")[names].tail(SHOWN_MONTHS),
        own.groupby("month")["is_partial"].any().tail(SHOWN_MONTHS),
        parts[[name for name in names if name in parts]].tail(SHOWN_MONTHS - 1),
    )


def _lagging(kpi: Kpi, months: Months) -> dict[str, Any]:
    """Say what a measure came to, month by month, and what changed it."""
    table, changes = months.table, months.changes
    last = table.index[~months.is_partial.to_numpy()][-1:]
    shown = [value for value in kpi.values if value.name == kpi.name or value.name in changes]
    return {
        "kpi": kpi, "shown": shown, "heading": _heading(kpi, months), "figure": picture(_figure(kpi, months)) if len(changes) > 1 else "",
        "rows": [
            (month, months.is_partial[month], [_cell(kpi, value, months, month) for value in shown])
            for month in table.index[::-1]
        ],
        "branches": [(value, *_cell(kpi, value, months, month)) for month in last for value in shown],
    }  # fmt: skip


def _cell(kpi: Kpi, value: Value, months: Months, month: Any) -> tuple[str, str]:
    """Write a value, and what it changed the KPI by, where that is another number."""
    own = months.table.at[month, value.name]
    part = months.changes[value.name].get(month) if value.name in months.changes else None
    changed = "" if part is None or abs(part) == own else FORMS[kpi.unit].replace(":", ":+").format(part)
    return count(own, FORMS[value.unit]), changed


def _heading(kpi: Kpi, months: Months) -> str:
    whole = months.table[~months.is_partial][kpi.name]
    name = kpi.words[:1].upper() + kpi.words[1:]
    if len(whole) < 2:
        return f"{name}: not two whole months yet"
    change = whole.iloc[-1] - whole.iloc[-2]
    moved = f"rose by {change:,.0f}" if change > 0 else f"fell by {-change:,.0f}" if change < 0 else "stayed"
    said = f"{name} {moved} to {whole.iloc[-1]:,.0f} in {whole.index[-1]:%B %Y}"
    if months.changes.empty:
        return said
    parts = months.changes.iloc[-1].astype(float)
    most = parts.idxmax() if change > 0 else parts.idxmin()
    return f"{said}: most by {next(value.words for value in kpi.values if value.name == most)} ({parts[most]:+,.0f})"


def _figure(kpi: Kpi, months: Months) -> Figure:
    """Draw what changed a measure, month by month: its parts piled up on either side of 0, and all together."""
    figure, axes = new_axes(f"What changed: {kpi.words}", "", "against the month before")
    parts = months.changes.astype(float).to_numpy()
    words = {value.name: value.words for value in kpi.values}
    for place, (name, colour) in enumerate(zip(months.changes, COLOURS, strict=False)):
        own, before = parts[:, place], parts[:, :place]
        below = before.clip(min=0).sum(axis=1) * (own >= 0) + before.clip(max=0).sum(axis=1) * (own < 0)
        axes.bar(range(len(own)), own, bottom=below, color=colour, width=0.75, label=words[name])
    axes.plot(range(len(parts)), parts.sum(axis=1), "o-", color=INK, markersize=4, linewidth=1, label="all together")
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(parts))[::3], [f"{month:%b %Y}" for month in months.changes.index[::3]])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside lower left")
    return figure


def _cause(row: Any, currency: str) -> tuple[str, str]:
    """=> the action, and what it causes"""
    unit = " points" if row.unit == "share" else f" {currency} a customer"
    words = {outcome.name: outcome.words for outcome in OUTCOMES}.get(row.outcome, row.outcome)
    return row.action, f"{amount(row.effect, row.unit)}{unit} {words} ({ends(row.low, row.high, row.unit)})"


def _leading(kpi: Kpi, weeks: pd.Series) -> dict[str, Any]:
    """=> its value in the last week, and so many weeks before"""
    ago = [weeks.iloc[-1 - back] if len(weeks) > back else None for back in (0, 4, 52)]
    return {"kpi": kpi, "values": [count(each, FORMS[kpi.unit]) for each in ago]}
