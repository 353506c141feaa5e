"""Scores of a target whose file or package is gone are not dropped without a word."""

from datetime import date

import pandas as pd

from tables import staged
from tenure.core.workspace import Workspace
from tenure.scoring.ledger import append_to_ledger
from tenure.scoring.review.outcomes import find_outcomes
from tenure.scoring.score import Scores
from tenure.snapshots.build import Snapshots


def test_scores_of_a_target_that_nobody_defines_any_more_are_warned_of(tmp_path):
    table = pd.DataFrame({"customer_id": ["ana"], "propensity": 0.5, "decile": 1, "heuristic_score": 0.0})
    scores = Scores(pd.DataFrame(), {"winback": table.assign(model_version="1")})
    append_to_ledger(
        Workspace(tmp_path), scores, source="shop", as_of=date(2024, 4, 1), run_id="r", run_kind="scheduled"
    )
    orders = ("customer_id occurred_at order_id quantity amount", "ana 2024-03-10 o1 1 5")
    found, (warning,) = find_outcomes(
        Snapshots(Workspace(tmp_path), staged(tmp_path, 'name = "shop"\n', order_lines=orders), date(2024, 6, 1)),
        lambda target, version, kind: None,
    )
    assert not found and str(warning) == (
        "warning: winback: 1 earlier scores (2024-04-01 to 2024-04-01) cannot be compared with their outcomes: "
        "nobody defines this target any more. Bring back the file or package that did."
    )
