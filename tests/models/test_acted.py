"""Rows of customers who were acted on leave fit and test, and are counted."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.models.acted import without_acted
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.training_result import train_target
from tenure.snapshots.build import Snapshots
from tenure.targets.lapse import TARGET as LAPSE

CUSTOMERS = [f"c{n:03d}" for n in range(200)]
AS_OF = date(2024, 9, 1)


def acted_on(*pairs):
    return pd.DataFrame([(who, pd.Timestamp(when)) for who, when in pairs], columns=["customer_id", "acted_at"])


def test_only_an_action_between_the_cutoff_and_the_end_of_the_window_makes_a_row_leave():
    # The outcome window is the 90 days from 1 January: its last day is 30 March.
    rows = pd.DataFrame({"customer_id": CUSTOMERS, "cutoff": date(2024, 1, 1), "label": [0, 1] * 100})
    days = ("2023-12-31 23:59", "2024-01-01", "2024-03-30 23:59", "2024-03-31")
    rest, left = without_acted(rows, acted_on(*zip(CUSTOMERS, days, strict=False), ("c001", "2024-02-01")), LAPSE)
    assert left == 2 and set(CUSTOMERS) - set(rest["customer_id"]) == {"c001", "c002"}
    same, none = without_acted(rows, None, LAPSE)
    assert none is None and same is rows


def test_where_too_few_were_left_alone_the_message_says_so():
    rows = pd.DataFrame({"customer_id": CUSTOMERS, "cutoff": date(2024, 1, 1), "label": [0, 1] * 100})
    with pytest.raises(NotEnoughDataError, match="9 of 109 eligible rows"):
        without_acted(rows, acted_on(*((c, "2024-01-02") for c in CUSTOMERS[1:-18:2])), LAPSE)


def test_a_training_counts_who_left_its_fit_and_its_test(tmp_path):
    generator = np.random.default_rng(1)
    orders = [
        f"{c} {day:%Y-%m-%d} {c}{day:%m%d} 1 {place % 7 + 1}"
        for place, c in enumerate(CUSTOMERS)
        for day in pd.date_range("2023-06-01", "2024-08-31", freq="9D")
        if generator.random() < (0.7 if place % 2 else 0.12)
    ]
    toml = 'name = "shop"\nmin_history_days = 60\n[targets.lapse]\nhorizon_days = 30\neligible_days = 90\n'
    source = staged(tmp_path, toml, order_lines=("customer_id occurred_at order_id quantity amount", *orders))
    snapshots = Snapshots(Workspace(tmp_path), source, AS_OF)
    asked = (snapshots, snapshots.targets["lapse"], TrainingSettings().quick())
    plain = train_target(*asked)
    assert (plain.fitting_acted, plain.test_acted) == (None, None)
    test, first = plain.plan.test, plain.plan.fitting[0]
    whom = plain.test["customer_id"].iloc[:3]
    acted = acted_on(*((c, pd.Timestamp(test)) for c in whom), ("c001", pd.Timestamp(first)))
    found = train_target(*asked, acted=acted)
    assert (found.fitting_acted, found.test_acted) == (1, 3)
    assert not set(whom) & set(found.test["customer_id"])
    assert found.fitting_rows == plain.fitting_rows - 1 and found.was_sampled == plain.was_sampled
