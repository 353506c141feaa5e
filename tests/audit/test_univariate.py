"""A feature that foretells only by being unknown is named; one whose value tells something is not."""

import numpy as np
import pandas as pd

from tenure.audit.univariate import missing_proxies, univariate_aucs

GENERATOR = np.random.default_rng(6)
LABELS = (GENERATOR.random(2000) < 0.3).astype(int)


def unknown_for(share_of_positives, share_of_negatives, values):
    share = np.where(LABELS == 1, share_of_positives, share_of_negatives)
    return np.where(GENERATOR.random(2000) < share, np.nan, values)


def test_a_number_that_only_marks_absence_is_noted():
    table = pd.DataFrame({"age": unknown_for(0.6, 0.2, GENERATOR.normal(size=2000))})
    (problem,) = missing_proxies(table, LABELS, ["age"], "2024-01-01")
    assert problem.subject == "age" and problem.level == "warning"
    assert "unknown for 31% of customers, and that alone has AUC 0.698" in problem.found


def test_a_number_that_tells_something_is_not():
    table = pd.DataFrame(
        {
            "spend": unknown_for(0.6, 0.2, LABELS + GENERATOR.normal(size=2000)),
            "known": GENERATOR.normal(size=2000),
            "never": np.full(2000, np.nan),
            "at_random": unknown_for(0.4, 0.4, GENERATOR.normal(size=2000)),
            "plan": GENERATOR.choice(["Solo", None], 2000),
        }
    )
    assert missing_proxies(table, LABELS, list(table), "2024-01-01") == []


def test_a_text_is_judged_by_what_its_levels_meant_while_fitting_not_by_the_test():
    fitting = pd.DataFrame({"plan": ["solo", "solo", "duo", "duo"] * 5})
    test = pd.DataFrame({"plan": ["solo"] * 10 + ["duo"] * 10})
    meant_nothing, gives_away = np.array([0, 1] * 10), np.array([0] * 10 + [1] * 10)
    assert univariate_aucs(fitting, meant_nothing, test, gives_away, ["plan"])["auc"].item() == 0.5
