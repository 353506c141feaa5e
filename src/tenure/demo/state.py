"""The customers of the demo company as columns: what is hidden of them, and what can be observed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd

from tenure.demo.world import World

NONE, TRIAL, LIVE, ENDED, PAUSED = 0, 1, 2, 3, 4
Array = np.ndarray


@dataclass
class State:
    """Customers as columns. Hidden: level, satisfaction, need, price, card, order_rate. The rest can be observed."""

    arrival: Array  # day
    subscribes: Array  # ever a subscriber
    trial: Array  # begins with a trial
    level: Array  # satisfaction the customer returns to
    satisfaction: Array
    need: Array  # log cups a day
    price: Array  # price sensitivity
    card: Array  # chance that a payment fails
    order_rate: Array  # log orders a day, at satisfaction 0
    status: Array
    plan: Array
    term: Array  # place in the terms
    to_renewal: Array  # days
    dunning: Array  # days since a payment failed, 0 = none is open
    cancelling: Array
    promoted: Array  # days left in which an offer is taken
    subscription: Array  # how many subscriptions so far
    second: Array  # status of the second subscription
    second_to_renewal: Array  # days
    # Of contacts and those who are contacted; temper, all that never shows, is hidden, too.
    temper: Array
    reads: Array  # e-mails: clicks in what is opened
    trouble: Array  # tickets, forgotten slowly
    tired: Array  # contacts, forgotten slowly
    push: Array  # orders still to come of contacts; below 0, to be missing
    owed: Array  # orders that came early
    owed_wait: Array  # days until they are missing
    calm: Array  # lowers the log rate of leaving
    tempted: Array  # raises that of wanting more
    helped: Array  # of payments that would fail, the share that succeeds

    @classmethod
    def of(cls, hidden: pd.DataFrame) -> State:
        """Return the state that rows of hidden states hold."""
        return cls(**{f.name: hidden[f.name].to_numpy(copy=True) for f in fields(cls)})

    def take(self, index: Array) -> State:
        return State(**{f.name: getattr(self, f.name)[index].copy() for f in fields(self)})

    @property
    def is_held(self) -> Array:
        """Whether a subscription is paid or paused."""
        return np.asarray((self.status == LIVE) | (self.status == PAUSED) | (self.second == LIVE))


@dataclass
class Day:
    """What happened on one day: a boolean per customer, or a number where it says so."""

    marks: dict[str, Array] = field(default_factory=dict)


def begin(world: World, arrival: Array, generator: np.random.Generator) -> State:
    """Draw the customers of a chunk before their first day. ``arrival`` is that day, one per customer."""
    n = len(arrival)
    level = generator.normal(size=n)
    need = world.need_mean + world.need_sigma * generator.normal(size=n)
    allowances = np.array([plan[2] for plan in world.plans])
    # People choose the plan that fits what they think they need, roughly.
    guess = np.exp(need + 0.25 * generator.normal(size=n)) * 30
    plan = np.minimum(np.searchsorted(allowances, guess * 0.95), len(allowances) - 1)
    zeros = np.zeros(n, dtype=np.int64)
    no, none = np.zeros(n, dtype=bool), np.zeros(n)
    return State(
        arrival=arrival,
        subscribes=generator.random(n) < world.subscriber_share, trial=generator.random(n) < world.trial_share,
        level=level, satisfaction=level + 0.3 * generator.normal(size=n), need=need, price=generator.normal(size=n),
        card=np.minimum(
            generator.gamma(world.card_trouble_shape, world.card_trouble_mean / world.card_trouble_shape, n), 0.5
        ),
        order_rate=world.order_log_rate + world.order_sigma * generator.normal(size=n), status=zeros.copy(), plan=plan,
        term=generator.choice(len(world.terms), n, p=[term[2] for term in world.terms]), to_renewal=zeros.copy(), dunning=zeros.copy(), cancelling=no.copy(), promoted=zeros.copy(),
        subscription=zeros.copy(), second=zeros.copy(), second_to_renewal=zeros.copy(),
        temper=generator.normal(size=n), reads=generator.normal(size=n), owed_wait=zeros.copy(),
        **{name: none.copy() for name in ("trouble", "tired", "push", "owed", "calm", "tempted", "helped")},
    )  # fmt: skip
