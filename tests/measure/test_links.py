"""Links from what leads to what lags: a planted one is found with its lead and slope, and chance draws none."""

import numpy as np
import pandas as pd
import pytest

from tenure.measure.kpis.catalogue import all_kpis
from tenure.measure.links import causes, links


def company(seed, weeks=104, planted=0.0):
    """Four leading and five lagging series: walks, rhythms, rare counts; ``planted``: the first moves the first, 3 weeks on."""
    dice = np.random.default_rng(seed)
    table = pd.DataFrame(index=pd.date_range("2023-01-02", periods=weeks, freq="7D").date)
    common = dice.normal(size=weeks)  # what moves all in one week is no lead
    for n in range(4):
        table[f"lead{n}"] = common + dice.normal(size=weeks) + (dice.normal(size=weeks).cumsum() if n % 2 else 0)
    for n in range(5):
        season = np.sin(np.arange(weeks) / 52 * 2 * np.pi)
        table[f"lag{n}"] = 10 * common + 10 * dice.normal(size=weeks) + [0, 30 * season, np.arange(weeks), 0, 0][n]
    table["lag4"] = dice.poisson(0.7, weeks) * dice.exponential(50, weeks)
    table["lag0"] += planted * table["lead0"].shift(3, fill_value=0)
    return table


def measured(table):
    return links(table, [name for name in table if "lead" in name], [name for name in table if "lag" in name])


def test_a_planted_link_is_found_at_its_lead_with_its_slope_inside_the_interval():
    table = measured(company(1, planted=12.0))
    first = table.iloc[0]
    assert first[["leading", "lagging", "lead_weeks", "is_found"]].tolist() == ["lead0", "lag0", 3, True]
    assert first["low"] < 12.0 < first["high"]
    assert len(table) == 4 * 5 * 8 and table["p_adjusted"].between(0, 1).all()


def test_weeks_in_any_other_order_hold_no_link():
    whole = company(1, planted=12.0)
    dice = np.random.default_rng(0)
    drawn = [
        measured(whole.iloc[dice.permutation(len(whole))].set_axis(whole.index))["is_found"].any() for _ in range(20)
    ]
    assert sum(drawn) <= 2  # of 100, benchmarks/kpi_links.py


def test_the_slope_and_its_error_are_those_of_a_regression_written_out():
    table = company(2)
    found = measured(table).set_index(["leading", "lagging", "lead_weeks"]).loc[("lead1", "lag2", 2)]
    x, y = table["lead1"].to_numpy(), table["lag2"].to_numpy()
    t = np.arange(2, len(x) - 2)
    design = np.column_stack([x[t] - x[t - 1], np.ones(len(t)), x[t - 1], x[t - 2], y[t], y[t - 1], y[t - 2]])
    outcome = y[t + 2] - y[t + 1]
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ outcome
    hat = np.einsum("ij,jk,ik->i", design, inverse, design)
    weighted = design * ((outcome - design @ slopes) / (1 - hat))[:, None]
    error = np.sqrt((inverse @ weighted.T @ weighted @ inverse)[0, 0])
    assert found["slope"] == pytest.approx(slopes[0])
    assert (found["high"] - found["low"]) / 2 / error == pytest.approx(1.9859, abs=1e-3)  # t of 93 degrees of freedom
    assert found["weeks"] == len(t)


def test_less_than_a_year_of_weeks_says_nothing():
    assert measured(company(1, weeks=54, planted=12.0)).empty
    assert len(measured(company(1, weeks=56, planted=12.0))) == 4 * 5 * 2


def test_a_measure_that_never_changes_links_to_nothing():
    table = company(1)
    table["lead0"], table["lag0"] = 3.0, 0.0
    assert not {"lead0", "lag0"} & {*measured(table)["leading"], *measured(table)["lagging"]}


def test_causes_stands_only_where_a_randomised_action_moved_what_a_measure_is_of():
    effects = pd.DataFrame(
        [
            ("call", "churn", "share", -0.03, -0.05, -0.01),
            ("mail", "churn", "share", -0.01, -0.03, 0.01),
            ("mail", "visited", "share", 0.05, 0.02, 0.08),
        ],
        columns=["action", "outcome", "unit", "effect", "low", "high"],
    )
    found = causes(effects, {name: all_kpis()[name] for name in ("subscribers", "order_revenue", "engagement")})
    assert found[["kpi", "action"]].to_numpy().tolist() == [["subscribers", "call"], ["engagement", "mail"]]
