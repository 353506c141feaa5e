"""The whole audit on a small shop, and on the real sources where they are present."""

import json
import re
from datetime import date

import pytest
from test_planted_leaks import DECLARED, LAPSE, MAPPED, buyers, shop

from drawn import soaked
from tenure.audit.audit import check_cutoff
from tenure.audit.full import audit_source, late_facts
from tenure.audit.replay import replay
from tenure.core.workspace import Workspace
from tenure.models.estimators.settings import TrainingSettings
from tenure.runs.audit import audit_flow
from tenure.snapshots.build import Snapshots
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

QUICK = TrainingSettings(learning_rate=0.1, max_trees=60, early_stopping_trees=10, folds=3)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A shop without a fault: its folder, and the snapshots an audit looks at. What one audit built the next finds."""
    folder, (rows, _) = tmp_path_factory.mktemp("clean"), buyers()
    return folder, shop(folder, MAPPED + DECLARED.format("known_at") + LAPSE, rows)


def test_the_whole_audit_of_a_clean_shop_raises_nothing(clean):
    found = audit_source(clean[1], QUICK, ["lapse"])
    assert found.errors == [] and found.unproven == []
    (lapse,) = found.targets
    assert lapse.shuffled.low < 0.5 < lapse.auc.low
    assert list(lapse.sweep["lead_days"]) == [0, 1, 7, 14][: len(lapse.sweep)] and len(lapse.sweep) >= 2
    by_horizon = lapse.sensitivity[lapse.sensitivity["number"] == "horizon_days"]
    assert by_horizon["base_rate"].is_monotonic_decreasing  # the longer the window, the fewer stay silent
    by_eligible = lapse.sensitivity[lapse.sensitivity["number"] == "eligible_days"]
    assert by_eligible["eligible"].is_monotonic_increasing  # the longer back, the more bought
    own = lapse.sensitivity[lapse.sensitivity["is_own"]]
    assert own["base_rate"].nunique() == 1 and set(own["number"]) == {"horizon_days", "eligible_days"}
    assert lapse.unmatured and min(lapse.unmatured) > lapse.funnel["cutoff"].max()
    assert lapse.hindsight is None  # no fact arrives late here
    assert (found.checks["differing"] == 0).all() and found.checks["cutoff"].nunique() >= 3


def test_late_facts_are_counted_per_table(tmp_path):
    rows, _ = buyers()
    late = [(c, d, date(2023, 12, 30) if n < 10 else d, o, q, a) for n, (c, d, _, o, q, a) in enumerate(rows)]
    toml = MAPPED + DECLARED.format("known_at") + LAPSE
    (row,) = late_facts(shop(tmp_path, toml, late)).to_dict("records")
    assert (row["table"], row["late"], row["rows"]) == ("order_lines", 10, len(rows))


def test_the_audit_writes_its_page_and_lists_its_errors(clean):
    folder, errors = audit_flow("shop", targets=["lapse"], workspace=str(clean[0]), quick=True)
    assert errors == [] and "No error" in (folder / "audit.html").read_text(encoding="utf-8")
    assert json.loads((folder / "audit.json").read_text())["checks"]
    assert (folder / "notebooks" / "07_audit.ipynb").is_file()
    linked = re.findall(r'href="([^"#]+)"', (folder / "index.html").read_text(encoding="utf-8"))
    assert "audit.html" in linked and all((folder / name).is_file() for name in linked)


@pytest.mark.parametrize(
    ("name", "cutoff"),
    [
        ("365_learning", "2022-07-01"),
        *soaked(("online_retail", "2011-06-01"), ("complete_journey", "2017-07-01"), ("cdnow", "1997-10-01")),
    ],
)
def test_no_feature_of_a_bundled_source_sees_the_future(tmp_path, test_data, name, cutoff):
    workspace = Workspace(tmp_path)
    fetch_source(workspace, name, test_data / name)
    staged = stage_source(workspace, read_source(workspace, name))
    found = replay(Snapshots(workspace, staged, staged.default_as_of), date.fromisoformat(cutoff))
    assert found.customers > 100 and found.left_out > 1000
    assert found.differing.empty


def test_a_check_that_could_not_run_is_said_and_passes_for_no_proof(tmp_path):
    rows, _ = buyers()
    snapshots = shop(tmp_path, MAPPED + DECLARED.format("known_at") + LAPSE, rows)

    def replay_of_a_lost_file(snapshots, cutoff):
        snapshots.workspace.raw("shop").rename(tmp_path / "moved")
        return replay(snapshots, cutoff)

    (problem,) = check_cutoff(snapshots, date(2023, 6, 1), replay_of_a_lost_file).problems()
    assert problem.level == "error" and "could not run" in problem.found and "Nothing is proven" in problem.to_do
