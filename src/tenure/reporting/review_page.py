"""The review's page: problems first, then outcomes, drift and freshness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenure.reporting.pages import picture, render_page
from tenure.reporting.review_figures import outcome_by_decile, outcomes_over_time
from tenure.scoring.review.drift import Drift
from tenure.scoring.review.outcomes import Outcome
from tenure.scoring.review.review import Review
from tenure.sources.staged_source import StagedSource

SHOWN_OUTCOMES = 12
SHOWN_FEATURES = 8


def review_page(review: Review, staged: StagedSource, as_of: object, *, is_quick: bool) -> str:
    """Render a review."""
    names = dict.fromkeys([*(outcome.target for outcome in review.outcomes), *review.drift_by_target])
    return render_page(
        "review.html",
        staged,
        as_of,
        is_quick=is_quick,
        problems=list(zip(review.problems, review.began, strict=True)),
        diary=review.diary[::-1],
        targets=[
            {"name": name}
            | _outcomes([outcome for outcome in review.outcomes if outcome.target == name])
            | _drift(review.drift_by_target.get(name))
            for name in names
        ],
        freshness=review.freshness.to_dict("records"),
    )


def _outcomes(own: Sequence[Outcome]) -> dict[str, Any]:
    """Give what is shown of a target's outcomes, oldest first; those over time are of the last one's definition."""
    if not own:
        return {"last": None, "outcomes": []}
    last = own[-1]
    alike = [outcome for outcome in own if outcome.definition == last.definition]
    return {
        "last": last,
        "outcomes": own[-SHOWN_OUTCOMES:],
        "earlier": max(0, len(own) - SHOWN_OUTCOMES),
        "figures": [picture(outcomes_over_time(alike)), picture(outcome_by_decile(last))],
    }


def _drift(drift: Drift | None) -> dict[str, Any]:
    """Give what is shown of a target's drift."""
    if drift is None:
        return {"scores": None}
    return {
        "since": drift.since,
        "scores": drift.scores.iloc[0].to_dict(),
        "features": len(drift.features),
        "drifted": int(drift.features["has_drifted"].sum()),
        "drift": drift.features.head(SHOWN_FEATURES).to_dict("records"),
    }
