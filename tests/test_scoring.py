"""Rankings and the ledger: equal scores have one order, and history is only added to."""

from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest

from tables import staged
from tenure.errors import LeakageError
from tenure.models.calibrate import Calibrator
from tenure.models.encoding import EncodedColumn, Encoding
from tenure.models.forms import Linear, LinearColumn
from tenure.models.model import FeatureMeaning, PropensityModel
from tenure.scoring import ScoringModel, append_to_ledger, last_scores, score_customers, scored_versions
from tenure.snapshots import Snapshots
from tenure.workspace import Workspace

AS_OF = date(2024, 4, 1)
# A model that promises everyone the same.
LEVEL = PropensityModel(
    form=Linear((LinearColumn((0.0, 1.0), 0.0, 0.0, 0.0),), -1.0),
    encoding=Encoding((EncodedColumn("days_since_order"),)),
    calibrator=Calibrator(),
    meanings=(FeatureMeaning("days_since_order", "recency", "days", "since the last order", "Days."),),
    about={"target": "lapse", "fitted_through": "2024-01-01"},
)


def scored(root, model=LEVEL):
    lines = [f"c{number:02d} 2024-03-10 o{number} 10" for number in reversed(range(20))]
    source = staged(root, order_lines=("customer_id occurred_at order_id amount", *lines))
    return score_customers(Snapshots(Workspace(root), source, AS_OF), {"lapse": ScoringModel(model, "1")})


def test_a_day_whose_outcomes_the_model_was_fitted_on_is_not_scored(tmp_path):
    assert len(scored(tmp_path, replace(LEVEL, about={**LEVEL.about, "fitted_through": str(AS_OF)})).customers) == 20
    seen = replace(LEVEL, about={**LEVEL.about, "fitted_through": str(AS_OF + timedelta(days=1))})
    with pytest.raises(LeakageError, match="fitted on outcomes until 2024-04-02, after the as-of 2024-04-01"):
        scored(tmp_path, seen)


def test_equal_propensities_are_ranked_by_customer(tmp_path):
    ranked = scored(tmp_path).ranked["lapse"]
    assert ranked["propensity"].nunique() == 1
    assert list(ranked["customer_id"]) == [f"c{number:02d}" for number in range(20)]
    assert list(ranked["decile"]) == [decile for decile in range(1, 11) for _ in range(2)]


def test_the_ledger_adds_the_same_scores_once_for_each_kind_of_run_and_keeps_all(tmp_path):
    workspace, scores = Workspace(tmp_path), scored(tmp_path)

    def append(run_id, run_kind):
        return append_to_ledger(workspace, scores, source="shop", as_of=AS_OF, run_id=run_id, run_kind=run_kind)

    assert [append("a", "scheduled"), append("b", "scheduled"), append("c", "backfill")] == [20, 0, 20]
    kept = pd.concat(map(pd.read_parquet, workspace.scores.rglob("*.parquet")))
    assert kept.groupby(["run_kind", "run_id"]).size().to_dict() == {("backfill", "c"): 20, ("scheduled", "a"): 20}


def test_of_versions_that_scored_a_day_in_turn_the_last_one_counts_even_where_its_scores_were_kept_before(tmp_path):
    workspace, first = Workspace(tmp_path), scored(tmp_path)
    second = replace(first, ranked={"lapse": first.ranked["lapse"].assign(model_version="2", propensity=0.5)})
    for run_id, scores, version in (("a", first, "1"), ("b", second, "2"), ("c", first, "1")):
        append_to_ledger(workspace, scores, source="shop", as_of=AS_OF, run_id=run_id, run_kind="scheduled")
        assert scored_versions(workspace, "shop", AS_OF) == {"lapse": version}
        _, last = last_scores(workspace, "shop", "lapse", AS_OF + timedelta(days=1))
        assert set(last["model_version"]) == {version}
