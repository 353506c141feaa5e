"""The review's page: alerts first, then promises, drift and deliveries."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from tenure.core.alerts import Alert
from tenure.reporting.figures import as_svg
from tenure.reporting.report import page_environment
from tenure.reporting.review_figures import promise_by_decile, promises_over_time
from tenure.scoring.review.diary import Entry
from tenure.scoring.review.outcomes import Promise
from tenure.sources.staged_source import StagedSource

SHOWN_PROMISES = 12
SHOWN_FEATURES = 8


def review_page(
    promises: Sequence[Promise],
    features: Mapping[str, pd.DataFrame],
    scores: Mapping[str, pd.DataFrame],
    since: Mapping[str, str],
    deliveries: pd.DataFrame,
    alerts: Sequence[Alert],
    diary: Sequence[Entry],
    *,
    began: Sequence[date],
    staged: StagedSource,
    as_of: object,
    is_quick: bool,
) -> str:
    """Render the review; ``features`` and ``scores`` are drift tables by target, ``since`` the day they compare with, ``diary`` oldest first, ``began`` since when each alert stands."""
    targets = list(dict.fromkeys([*(p.target for p in promises), *features]))
    return str(
        page_environment().get_template("review.html").render(
            title=staged.source.title or staged.source.name, source=staged.source.name, as_of=as_of, alerts=list(zip(alerts, began, strict=True)), is_quick=is_quick, diary=diary[::-1],
            targets=[_target(name, [p for p in promises if p.target == name], features, scores, since) for name in targets],
            deliveries=deliveries.to_dict("records"), contacts_known=any(p.contacted is not None for p in promises),
        )
    )  # fmt: skip


def _target(
    name: str,
    promises: list[Promise],
    features: Mapping[str, pd.DataFrame],
    scores: Mapping[str, pd.DataFrame],
    since: Mapping[str, str],
) -> dict[str, Any]:
    drift = features.get(name)
    alike = [p for p in promises if p.definition == promises[-1].definition]
    return {
        "name": name,
        "promises": promises[-SHOWN_PROMISES:],
        "last": promises[-1] if promises else None,
        "earlier": max(0, len(promises) - SHOWN_PROMISES),
        "figures": [_picture(promises_over_time(alike)), _picture(promise_by_decile(promises[-1]))] if promises else [],
        "since": since.get(name, ""),
        "features": 0 if drift is None else len(drift),
        "drifted": 0 if drift is None else int(drift["has_drifted"].sum()),
        "drift": [] if drift is None else drift.head(SHOWN_FEATURES).to_dict("records"),
        "scores": scores[name].iloc[0].to_dict() if name in scores else None,
    }


def _picture(figure: Any) -> str:
    return "data:image/svg+xml;base64," + b64encode(as_svg(figure).encode()).decode()
