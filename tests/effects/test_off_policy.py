"""The value of a policy that never ran: by enumeration, and refused where the log cannot tell."""

import numpy as np
import pandas as pd
import pytest

from tenure.core.errors import DataContractError, NotEnoughDataError
from tenure.effects.off_policy import value_of_policy

ACTIONS = ["nothing", "mail"]


def log(count=1_000, seed=1, chance=0.5):
    """Mails bring 1 to every second customer, nothing brings 0.2 to all."""
    mailed = np.random.default_rng(seed).random(count) < chance
    reward = np.where(mailed, np.arange(count) % 2, 0.2)
    return pd.DataFrame({"customer_id": np.arange(count), "action": np.where(mailed, "mail", "nothing"),
                         "chance": np.where(mailed, chance, 1 - chance), "reward": reward})  # fmt: skip


def always(share, count=1_000):
    return pd.DataFrame({"nothing": np.full(count, 1 - share), "mail": np.full(count, share)})


def test_of_the_logged_policy_itself_the_value_is_the_mean_reward():
    logged = log()
    found = value_of_policy(logged, always(0.5))
    assert found.weighted.value == pytest.approx(logged["reward"].mean())
    assert found.effective == pytest.approx(1_000)


def test_a_weighted_value_by_hand():
    """Four mails of 1, 0, 1, 1 among eight drawn by halves: always mailing brings 3 of 4."""
    logged = pd.DataFrame({"customer_id": np.arange(8), "action": ["mail", "nothing"] * 4, "chance": 0.5,
                           "reward": [1, 9, 0, 9, 1, 9, 1, 9]})  # fmt: skip
    hundredfold = pd.concat([logged] * 100, ignore_index=True).assign(customer_id=np.arange(800))
    found = value_of_policy(hundredfold, always(1.0, 800))
    assert found.weighted.value == pytest.approx(0.75)
    assert found.effective == pytest.approx(400)


def test_predicted_rewards_that_are_right_leave_no_doubt_but_the_customers():
    logged = log()
    expected = pd.DataFrame({"nothing": 0.2, "mail": np.arange(1_000) % 2}, dtype=float)
    found = value_of_policy(logged, always(1.0), expected=expected)
    assert found.best.value == pytest.approx(0.5)
    assert found.best.high - found.best.low < 0.8 * (found.weighted.high - found.weighted.low)


def test_predicted_rewards_that_are_wrong_by_a_constant_change_nothing():
    logged = log()
    wrong = value_of_policy(logged, always(0.9), expected=pd.DataFrame(7.0, index=range(1_000), columns=ACTIONS))
    assert wrong.best.value == pytest.approx(wrong.weighted.value)


def test_two_policies_are_compared_pair_by_pair():
    logged = log()
    one, other = value_of_policy(logged, always(0.9)), value_of_policy(logged, always(0.1))
    assert (one.scores - other.scores).mean() == pytest.approx(one.best.value - other.best.value)


def test_below_100_effective_decisions_there_is_no_value():
    assert value_of_policy(log(chance=0.2), always(1.0)).effective >= 100
    with pytest.raises(NotEnoughDataError, match="are worth .* effective ones"):
        value_of_policy(log(chance=0.05), always(1.0))


def test_rows_of_one_customer_do_not_make_a_sample():
    logged = log()
    with pytest.raises(NotEnoughDataError, match="worth 50 effective"):
        value_of_policy(logged.assign(customer_id=np.arange(1_000) % 50), always(0.5))


def test_what_the_log_never_did_has_no_value():
    """Half of the customers could not be mailed: their chance of nothing was 1."""
    logged = log()
    barred = np.arange(1_000) >= 500
    logged = logged.assign(
        action=logged["action"].where(~barred, "nothing"), chance=logged["chance"].where(~barred, 1.0)
    )
    with pytest.raises(NotEnoughDataError, match="never drew some of what the policy would do"):
        value_of_policy(logged, always(1.0))
    within = always(1.0).assign(nothing=barred.astype(float), mail=(~barred).astype(float))
    assert value_of_policy(logged, within).effective >= 100


@pytest.mark.parametrize(
    ("logged", "new", "said"),
    [
        (log().drop(columns="reward"), always(0.5), "no column reward"),
        (log(), always(0.5, 10), "1 tables of another length"),
        (log(), always(0.5)[["nothing"]], "logged actions without a column"),
        (log().assign(chance=0.0), always(0.5), "1,000 logged chances that are not above 0"),
        (log(), always(0.5) * 2, "1,000 rows of the new policy that do not add up to 1"),
        (log().assign(reward=np.nan), always(0.5), "1,000 unknown rewards"),
    ],
)
def test_tables_that_do_not_fit_are_refused(logged, new, said):
    with pytest.raises(DataContractError, match=said):
        value_of_policy(logged, new)
