"""The page of value: who brings it, which model says so, and who is due to buy again."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
from pyarrow.parquet import read_schema

from tenure.customers.consent import may_be_contacted
from tenure.reporting.customers_page import records_of
from tenure.reporting.pages import picture, render_page
from tenure.reporting.value_figures import model_errors, share_of_value
from tenure.sources.contract import CONSENT
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
    soon = _due_soon(folder, as_of)
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


def _due_soon(folder: Path, as_of: date) -> pd.DataFrame:
    """Read the reminders of the next days to who may be contacted, the first one first; none without orders."""
    if not (folder / "restock.csv").is_file():
        return pd.DataFrame()
    restock = pd.read_csv(folder / "restock.csv", dtype={"customer_id": str, "category": str})
    soon = restock[restock["remind_on"] < str(as_of + timedelta(days=REMINDER_DAYS))]
    scored = folder / "scored_customers.parquet"
    channels = [name for name in read_schema(scored).names if name.startswith(CONSENT)]
    customers = pd.read_parquet(scored, columns=["customer_id", *channels])
    soon = soon[soon["customer_id"].isin(customers.loc[may_be_contacted(customers), "customer_id"])]
    return soon.sort_values(["remind_on", "customer_id", "category"])
