"""The page of campaigns: one line each in words, then the tables that stand behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tenure.measure.campaigns import NOT_MEASURED, PROVEN, Measured
from tenure.measure.difference import detectable
from tenure.measure.words import amount, believed, ends, results
from tenure.reporting.pages import count, render_page, share
from tenure.sources.staged_source import StagedSource

SIZES, HELD = (2_000, 10_000, 50_000, 200_000), (0.05, 0.1, 0.3, 0.5)
SHOWN_SEGMENTS = 12


@dataclass(frozen=True)
class Section:
    """A table of texts with what it says; the first ``names`` columns are names, the others numbers."""

    title: str
    says: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1


def campaigns_page(measured: Measured, staged: StagedSource, as_of: date, *, is_quick: bool) -> str:
    """Render the page of what was measured."""
    said = results(measured, staged.source.currency)
    tones = {PROVEN: "", NOT_MEASURED: " refused"}
    return render_page(
        "campaigns.html",
        staged,
        as_of,
        is_quick=is_quick,
        results=[one | {"tone": tones.get(one["verdict"], " blocked")} for one in said],
        sections=[section for section in _sections(measured, staged.source.margin_rate) if section.rows],
        horizons=sorted(set(measured.campaigns.get("horizon_days", ()))),
    )


def _sections(measured: Measured, margin_rate: float) -> Iterator[Section]:
    words = {outcome.name: outcome.words for outcome in measured.outcomes}
    # Of one action, or one campaign, its own rows say all.
    shown = (
        {"all", "arm", "action"}
        if _are_several(measured, "action") and _are_several(measured, "campaign")
        else {"all", "arm"}
    )
    now = [
        row for row in measured.effects.itertuples() if row.window == "horizon" and row.level in {*shown, "campaign"}
    ]
    yield Section(
        "What changed",
        "Per customer, by what was assigned, whether it was sent or not; shares in points. The effect is adjusted by what was "
        "known of each customer before; the plain difference of the arms stands beside it.",
        ["Campaign", "Outcome", "Treated", "Control", "Control's level", "Effect (95 %)", "Relative", "Plain difference (95 %)",
         "Holds on every\nlook (95 %)"],
        [
            [_about(row), words[row.outcome], count(row.treated), count(row.control), _level(row),
             f"{amount(row.effect, row.unit)} ({ends(row.low, row.high, row.unit)})", count(row.relative, "{:+.1%}"),
             f"{amount(row.plain_effect, row.unit)} ({ends(row.plain_low, row.plain_high, row.unit)})",
             ends(row.always_low, row.always_high, row.unit)]
            for row in now if row.is_main or row.level in shown
        ], names=2,
    )  # fmt: skip
    yield Section(
        "What it brought",
        f"Margin is the effect × a margin rate of {share(margin_rate)} × the treated − what the contacts cost; the return (ROMI) is "
        "that margin over the cost.",
        ["Campaign", "Outcome", "Treated", "Effect per customer", "Cost", "Margin after cost (95 %)", "Return per 1 spent (95 %)"],
        [
            [_about(row), words[row.outcome], count(row.treated), amount(row.effect, row.unit), count(row.cost),
             f"{count(row.margin)} ({count(row.margin_low)} to {count(row.margin_high)})",
             f"{count(row.romi, '{:,.1f}')} ({count(row.romi_low, '{:,.1f}')} to {count(row.romi_high, '{:,.1f}')})"]
            for row in now if row.margin == row.margin
        ], names=2,
    )  # fmt: skip
    yield from _comparisons(measured, words)
    yield from _checks(measured)
    rate = next((row.control_mean for row in now if row.unit == "share"), 0.05)
    yield Section(
        "Before the next one: what could be told",
        f"The smallest difference, in points, that shows in four of five campaigns, at a rate of {share(rate, 1)} without it.",
        ["Share held out", *(f"{size:,} customers" for size in SIZES)],
        [[share(held), *(f"{100 * detectable(size, held, rate):.2f}" for size in SIZES)] for held in HELD],
    )  # fmt: skip


def _comparisons(measured: Measured, words: dict[str, str]) -> Iterator[Section]:
    pairs: dict[tuple[str, str], list[Any]] = {}
    for row in measured.effects.itertuples():
        if row.level in ("action", "all"):
            pairs.setdefault((_about(row), row.outcome), []).append(row)
    yield Section(
        "Does it last?",
        "The same effects at the horizon and at twice it: one that shrinks was pulled forward from the days after.",
        ["Action", "Outcome", "At the horizon (95 %)", "At twice the horizon (95 %)"],
        [
            [name, words[outcome], *(f"{amount(row.effect, row.unit)} ({ends(*believed(row), row.unit)})" for row in pair)]
            for (name, outcome), pair in pairs.items() if len(pair) == 2
        ], names=2,
    )  # fmt: skip
    unit = measured.outcomes[0].unit if measured.outcomes else "share"
    yield Section(
        "Whom did it move more?",
        f"Groups of before the assignment, all campaigns together; {len(measured.segments)} were looked at, so p is corrected for "
        "that (Benjamini and Hochberg). Promise yourself the shrunk effect: the best of many is partly luck.",
        ["Group", "Treated", "Control", "Effect (95 %)", "Shrunk", "p, corrected"],
        [
            [f"{row.segment}: {row.group}", count(row.treated), count(row.control),
             f"{amount(row.effect, unit)} ({ends(row.low, row.high, unit)})", amount(row.shrunk, unit), f"{row.p_adjusted:.3f}"]
            for row in measured.segments.head(SHOWN_SEGMENTS).itertuples()
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


def _checks(measured: Measured) -> Iterator[Section]:
    yield Section(
        "May it be believed?",
        "p of the arms' sizes (where the chance was logged) and of their likeness before the campaign: below .001 chance did not "
        "make them, and nothing is printed. In both arms: merged, or assigned twice; they are left out.",
        ["Campaign", "Days", "Customers", "Not yet certain", "In both arms", "Control, yet sent", "p of sizes", "p of likeness"],
        [
            [row.campaign, f"{row.first_day}" + (f" to {row.last_day}" if row.last_day > row.first_day else ""),
             count(row.customers), count(row.not_yet), count(row.in_both), count(row.contaminated),
             count(row.ratio_p, "{:.3f}"), count(row.balance_p, "{:.3f}")]
            for row in measured.campaigns[::-1].itertuples()
        ], names=2,
    )  # fmt: skip


def _are_several(measured: Measured, level: str) -> bool:
    found = measured.effects
    return len(found) > 0 and found.loc[found["level"] == level, level].nunique() > 1


def _about(row: Any) -> str:
    names = {"campaign": row.campaign, "arm": f"{row.campaign}: {row.action}", "action": f"{row.action}, all campaigns"}
    return str(names.get(row.level, "all campaigns together"))


def _level(row: Any) -> str:
    return share(row.control_mean, 1) if row.unit == "share" else count(row.control_mean, "{:,.2f}")
