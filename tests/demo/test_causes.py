"""What actions cause in the demo company: known, different from customer to customer, and found by two lives alike."""

import numpy as np
import pandas as pd
import pytest

from tenure.demo import true_effects
from tenure.demo.actions import act, sleeping_dogs
from tenure.demo.simulator import advance
from tenure.demo.state import State, begin
from tenure.demo.world import World

COMPETING = (("win_back", "email"), ("new_beans", "email"), ("care_call", "phone"))
WORLD, DAY = World(), 200


@pytest.fixture(scope="module")
def hidden():
    """800 customers on day 200, all there, who have not been contacted."""
    state = begin(WORLD, np.random.default_rng(3).integers(0, 60, 800), np.random.default_rng(4))
    for day in range(DAY):
        advance(WORLD, state, day, np.random.default_rng([5, day]))
    names = [f"c{n}" for n in range(800)]
    cutoff = pd.Timestamp(WORLD.start) + pd.Timedelta(days=DAY)
    return pd.DataFrame({"customer_id": names, "cutoff": cutoff, **vars(state)})


def effects(hidden, action, channel, target="lapse", days=30, **about):
    about = {"rollouts": 25} | about
    return true_effects(hidden, action, channel, target=target, horizon_days=days, **about)["effect"].to_numpy()


def test_twins_who_are_left_alone_live_the_same_day_for_day(hidden):
    one, other = State.of(hidden), State.of(hidden)
    for day in range(DAY, DAY + 20):
        marks = [advance(WORLD, twin, day, np.random.default_rng(day)).marks for twin in (one, other)]
        for name, mark in marks[0].items():
            assert np.array_equal(mark, marks[1][name])


def test_who_is_not_contacted_lives_the_same_whoever_else_is_and_whatever_it_changes(hidden):
    one, other, is_contacted = State.of(hidden), State.of(hidden), np.arange(len(hidden)) < 400
    for action, channel in (*COMPETING, ("save_call", "phone"), ("check_card", "email"), ("more_cups", "app")):
        act(WORLD, other, action, channel, is_contacted)
    for day in range(DAY, DAY + 60):
        for twin in (one, other):
            advance(WORLD, twin, day, np.random.default_rng(day))
    for name, values in vars(one).items():
        assert np.array_equal(values[~is_contacted], getattr(other, name)[~is_contacted]), name
    assert not np.array_equal(one.satisfaction[is_contacted], other.satisfaction[is_contacted])


def test_orders_do_not_depend_on_subscriptions(hidden):
    whole, shop = (State.of(hidden) for _ in range(2))
    shop.status[:] = 0
    generator = np.random.default_rng(8)
    drawn = generator.bit_generator.state
    advance(WORLD, whole, DAY, generator)
    generator.bit_generator.state = drawn
    advance(WORLD, shop, DAY, generator, is_shop_alone=True)
    assert np.array_equal(whole.satisfaction, shop.satisfaction) and np.array_equal(whole.push, shop.push)


@pytest.mark.parametrize("action, channel", COMPETING)
def test_the_true_effect_is_what_the_world_states_and_differs_between_customers(hidden, action, channel):
    found = -effects(hidden, action, channel)
    assert 0.06 < found.mean() < 0.11
    # 25 rollouts leave noise in each customer's effect, about sqrt(.1 / 25).
    assert found.std() > 0.08


@pytest.mark.parametrize("action, channel", COMPETING)
def test_in_a_world_of_slope_0_everybody_reacts_alike_but_for_who_orders_anyway(hidden, action, channel):
    found = true_effects(
        hidden, action, channel, target="lapse", horizon_days=30, world=World(effect_slope=0.0), rollouts=100
    )
    lower = found[found["untreated"] > 0.25]
    assert len(lower) > 550 and -lower["effect"].mean() == pytest.approx(0.085, abs=0.01)
    # What is left of a spread is the rollouts' noise: a share of .085 in 100 draws.
    assert lower["effect"].std() < 1.15 * np.sqrt(0.085 / 100)


def test_about_one_customer_in_ten_is_a_sleeping_dog_whom_a_mail_keeps_from_ordering(hidden):
    is_dog = sleeping_dogs(WORLD, State.of(hidden)) > 0.5
    assert 0.07 < is_dog.mean() < 0.15
    found = -effects(hidden, "win_back", "email")
    assert found[is_dog].mean() < -0.04 and found[~is_dog].mean() > 0.08
    called = -effects(hidden, "care_call", "phone")
    assert called[is_dog].mean() > 0.06  # a call helps them
    asked = true_effects(hidden, "new_beans", "email", target="churn", rollouts=25).set_index("customer_id")["effect"]
    dogs = asked.index.isin(hidden.loc[is_dog, "customer_id"])
    assert asked[dogs].mean() > 0 > asked[~dogs].mean()  # and some leave


def test_recent_contacts_weaken_an_effect_and_cost_satisfaction(hidden):
    tired = hidden.assign(tired=3.0)
    assert -effects(tired, "care_call", "phone").mean() < 0.5 * -effects(hidden, "care_call", "phone").mean()
    state = State.of(tired)
    act(WORLD, state, "care_call", "phone", np.arange(len(tired)))
    assert (state.satisfaction < tired["satisfaction"]).all() and (state.tired == 4).all()


def test_a_discount_pulls_orders_forward_there_are_more_at_the_horizon_and_hardly_at_twice_it(hidden):
    at_30, at_60 = (effects(hidden, "win_back", "email", "orders", days) for days in (30, 60))
    assert at_30.mean() > 0.2 and abs(at_60.mean()) < 0.25 * at_30.mean()
    news_at_30, news_at_60 = (effects(hidden, "new_beans", "email", "orders", days) for days in (30, 60))
    assert news_at_60.mean() > 0.75 * news_at_30.mean()


def test_most_who_take_the_discount_would_have_ordered_anyway(hidden):
    two_weeks = true_effects(hidden, "win_back", "email", target="taken", horizon_days=14, rollouts=25)
    lapse = true_effects(hidden, "win_back", "email", target="lapse", horizon_days=14, rollouts=25)
    taken, anyway = two_weeks["treated"].mean(), 1 - lapse["untreated"].mean()
    assert two_weeks["untreated"].mean() == 0 and taken > 0.25
    assert anyway / taken > 0.6


def test_each_action_moves_its_target(hidden):
    assert effects(hidden, "save_call", "phone", "churn", None).mean() < -0.004
    assert effects(hidden, "more_cups", "email", "upsell", None).mean() > 0.004
    trouble = hidden.assign(card=0.5)
    assert effects(trouble, "check_card", "email", "churn", None).mean() < -0.01


def test_an_action_without_a_cause_is_refused_by_its_nearest_name(hidden):
    with pytest.raises(LookupError, match="win_back"):
        true_effects(hidden, "winback", "email", target="lapse")
    with pytest.raises(LookupError, match="phone"):
        true_effects(hidden, "win_back", "phne", target="lapse")
    with pytest.raises(LookupError, match="orders"):
        true_effects(hidden, "win_back", "email", target="order")
