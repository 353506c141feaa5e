"""The customers' page: where they stand, who moved, what engages them, and which segments they make."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tenure.customers.phase import MEANINGS
from tenure.customers.rfm import ATTRIBUTE as RFM
from tenure.customers.rfm import BEST
from tenure.reporting import customer_figures
from tenure.reporting.pages import picture, render_page
from tenure.sources.staged_source import StagedSource

# Figure => the table it is drawn from, as written beside the scores.
FIGURES: Mapping[str, tuple[str, Callable[[pd.DataFrame], Any]]] = {
    "phases": ("phase_flow", customer_figures.phases_over_time),
    "flow": ("phase_flow", customer_figures.phase_flow),
    "migration": ("rfm_migration", customer_figures.rfm_migration),
    "weights": ("engagement_weights", customer_figures.engagement_weights),
}
TABLES = (
    "phase_flow",
    "rfm_migration",
    "engagement_weights",
    "engagement_quality",
    "segments",
    "segment_stability",
    "programme_tiers",
    "brands",
    "declared_answers",
)
# These are shown on the page of value.
OF_VALUE = ("value_models", "best_customers", "restock")
SHOWN_ROWS = 20
STANDING = ("customer_id", "phase", "rfm_segment", "rfm_segment_before", "rfm_amount", "engagement_trend")


def read_tables(folder: Path, further: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """Read the attributes' tables that scoring left in a folder, by name: those this page knows, and ``further``.

    Of a table by customer only the ids: the page counts its rows, and there may be millions.
    """
    names = [name for name in dict.fromkeys((*TABLES, *further)) if name not in OF_VALUE]
    paths = {name: folder / f"{name}.csv" for name in names}
    return {name: _read(path) for name, path in paths.items() if path.is_file()}


def _read(path: Path) -> pd.DataFrame:
    by_customer = "customer_id" in pd.read_csv(path, nrows=0)
    return pd.read_csv(path, usecols=["customer_id"], dtype=str) if by_customer else pd.read_csv(path)


def customers_page(
    customers: pd.DataFrame, tables: Mapping[str, pd.DataFrame], *, staged: StagedSource, as_of: object, is_quick: bool
) -> str:
    """Render the page.

    ``customers``: the columns ``STANDING`` of ``scored_customers``; ``tables``: the attributes' details by name.
    """
    return render_page(
        "customers.html",
        staged,
        as_of,
        is_quick=is_quick,
        customers=len(customers),
        figures={name: picture(draw(tables[of])) for name, (of, draw) in FIGURES.items() if len(tables.get(of, ()))},
        counts={name: _counts(customers, name) for name in ("phase", "engagement_trend")},
        phase_meanings=MEANINGS,
        rfm=RFM.settings_of(staged.source),
        fallen=_fallen(customers),
        tables={name: records_of(tables[name]) if name in tables else [] for name in TABLES},
        further={name: table for name, table in tables.items() if name not in (*TABLES, *OF_VALUE)},
        shown_rows=SHOWN_ROWS,
    )


def records_of(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Turn a table into rows for a template, None where a cell is empty."""
    rows: list[dict[Hashable, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def _counts(customers: pd.DataFrame, column: str) -> dict[str, int]:
    return dict(customers[column].value_counts()) if column in customers else {}


def _fallen(customers: pd.DataFrame) -> dict[str, Any] | None:
    """Sum up who was among the best and is no more; None where that is not known, or nobody was."""
    if "rfm_segment_before" not in customers:
        return None
    best = customers[customers["rfm_segment_before"] == BEST]
    left = best[best["rfm_segment"] != BEST]
    return {"best": len(best), "left": len(left), "amount": float(left["rfm_amount"].sum())} if len(best) else None
