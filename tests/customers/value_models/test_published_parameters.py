"""The parameters the literature reports for the CDNOW sample come out again."""

import numpy as np
import pytest
from cdnow_sample import CALIBRATION_DAYS, purchases, systematic_sample

from tenure.customers.value_models.bg_nbd import BgNbd
from tenure.customers.value_models.gamma_gamma import GammaGamma
from tenure.customers.value_models.pareto_nbd import ParetoNbd
from tenure.customers.value_models.purchases import Repetition, summarise


@pytest.fixture
def sample(test_data):
    return systematic_sample(purchases(test_data))


@pytest.fixture
def summary(sample):
    # T is counted to the end of day 273, as Fader and Hardie do.
    return summarise(sample[sample["day"] <= CALIBRATION_DAYS], CALIBRATION_DAYS + 1).assign(
        observed=lambda told: told["observed"] - 1 / 7
    )


def test_the_sample_is_that_of_the_literature(sample, summary):
    assert len(summary) == 2357 and sample["customer_id"].nunique() == 2357
    assert {"00004", "00021", "00050", "00071", "00086", "00111"} <= set(summary.index)
    assert summary.loc["00004", ["repeats", "recency", "observed"]].round(2).tolist() == [2, 30.43, 38.86]


def test_bg_nbd_is_that_of_fader_hardie_and_lee_2005(summary):
    customers = Repetition.distinct(summary)
    fitted = BgNbd.fit(customers)
    assert [fitted.r, fitted.alpha, fitted.a, fitted.b] == pytest.approx([0.243, 4.414, 0.793, 2.426], rel=0.005)
    assert customers.weights @ fitted.log_likelihood(customers) == pytest.approx(-9582.4, abs=0.1)


def test_pareto_nbd_is_that_of_fader_hardie_and_lee_2005(summary):
    fitted = ParetoNbd.fit(Repetition.distinct(summary))
    assert [fitted.r, fitted.alpha, fitted.s, fitted.beta] == pytest.approx([0.553, 10.58, 0.606, 11.67], rel=0.01)


def test_gamma_gamma_is_that_of_fader_hardie_and_lee_2005(sample, summary):
    known = sample[sample["day"] <= CALIBRATION_DAYS]
    again = known[known.duplicated("customer_id")].groupby("customer_id")["amount"].agg(["size", "mean"])
    again = again[again["mean"] > 0]
    assert len(again) == 946
    fitted = GammaGamma.fit(again["size"].to_numpy(float), again["mean"].to_numpy())
    assert [fitted.p, fitted.q, fitted.gamma] == pytest.approx([6.25, 3.74, 15.44], rel=0.02)
    assert np.isclose(fitted.expected_amount(np.zeros(1), np.zeros(1))[0], 35.2, rtol=0.03)
