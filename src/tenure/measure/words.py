"""A campaign's result as a sentence: what changed, how sure it is, what it brought, or why nothing is said."""

from __future__ import annotations

import pandas as pd

from tenure.measure.campaigns import CANNOT_TELL, NOT_MEASURED, PROVEN, Measured


def amount(value: float, unit: str) -> str:
    """Write a difference: shares in points.

    >>> amount(0.0142, "share"), amount(-3.5, "currency"), amount(float("nan"), "share")
    ('+1.4', '-3.50', '–')
    """
    if value != value:
        return "–"
    return f"{100 * value:+.1f}" if unit == "share" else f"{value:+,.2f}"


def ends(low: float, high: float, unit: str) -> str:
    return f"{amount(low, unit)} to {amount(high, unit)}"


def results(measured: Measured, currency: str) -> list[dict[str, str]]:
    """Say the result of all campaigns together, then of each, the last one first. => about, verdict, text"""
    effects, said = measured.effects, []
    if len(effects) and (effects["level"] == "all").any():
        said.append({"about": "All campaigns together", **_of(effects[effects["level"] == "all"], measured, currency)})
    for row in measured.campaigns[::-1].itertuples():
        own = {"verdict": NOT_MEASURED, "text": f"not measured because {row.reason}"}
        if not row.reason:
            chosen = (effects["level"] == "campaign") & (effects["campaign"] == row.campaign)
            own = _of(effects[chosen], measured, currency)
        if row.is_contaminated:
            own["text"] += f"; {row.contaminated:,} control customers were sent it, which makes the effect look smaller"
        said.append({"about": row.campaign, **own})
    return said


def _of(effects: pd.DataFrame, measured: Measured, currency: str) -> dict[str, str]:
    now = effects[effects["window"] == "horizon"]
    if now.empty:
        return {"verdict": NOT_MEASURED, "text": "not measured because nobody ordered, paid or visited"}
    main = next(now[now["is_main"]].itertuples())
    words = next(outcome.words for outcome in measured.outcomes if outcome.name == main.outcome)
    unit = " points" if main.unit == "share" else f" {currency}"
    text = f"{amount(main.effect, main.unit)}{unit} {words} ({ends(main.sure_low, main.sure_high, main.unit)})"
    for money in now[now["margin"].notna()].itertuples():
        text += (
            f", {currency} {money.margin:,.0f} margin after cost ({money.margin_low:,.0f} to {money.margin_high:,.0f})"
        )
    seen = f": only {amount(main.detectable, main.unit)[1:]}{unit} or more would have shown"
    sign = "proven" if main.effect > 0 else "proven: it fell"
    verdict = sign if main.verdict == PROVEN else main.verdict + (seen if main.verdict == CANNOT_TELL else "")
    return {"verdict": main.verdict, "text": f"{text}; {verdict}"}
