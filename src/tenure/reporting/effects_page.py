"""The page of effects: whom each action moves, whether customers differ at all, and what acting on that is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from tenure.effects.learnt import Learnt
from tenure.measure.words import amount, ends
from tenure.models.verdict import Gate
from tenure.reporting.figures import INK, MODEL, MUTED, new_axes
from tenure.reporting.pages import picture, render_page
from tenure.sources.staged_source import StagedSource

if TYPE_CHECKING:
    from matplotlib.figure import Figure


WAYS = {1.0: "larger with", -1.0: "smaller with"}


class Effects(Protocol):
    """What the page reads of the effects of a day."""

    @property
    def learnt(self) -> Sequence[Learnt]: ...
    @property
    def gates(self) -> Mapping[tuple[str, str], Sequence[Gate]]: ...
    @property
    def versions(self) -> Mapping[str, str]: ...
    @property
    def policies(self) -> pd.DataFrame: ...


def effects_page(effects: Effects, staged: StagedSource, as_of: object, *, is_quick: bool) -> str:
    """Render what was learnt of each action."""
    actions = [
        _action(one, effects.gates.get((one.action, one.outcome), ()), effects.versions.get(one.action, ""))
        for one in effects.learnt
    ]
    return render_page(
        "effects.html", staged, as_of, is_quick=is_quick, actions=actions, policies=effects.policies.to_dict("records")
    )


def _action(one: Learnt, gates: Sequence[Gate], version: str) -> dict[str, Any]:
    """Say one action's effect in words, with what stands behind it."""
    told: dict[str, Any] = {
        "one": one,
        "gates": gates,
        "version": version,
        "differs": all(g.passed for g in gates) and bool(gates),
    }
    if one.fit is None or one.groups is None or one.drivers is None:
        return told | {"groups": [], "drivers": [], "figure": ""}
    mean, slope = one.fit.mean, one.fit.slope
    unit = " points" if one.unit == "share" else ""
    return told | {
        "mean": f"{amount(mean.value, one.unit)}{unit} ({ends(mean.low, mean.high, one.unit)})",
        "slope": f"{slope.value:.2f} ({slope.low:.2f} to {slope.high:.2f})",
        "groups": [
            [str(row.group), f"{row.rows:,}", amount(row.promised, one.unit), f"{amount(row.realised, one.unit)} ({ends(row.low, row.high, one.unit)})"]
            for row in one.groups.itertuples()
        ],
        "drivers": [f"{WAYS.get(row.rises, 'differs by')} {row.words}" for row in one.drivers.itertuples()],
        "figure": picture(promised_and_came(one.groups, one.unit)),
    }  # fmt: skip


def promised_and_came(table: pd.DataFrame, unit: str) -> Figure:
    """Draw what was promised to fifths of the customers, and what came true, out of fold; ``table``: ``Learnt.groups``."""
    scale = 100 if unit == "share" else 1
    figure, axes = new_axes(
        "Promised and come true",
        "fifth of the customers, by predicted effect",
        f"effect, {'points' if scale == 100 else 'money'} each",
    )
    places = np.arange(len(table))
    spread = np.stack([table["realised"] - table["low"], table["high"] - table["realised"]])
    axes.errorbar(
        places, scale * table["realised"], yerr=scale * spread, fmt="o", color=INK, capsize=3, label="came true (95 %)"
    )
    axes.plot(places, scale * table["promised"], color=MODEL, linewidth=2, marker="s", label="promised")
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.set_xticks(places, table["group"])
    axes.legend(frameon=False, fontsize=9)
    return figure
