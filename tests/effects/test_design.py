"""Features as regressors: what varies has one, what repeats another has none, what is unknown is marked once."""

import numpy as np
import pandas as pd
import pytest

from tenure.core.errors import DataContractError
from tenure.effects.design import Design

TABLE = pd.DataFrame({
    "orders": np.arange(400.0), "visits": np.where(np.arange(400) % 4 == 0, np.nan, np.arange(400.0)),
    "clicks": np.where(np.arange(400) % 4 == 0, np.nan, 1.0), "tickets": (np.arange(400) % 100 == 7).astype(float),
    "never": np.nan, "same": 3.0, "town": np.where(np.arange(400) % 2, "a", "b"),
})  # fmt: skip


def test_each_feature_has_the_regressors_it_needs():
    design = Design.fit(TABLE, list(TABLE))
    made = [(design.encoding.names[one.feature], one.kind) for one in design.regressors]
    assert made == [("orders", "rank"), ("visits", "unknown"), ("visits", "rank"), ("tickets", "rank"),
                    ("town", "level"), ("town", "level")]  # fmt: skip


def test_regressors_have_mean_0_and_spread_1_and_do_not_depend_on_who_else_is_there():
    design = Design.fit(TABLE, list(TABLE))
    matrix = design.transform(TABLE)
    assert matrix.dtype == np.float32
    assert matrix.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert matrix.std(axis=0) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(design.transform(TABLE.iloc[[5]]), matrix[[5]])


def test_parts_of_regressors_add_up_to_their_feature():
    design = Design.fit(TABLE, list(TABLE))
    found = design.by_feature(np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]))
    assert found.iloc[0].to_dict() == {
        "orders": 1,
        "visits": 5,
        "clicks": 0,
        "tickets": 4,
        "never": 0,
        "same": 0,
        "town": 11,
    }


def test_a_feature_that_is_missing_is_named():
    with pytest.raises(DataContractError, match="first: town"):
        Design.fit(TABLE, list(TABLE)).transform(TABLE.drop(columns="town"))
