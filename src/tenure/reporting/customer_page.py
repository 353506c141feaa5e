"""One customer's page, and the same in a few lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tenure.customers.phase import MEANINGS
from tenure.reporting.customer_figures import scores_over_time
from tenure.reporting.pages import picture, render_page
from tenure.sources.staged_source import StagedSource

SHOWN_FACTS = 60
SHOWN_LINES = 8
PROPENSITY = "_propensity"
# What a card shows, where the source has it.
CARDS = {
    "phase": "phase",
    "phase_since": "in this phase since",
    "rfm_segment": "segment by recency, frequency and amount",
    "engagement_index": "engagement, 100 is the most active",
    "engagement_trend": "trend of engagement",
    "segment": "proposed segment",
    "loyalty_tier": "loyalty tier",
    "value_12m": "margin expected of 12 months",
    "next_purchase_on": "next purchase expected on",
}


def customer_page(
    row: Mapping[str, Any],
    timeline: pd.DataFrame,
    history: pd.DataFrame,
    levers: pd.DataFrame,
    *,
    staged: StagedSource,
    as_of: object,
    is_quick: bool,
) -> str:
    """Render one customer; ``row`` is their line of scored_customers, the tables are those of ``CustomerPage``."""
    return render_page(
        "customer.html",
        staged,
        as_of,
        is_quick=is_quick,
        customer_id=row["customer_id"],
        targets=_targets(row),
        figure=picture(scores_over_time(history)) if history["as_of"].nunique() > 1 else "",
        levers=levers.to_dict("records"),
        cards=_cards(row, staged.source.currency),
        rest={name: _shown(value) for name, value in row.items() if value is not None and _is_rest(name)},
        timeline=timeline.head(SHOWN_FACTS).to_dict("records"),
        facts=len(timeline),
    )


def _cards(row: Mapping[str, Any], currency: str) -> dict[str, str]:
    """Give what stands on each card, by what it says under it."""
    shown = {name: _shown(row[name]) for name in CARDS if row.get(name) is not None}
    if "value_12m" in shown:
        shown["value_12m"] = f"{currency} {row['value_12m']:,.0f}".strip()
    words = dict(CARDS)
    if row.get("phase") in MEANINGS:
        words["phase"] = f"phase: {MEANINGS[row['phase']]}"
    return {words[name]: value for name, value in shown.items()}


def customer_text(row: Mapping[str, Any], timeline: pd.DataFrame, levers: pd.DataFrame) -> str:
    """Say the main things of one customer in lines."""
    lines = [f"{row['customer_id']} as of {row['as_of']}"]
    lines += [f"  {name:<18} {_shown(row[name])}" for name in CARDS if row.get(name) is not None]
    for target in _targets(row):
        lines.append(f"  {target['name']:<18} {target['propensity']:.1%}, decile {target['decile']}")
        lines += [f"  {'':<18} {reason}" for reason in target["reasons"]]
    if len(levers):
        lines.append(
            "  The model's view, not a cause: with this one feature at its usual value the propensity would be"
        )
        lines += [
            f"  {lever['target']:<18} {lever['propensity_if_usual']:.1%} instead of {lever['propensity']:.1%}: "
            f"{lever['found']}"
            for lever in levers.to_dict("records")
        ]
    lines += [
        f"  {fact['day']:%Y-%m-%d}  {fact['what']}{_times(fact)}"
        for fact in timeline.head(SHOWN_LINES).to_dict("records")
    ]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return f"{value:,.2f}".removesuffix(".00") if isinstance(value, float) else str(value)


def _times(fact: Mapping[Any, Any]) -> str:
    return f" ({fact['times']} times)" if fact["times"] > 1 else ""


def _targets(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [name.removesuffix(PROPENSITY) for name in row if name.endswith(PROPENSITY) and row[name] is not None]
    return [
        {
            "name": name,
            "propensity": row[f"{name}_propensity"],
            "decile": row[f"{name}_decile"],
            "version": row.get(f"{name}_model_version"),
            "stake": row.get(f"{name}_at_stake"),
            "reasons": [reason for rank in (1, 2, 3) if (reason := row.get(f"{name}_reason_{rank}"))],
        }
        for name in names
    ]


def _is_rest(name: str) -> bool:
    scored = ("_propensity", "_decile", "_reason_1", "_reason_2", "_reason_3", "_model_version", "_at_stake")
    return not name.endswith(scored) and name not in (*CARDS, "customer_id", "as_of")
