"""How often links are drawn where there are none, and whether planted ones are found: on the demo company's own weeks.

    python benchmarks/kpi_links.py [WORKSPACE]

Its weeks are put in another order, 100 times: of the whole company, and of what leads against what lags. Then a link is
planted in its real weeks, of several sizes, at each lead in turn.
"""

from __future__ import annotations

import sys
from time import process_time

import numpy as np
import pandas as pd

import tenure
from tenure.measure.kpi_tree import KpiTree, kpi_tree
from tenure.measure.links import LEADS, links

RUNS = 100


def permuted(tree: KpiTree, seed: int, *, whole: bool) -> pd.DataFrame:
    """Put weeks in another order; those in which a measure is not known yet are left out."""
    weeks, dice = tree.weeks.dropna(), np.random.default_rng(seed)
    table = weeks.iloc[dice.permutation(len(weeks))].set_axis(weeks.index)
    return table if whole else pd.concat([table[tree.leading], weeks.drop(columns=tree.leading)], axis=1)


def found_in(tree: KpiTree, weeks: pd.DataFrame) -> pd.DataFrame:
    table = links(weeks, tree.leading, tree.lagging)
    return table[table["is_found"]]


def planted(tree: KpiTree, lead: int, size: float, seed: int) -> bool:
    """Let failed payments move churn ``lead`` weeks later, by ``size`` of its weekly deviation; say whether it is found."""
    weeks, dice = tree.weeks.copy(), np.random.default_rng(seed)
    cause, effect = "failed_payments", "subscription_revenue_churn"
    shocks = pd.Series(dice.normal(size=len(weeks)), weeks.index)
    weeks[cause] += shocks * weeks[cause].std()
    weeks[effect] += size * weeks[effect].std() * shocks.shift(lead, fill_value=0)
    found = found_in(tree, weeks)
    return bool(((found["leading"] == cause) & (found["lagging"] == effect) & (found["lead_weeks"] == lead)).any())


def main() -> None:
    session = tenure.open_run("demo", workspace=sys.argv[1] if len(sys.argv) > 1 else "")
    tree = kpi_tree(session.staged, session.workspace, session.as_of)
    began = process_time()
    whole = tree.links[tree.links["is_found"]]
    print(f"as it is: {len(whole)} found, {process_time() - began:.2f} CPU s")
    for of_all in (True, False):
        drawn = sum(len(found_in(tree, permuted(tree, seed, whole=of_all))) > 0 for seed in range(RUNS))
        print(f"weeks permuted ({'whole company' if of_all else 'what leads alone'}): a link in {drawn} of {RUNS} runs")
    for size in (0.5, 1.0, 2.0):
        hits = [planted(tree, lead, size, seed) for lead in LEADS for seed in range(5)]
        print(f"planted, {size} deviations: found in {sum(hits)} of {len(hits)}")


if __name__ == "__main__":
    main()
