"""The page of value: who brings it, which model says so, and who is due to buy again."""

from __future__ import annotations

from base64 import b64encode
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from tenure.reporting.figures import as_svg
from tenure.reporting.report import page_environment
from tenure.reporting.value_figures import model_errors, share_of_value
from tenure.sources.staged_source import StagedSource

SHOWN_REMINDERS = 10
REMINDER_DAYS = 7


def value_page(folder: Path, staged: StagedSource, as_of: date, *, is_quick: bool = False) -> str | None:
    """Render the page from what the scoring left in a folder; None where it told no value."""
    if not (folder / "value_models.csv").is_file():
        return None
    models, best = pd.read_csv(folder / "value_models.csv"), pd.read_csv(folder / "best_customers.csv")
    asked = list(models[["part", "horizon_days"]].drop_duplicates().itertuples(index=False, name=None))
    figures = [
        share_of_value(best),
        *(model_errors(models, part, days, staged.source.currency) for part, days in asked),
    ]
    return str(
        page_environment().get_template("value.html").render(
            title=staged.source.title or staged.source.name, source=staged.source.name, as_of=as_of, is_quick=is_quick, currency=staged.source.currency,
            margin_rate=staged.source.margin_rate, best=best.to_dict("records"), models=models.astype(object).where(models.notna(), None).to_dict("records"),
            figures=["data:image/svg+xml;base64," + b64encode(as_svg(figure).encode()).decode() for figure in figures],
            **_reminders(folder, as_of),
        )
    )  # fmt: skip


def _reminders(folder: Path, as_of: date) -> dict[str, Any]:
    path = folder / "restock.csv"
    if not path.is_file():
        return {"reminders": [], "reminder_count": 0, "reminder_days": REMINDER_DAYS}
    restock = pd.read_csv(path, dtype={"customer_id": str, "category": str})
    soon = restock[restock["remind_on"] < str(as_of + timedelta(days=REMINDER_DAYS))]
    shown = soon.sort_values(["remind_on", "customer_id", "category"]).head(SHOWN_REMINDERS)
    return {"reminders": shown.to_dict("records"), "reminder_count": len(soon), "reminder_days": REMINDER_DAYS}
