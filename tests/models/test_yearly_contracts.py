"""A company of yearly contracts, all begun in January, February or May: at most of its monthly cutoffs nobody is due."""

from datetime import date

import pytest

from tables import staged
from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.result_warnings import warnings_of
from tenure.models.scorecard import walk
from tenure.models.training_result import train_target
from tenure.reporting.figures import as_svg, base_rate_over_time
from tenure.snapshots.asked_cutoffs import plan_asked
from tenure.snapshots.build import Snapshots

TOML = 'cutoff_grid = "month"\n[targets.churn]\nhorizon_days = 30\n'
SETTINGS = TrainingSettings(max_trees=20, folds=2)
BEGUN = {"01": (30, 20), "02": (30, 0), "05": (30, 20)}  # by month of 90 who began in 2021: who ends in 2022, in 2023


def contract(month, number, events):
    """One contract: begun in 2021, renewed on its day each year until it ends."""
    return [f"c{month}{number:02} {year}-{month}-10 {number} {event} 365" for year, event in events]


def shop(root, **tables):
    rows = []
    for month, (first, second) in BEGUN.items():
        for number in range(90):
            last = 2022 if number < first else 2023 if number < first + second else 2024
            events = [(2021, "started"), *((year, "renewed") for year in (2022, 2023) if year < last), (last, "ended")]
            rows += contract(month, number, events)
    header = "customer_id occurred_at subscription_id event term_days"
    facts = staged(root, TOML, subscription_events=(header, *rows), **tables)
    return Snapshots(Workspace(root), facts, date(2023, 8, 1))


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    usage = [f"c{month}{number:02} 2021-12-20 {number % 7 + 1}" for month in BEGUN for number in range(90)]
    return shop(tmp_path_factory.mktemp("yearly"), usage=("customer_id occurred_at quantity", *usage))


@pytest.fixture(scope="module")
def trained(snapshots):
    return train_target(snapshots, snapshots.targets["churn"], SETTINGS)


def months(cutoffs):
    return [f"{cutoff:%Y-%m}" for cutoff in cutoffs]


def test_cutoffs_at_which_nobody_is_due_are_left_out_and_the_last_with_somebody_is_tested(snapshots):
    plan = plan_asked(snapshots, snapshots.targets["churn"])
    assert plan.test == date(2023, 5, 1)
    assert months(plan.fitting) == ["2022-01", "2022-02", "2022-05", "2023-01", "2023-02"]
    moved, left_out = plan.remarks
    assert moved == "Nobody is eligible at 2023-06-01, the last matured cutoff: tested at 2023-05-01."
    assert left_out.startswith("Left out, for nobody is eligible there: 2021-") and "2022-03-01" in left_out
    assert "2022-05-01" not in left_out


def test_who_is_due_decides_that_not_what_came_of_it(snapshots, tmp_path):
    class Unlabelled(Snapshots):
        def build_labels(self, target, cutoffs):
            raise AssertionError("a label was asked for")

    blind = Unlabelled(Workspace(tmp_path), snapshots.staged, snapshots.as_of)
    assert plan_asked(blind, blind.targets["churn"]) == plan_asked(snapshots, snapshots.targets["churn"])


def test_a_training_of_yearly_contracts_finishes_with_its_figure_and_says_what_it_left_out(trained):
    assert (trained.evaluation.rows, trained.evaluation.positives) == (60, 20)
    assert trained.funnel["eligible"].min() > 0
    assert as_svg(base_rate_over_time(trained)).startswith("<?xml")
    assert set(trained.plan.remarks) <= set(warnings_of(trained))


def test_an_earlier_cutoff_of_one_class_is_left_out_and_said_and_those_before_it_are_kept(snapshots, trained):
    card = walk(snapshots, trained.target, SETTINGS, trained)
    assert card.cutoffs["cutoff"].tolist() == ["2022-05-01", "2023-01-01", "2023-05-01"]
    (said,) = card.remarks
    assert said.startswith("Left out of the earlier cutoffs, 2023-02-01: churn: 0 of 60 eligible rows")


def test_a_test_cutoff_that_is_asked_for_and_has_nobody_is_refused(snapshots):
    with pytest.raises(NotEnoughDataError, match="no customer of the test block may be asked"):
        train_target(snapshots, snapshots.targets["churn"], SETTINGS, test_cutoff=date(2023, 6, 1))


def test_customers_alike_in_every_feature_are_refused(tmp_path):
    alike = shop(tmp_path)
    with pytest.raises(
        NotEnoughDataError, match="the 180 fitting rows are alike in each of .* Expected one that tells"
    ):
        train_target(alike, alike.targets["churn"], SETTINGS, test_cutoff=date(2022, 5, 1))
