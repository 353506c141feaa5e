"""The page of value: who brings it, which model says so, and who is due to buy again."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from tenure.reporting.customers_page import records_of
from tenure.reporting.pages import picture, render_page
from tenure.reporting.value_figures import model_errors, share_of_value
from tenure.sources.staged_source import StagedSource

SHOWN_REMINDERS = 10
REMINDER_DAYS = 7


def value_page(folder: Path, staged: StagedSource, as_of: date, *, is_quick: bool = False) -> str | None:
    """Render the page from what scoring left in a folder; None where it estimated no value."""
    if not (folder / "value_models.csv").is_file():
        return None
    models, best = pd.read_csv(folder / "value_models.csv"), pd.read_csv(folder / "best_customers.csv")
    asked = models[["part", "horizon_days"]].drop_duplicates().itertuples(index=False, name=None)
    errors = [model_errors(models, part, days, staged.source.currency) for part, days in asked]
    soon = _due_soon(folder / "restock.csv", as_of)
    return render_page(
        "value.html",
        staged,
        as_of,
        is_quick=is_quick,
        margin_rate=staged.source.margin_rate,
        best=best.to_dict("records"),
        models=records_of(models),
        figures=[picture(figure) for figure in (share_of_value(best), *errors)],
        reminders=soon.head(SHOWN_REMINDERS).to_dict("records"),
        reminder_count=len(soon),
        reminder_days=REMINDER_DAYS,
    )


def _due_soon(path: Path, as_of: date) -> pd.DataFrame:
    """Read the reminders of the next days, the first one first; none where the source has no orders."""
    if not path.is_file():
        return pd.DataFrame()
    restock = pd.read_csv(path, dtype={"customer_id": str, "category": str})
    soon = restock[restock["remind_on"] < str(as_of + timedelta(days=REMINDER_DAYS))]
    return soon.sort_values(["remind_on", "customer_id", "category"])
