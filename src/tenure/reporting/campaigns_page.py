"""The page of campaigns: one line each in words, then the tables that stand behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

import pandas as pd

from tenure.measure.campaigns import NOT_MEASURED, PROVEN, Measured
from tenure.measure.difference import detectable
from tenure.measure.incentives import PER
from tenure.measure.words import amount, ends, results
from tenure.reporting.pages import count, render_page, share
from tenure.sources.staged_source import StagedSource

SIZES, HELD = (2_000, 10_000, 50_000, 200_000), (0.05, 0.1, 0.3, 0.5)
SHOWN_SEGMENTS, SHOWN_RESULTS = 12, 25
TONES = {PROVEN: "", NOT_MEASURED: " refused"}


class Section(NamedTuple):
    """A table of texts, and what it says; its first ``names`` columns are names, the others numbers."""

    title: str
    says: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1


def campaigns_page(
    measured: Measured, worth: pd.DataFrame, staged: StagedSource, as_of: date, *, is_quick: bool
) -> str:
    """Render the page of what was measured; ``worth``: the incentives, the best for their cost first."""
    said = results(measured, staged.source.currency)
    return render_page(
        "campaigns.html",
        staged,
        as_of,
        is_quick=is_quick,
        results=[one | {"tone": TONES.get(one["verdict"], " blocked")} for one in said[:SHOWN_RESULTS]],
        further=len(said) - SHOWN_RESULTS,
        sections=[
            *(each for each in _sections(measured, staged.source.margin_rate) if each.rows),
            _incentives(worth, measured, staged.source.currency),
        ],
        horizons=sorted(set(measured.campaigns.get("horizon_days", ()))),
    )


def _sections(measured: Measured, margin_rate: float) -> Iterator[Section]:
    words = {outcome.name: outcome.words for outcome in measured.outcomes}
    rows, names = list(measured.effects.itertuples()), ["Campaign", "Outcome"]
    # Of a single action, or a single campaign, its own rows say all.
    single = {
        level for level in ("action", "campaign") if len({getattr(r, level) for r in rows if r.level == level}) < 2
    }
    rows = [row for row in rows if row.level != "action" or not single]
    now = [row for row in rows if row.window == "horizon"]
    yield Section(
        "What changed",
        "Per customer, by what was assigned, whether it was sent or not; shares in points. The effect is adjusted by what was "
        "known of each customer before; the plain difference of the arms stands beside it.",
        [*names, "Treated", "Control", "Control's\nlevel", "Effect (95 %)", "Relative", "Plain difference (95 %)", "Holds on every\nlook (95 %)"],
        [
            [_about(row), words[row.outcome], count(row.treated), count(row.control), _level(row), _interval(row),
             count(row.relative, "{:+.1%}"), _interval(row, "plain_"), ends(row.always_low, row.always_high, row.unit)]
            for row in now if row.is_main or row.level != "campaign"
        ], 2,
    )  # fmt: skip
    yield Section(
        "What it brought",
        f"Margin is the effect × a margin rate of {share(margin_rate)} × the treated − what the contacts cost. The return "
        "(ROMI) is that margin for each 1 spent.",
        [*names, "Treated", "Effect per\ncustomer", "Cost", "Margin after cost (95 %)", "Return (95 %)"],
        [
            [_about(row), words[row.outcome], count(row.treated), amount(row.effect, row.unit), count(row.cost),
             _range(row, "margin", "{:,.0f}"), _range(row, "romi", "{:,.1f}")]
            for row in now if row.margin == row.margin
        ], 2,
    )  # fmt: skip
    twice = {(row.level, row.campaign, row.action, row.outcome): row for row in rows if row.window == "twice"}
    yield Section(
        "Does it last?", "At twice the horizon, an effect that was only pulled forward from later days is gone.",
        [*names, "At the horizon (95 %)", "At twice the horizon (95 %)"],
        [
            [_about(row), words[row.outcome], _interval(row, "sure_"), _interval(later, "sure_")]
            for row in now if row.level in ("all", "action") or (single and row.level == "campaign" and row.is_main)
            if (later := twice.get((row.level, row.campaign, row.action, row.outcome)))
        ], 2,
    )  # fmt: skip
    unit, table = measured.outcomes[0].unit if measured.outcomes else "share", measured.segments
    yield Section(
        "Whom did it move more?",
        f"Groups of before the assignment, all campaigns together. {len(table)} were looked at, so p, of one look, is corrected for "
        "that (Benjamini and Hochberg). Expect the shrunk effect: the best of many is partly luck.",
        ["Group", "Treated", "Control", "Effect (95 %)", "Shrunk", "p, corrected"],
        [
            [f"{row.segment}: {row.group}", count(row.treated), count(row.control),
             f"{amount(row.effect, unit)} ({ends(row.low, row.high, unit)})", amount(row.shrunk, unit), f"{row.p_adjusted:.3f}"]
            for row in table.head(SHOWN_SEGMENTS).itertuples()
        ],
    )  # fmt: skip
    yield Section(
        "What was promised, and what came", "Margin after cost of the treated.",
        ["Policy", "Treated", "Promised", "Came (95 %)"],
        [
            [row.policy, count(row.treated), count(row.promised), f"{count(row.realised)} ({count(row.low)} to {count(row.high)})"]
            for row in measured.policies.itertuples()
        ],
    )  # fmt: skip
    yield Section(
        "What people answered, and what came of it",
        "Of what was proposed to a person. People choose, not chance: that those rejected did better or worse is no effect. Approved, "
        "chance withholds a few: these two are comparable, and counted above.",
        ["Action", "Answer", "Waited because", "Customers", "Outcome\ncertain", "Of them it\ncame about", "Most said"],
        [
            [row.action, row.answer, row.because or "its tier", count(row.customers), count(row.certain), share(row.came_about, 1) if row.certain else "–", row.most_said]
            for row in measured.overrides.itertuples()
        ], 3,
    )  # fmt: skip
    yield Section(
        "May it be believed?",
        "p of the arms' sizes (where the chance was logged) and of their likeness before the campaign: below .001 chance did not "
        "make them, and nothing is printed. In both arms: merged, or assigned twice; they are left out.",
        ["Campaign", "Days", "Customers", "Not yet\ncertain", "In both\narms", "Control,\nyet sent", "p of sizes", "p of likeness"],
        [
            [row.campaign, " to ".join(dict.fromkeys([str(row.first_day), str(row.last_day)])), count(row.customers), count(row.not_yet),
             count(row.in_both), count(row.contaminated), count(row.ratio_p, "{:.3f}"), count(row.balance_p, "{:.3f}")]
            for row in measured.campaigns[::-1].itertuples()
        ], 2,
    )  # fmt: skip
    rate = next((row.control_mean for row in now if row.unit == "share"), 0.05)
    yield Section(
        "Before the next one: what could be told",
        f"The smallest difference, in points, that shows in four of five campaigns, at a rate of {share(rate, 1)} without it.",
        ["Share held out", *(f"{size:,}\ncustomers" for size in SIZES)],
        [[share(held), *(f"{100 * detectable(size, held, rate):.2f}" for size in SIZES)] for held in HELD],
    )  # fmt: skip


def _incentives(worth: pd.DataFrame, measured: Measured, currency: str) -> Section:
    words = {outcome.name: outcome.words for outcome in measured.outcomes}
    title, says = (
        "Which incentive brings most for its cost?",
        f"None is measured with a randomised arm: what brings most for each {currency} nobody knows yet.",
    )
    if len(worth):
        says = (
            f"What is won for {PER} {currency}, shares as customers; the cost with what is given to who takes it, by what came "
            "back or as assumed. Where two intervals overlap, nothing says that one is better."
        )
    rows = [
        [(row.action or "no action named") + (f": {row.campaign}" if row.campaign else ", all campaigns"), words[row.outcome], count(row.treated), _interval(row),
         count(row.cost, "{:,.2f}"), _range(row, "per_100", "{:,.1f}"), row.beside_best]
        for row in worth.itertuples()
    ]  # fmt: skip
    columns = [
        "Incentive",
        "Outcome",
        "Treated",
        "Won per customer (95 %)",
        "Cost each",
        f"Won for {PER} (95 %)",
        "Beside the best",
    ]
    return Section(title, says, columns, rows, 2)


def _about(row: Any) -> str:
    names = {"campaign": row.campaign, "arm": f"{row.campaign}: {row.action}", "action": f"{row.action}, all campaigns"}
    return str(names.get(row.level, "all campaigns together"))


def _level(row: Any) -> str:
    return share(row.control_mean, 1) if row.unit == "share" else count(row.control_mean, "{:,.2f}")


def _interval(row: Any, kind: str = "") -> str:
    effect, low, high = (getattr(row, kind + name) for name in ("effect", "low", "high"))
    return f"{amount(effect, row.unit)} ({ends(low, high, row.unit)})"


def _range(row: Any, name: str, form: str) -> str:
    value, low, high = (count(getattr(row, name + ending), form) for ending in ("", "_low", "_high"))
    return f"{value} ({low} to {high})" if value != "–" else value
