"""What a contact changes in the hidden state of the customers contacted. Living on is left to the daily step."""

from __future__ import annotations

import numpy as np

from tenure.core.errors import UnknownNameError
from tenure.demo.causes import CAUSES, REACHES, SERVICE
from tenure.demo.simulator import order_hazard
from tenure.demo.state import Array, State
from tenure.demo.world import World

# The days over which the lever ``order`` is stated; after them pulled orders begin to be missing.
STATED_DAYS = 30
# No contact makes more than this share of silent customers order, or of orders fail to come.
MOST = 0.7


def act(world: World, state: State, action: str, channel: str, at: Array) -> None:
    """Contact some customers (places or a mask), in place: on the morning of the day that is lived next.

    Raises
    ------
    UnknownNameError : an action or a channel without a cause.
    """
    for kind, name, known in (("Action", action, CAUSES), ("Channel", channel, REACHES)):
        if name not in known:
            raise UnknownNameError(f"{kind} of the demo", name, known)
    cause, met = CAUSES[action], state.take(at)
    push = lever_push(world, met, action, channel)
    if cause.lever == "order":
        silent = chance_of_silence(world, met)
        hazard = -np.log1p(-np.clip(push, -MOST * (1 - silent), MOST * silent) / silent)
        state.push[at] += hazard
        # A further contact does not put off what is owed already: the debts fall due together, in between.
        owed, pulled = state.owed[at], cause.pulled * np.maximum(hazard, 0)
        due = (owed * state.owed_wait[at] + pulled * STATED_DAYS) / np.maximum(owed + pulled, 1e-9)
        state.owed[at], state.owed_wait[at] = owed + pulled, np.rint(due)
    else:
        lever = {"stay": state.calm, "more": state.tempted, "pay": state.helped}[cause.lever]
        lever[at] += push
    if cause.discount:
        state.promoted[at] = world.offer_days
    if action in SERVICE:
        return
    if channel == "email":
        state.calm[at] -= world.effect_slope * world.reminder * (sleeping_dogs(world, met) - world.dog_share)
    state.satisfaction[at] -= world.effect_slope * world.irritation * met.tired
    state.tired[at] += 1


def chance_of_silence(world: World, state: State) -> Array:
    """Return the chance of no order within the days that the lever ``order`` is stated over."""
    return np.asarray(np.exp(-np.maximum(STATED_DAYS * order_hazard(world, state) + state.push, 0.01)))


def lever_push(world: World, state: State, action: str, channel: str) -> Array:
    """Say by how much a contact moves its lever, for each customer: the mean, and ``effect_slope`` of what differs."""
    cause, traits = CAUSES[action], traits_of(world, state)
    trait, weight = REACHES[channel]
    own = weight * (1 if cause.lever == "order" else 3) * traits[trait]
    own = own + sum(share * traits[name] for name, share in cause.traits)
    own = cause.mean + world.effect_slope * (own - cause.harm * (sleeping_dogs(world, state) - world.dog_share))
    if action in SERVICE:
        return np.asarray(own)
    weaker = np.exp(-world.effect_slope * world.fatigue * state.tired)
    return np.asarray(np.where(own > 0, own * weaker, own))


def traits_of(world: World, state: State) -> dict[str, Array]:
    """Give the traits that causes differ by: between -1 and 1, about 0 on average."""
    return {
        "satisfaction": np.tanh(state.satisfaction),
        "need": np.tanh((state.need - world.need_mean) / world.need_sigma),
        "price": np.tanh(state.price),
        "temper": np.tanh(state.temper),
        "reads": np.tanh(state.reads),
        "trouble": np.tanh(2 * state.trouble) - world.trouble_mean,
        "card": np.tanh(state.card / world.card_trouble_mean - 1),
    }


def sleeping_dogs(world: World, state: State) -> Array:
    """Say how much each customer is one (0 to 1): dissatisfied, and drinking little."""
    little = (world.need_mean - state.need) / world.need_sigma
    return np.asarray(1 / (1 + np.exp(-world.dog_slope * (little - state.satisfaction - world.dog_from))))
