"""One day of the demo company. Generation and truth share this step, so the truth is the truth."""

from __future__ import annotations

import numpy as np

from tenure.demo.state import ENDED, LIVE, NONE, PAUSED, TRIAL, Array, Day, State
from tenure.demo.world import World


def _chance(log_rate: Array) -> Array:
    return np.asarray(1 - np.exp(-np.exp(np.minimum(log_rate, 2.0))))


def _sigmoid(odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-odds)))


def advance(
    world: World, state: State, day: int, generator: np.random.Generator, *, is_shop_alone: bool = False
) -> Day:
    """Move every customer through one day, in place, and say what happened.

    How much is drawn depends on the number of customers alone: twins who differ draw the same. ``is_shop_alone`` leaves
    out subscriptions, on which orders do not depend.
    """
    happened = Day()
    here = state.arrival <= day
    _feelings(world, state, here, generator, happened)
    if not is_shop_alone:
        _arrivals(world, state, day, generator, happened)
        _billing(world, state, day, generator, happened)
        _pauses(world, state, day, generator, happened)
        _wishes(world, state, day, generator, happened)
        _second(world, state, day, generator, happened)
    _shop(world, state, here, generator, happened)
    _forget(world, state)
    return happened


def _feelings(world: World, state: State, here: Array, generator: np.random.Generator, happened: Day) -> None:
    n = len(here)
    state.satisfaction += world.satisfaction_return * (state.level - state.satisfaction)
    state.satisfaction += world.satisfaction_noise * generator.normal(size=n)
    state.need += world.need_noise * generator.normal(size=n)
    live = state.status == LIVE
    ticket = here & (
        generator.random(n) < _chance(world.ticket_log_rate + world.ticket_satisfaction * state.satisfaction)
    )
    state.satisfaction[ticket] -= world.ticket_harm
    state.trouble += ticket - state.trouble / world.trouble_days
    happened.marks |= {
        "ticket": ticket,
        "drinks": live,
        "login": live
        & (generator.random(n) < _sigmoid(world.login_odds + world.login_satisfaction * state.satisfaction)),
        "open": here & (generator.random(n) < _sigmoid(world.open_odds + world.open_satisfaction * state.satisfaction)),
    }


def _arrivals(world: World, state: State, day: int, generator: np.random.Generator, happened: Day) -> None:
    n = len(state.plan)
    first = (state.arrival == day) & state.subscribes
    ended = state.status == ENDED
    restart = ended & (generator.random(n) < world.restart_rate * np.exp(np.minimum(state.satisfaction, 2.0)))
    trial = first & state.trial
    started = (first & ~state.trial) | restart
    state.subscription[first | restart] += 1
    state.status[trial], state.status[started] = TRIAL, LIVE
    state.to_renewal[trial], state.to_renewal[started] = world.trial_days, world.days_to_due(day)[state.term[started]]
    state.cancelling[first | restart] = False
    state.dunning[first | restart] = 0
    happened.marks |= {"trial_started": trial, "started": started, "paid": started.copy()}


def _billing(world: World, state: State, day: int, generator: np.random.Generator, happened: Day) -> None:
    n = len(state.plan)
    fresh = happened.marks["trial_started"] | happened.marks["started"]
    running = ((state.status == LIVE) | (state.status == TRIAL)) & ~fresh
    state.to_renewal[running] -= 1
    due = running & (state.to_renewal <= 0)
    convert = due & (state.status == TRIAL) & (generator.random(n) < _sigmoid(0.6 + 0.8 * state.satisfaction))
    trial_over = due & (state.status == TRIAL) & ~convert
    # Some tell nobody: they decide when the renewal is due, or when they see its charge.
    days = np.array([term[0] for term in world.terms])[state.term]
    silently = 1 - np.exp(-np.exp(_away(world, state)) * days * world.silent_end_share)
    silent = due & (state.status == LIVE) & ~state.cancelling & (generator.random(n) < silently)
    regret = generator.random(n)
    regrets, at_once = silent & (regret < world.regret_share), silent & (regret < world.regret_share / 2)
    leaves = due & (state.status == LIVE) & (state.cancelling | silent) & ~regrets
    renews = due & (state.status == LIVE) & ~leaves
    failed = renews & ~regrets & (generator.random(n) < state.card * (1 - np.clip(state.helped, 0, 0.9)))
    retried, recovered, given_up = _dunning(world, state, running & ~due, generator)
    state.dunning[failed], state.dunning[recovered | leaves | given_up] = 1, 0
    state.to_renewal[renews | convert] = world.days_to_due(day)[state.term[renews | convert]]
    state.to_renewal[regrets], state.cancelling[regrets] = 1, True
    state.status[convert] = LIVE
    ended = trial_over | leaves | given_up | at_once
    state.status[ended] = ENDED
    happened.marks["started"] = happened.marks["started"] | convert
    happened.marks["paid"] = happened.marks["paid"] | convert | (renews & ~failed) | recovered
    happened.marks |= {
        "renewed": renews,
        "failed": failed | (retried & ~recovered),
        "ended": ended,
        "gave_up": given_up,
        "trial_over": trial_over,
        "ended_at_once": at_once,
    }


def _dunning(world: World, state: State, waits: Array, generator: np.random.Generator) -> tuple[Array, Array, Array]:
    """Retry open payments on three days: who is retried, who pays, and whose subscription the last failure ends."""
    is_open = waits & (state.dunning > 0)
    state.dunning[is_open] += 1
    retried = is_open & np.isin(state.dunning, (4, 8, world.dunning_days + 1))
    lost = (1 - world.recovery) * (1 - np.clip(state.helped, 0, 0.9))
    recovered = retried & (generator.random(len(waits)) < 1 - lost)
    return retried, recovered, retried & ~recovered & (state.dunning > world.dunning_days)


def _pauses(world: World, state: State, day: int, generator: np.random.Generator, happened: Day) -> None:
    """Pause, resume with a term and a charge of its own, or end in the pause."""
    chance, marks = generator.random(len(state.plan)), happened.marks
    paused, can_pause = state.status == PAUSED, (state.status == LIVE) & ~state.cancelling & (state.dunning == 0)
    resumes = paused & (chance < world.resume_rate)
    ends = paused & ~resumes & (chance < world.resume_rate + world.pause_end_rate)
    pauses = can_pause & ~marks["started"] & (chance < world.pause_rate)
    state.status[pauses], state.status[resumes], state.status[ends] = PAUSED, LIVE, ENDED
    state.to_renewal[resumes] = world.days_to_due(day)[state.term[resumes]]
    for mark, more in (("renewed", resumes), ("paid", resumes), ("ended", ends)):
        marks[mark] = marks[mark] | more
    marks |= {"paused": pauses, "resumed": resumes}


def _away(world: World, state: State) -> Array:
    """Return the log rate a day of wanting to leave."""
    unused = np.clip(1 - _use(world, state), 0, 1)
    away = world.cancel_log_rate + world.cancel_satisfaction * state.satisfaction
    return np.asarray(away + world.cancel_price * state.price + world.cancel_underuse * unused - state.calm)


def cups(state: State) -> Array:
    """Return the cups a day that each customer drinks."""
    return np.asarray(np.exp(np.minimum(state.need + 0.25 * state.satisfaction, 4.0)))


def _use(world: World, state: State) -> Array:
    """Return the share of the plan's allowance that a month takes."""
    allowances = np.array([plan[2] for plan in world.plans])
    return np.asarray(cups(state) * 30 / allowances[state.plan])


def _wishes(world: World, state: State, day: int, generator: np.random.Generator, happened: Day) -> None:
    n, marks = len(state.plan), happened.marks
    live = (state.status == LIVE) & ~state.cancelling & ~marks["started"] & ~marks["resumed"]
    use = _use(world, state)
    goes = live & (generator.random(n) < _chance(_away(world, state) + np.log(1 - world.silent_end_share)))
    state.cancelling |= goes
    stays = live & ~goes
    below_top = state.plan < len(world.plans) - 1
    want = (
        world.upgrade_log_rate
        + world.upgrade_use * np.clip(use - 0.4, 0, 1.2)
        + world.upgrade_price * state.price
        + 0.35 * state.satisfaction
        + state.tempted
    )
    wants = stays & below_top & (generator.random(n) < _chance(want))
    addon = wants & (generator.random(n) < world.addon_share)
    upgrade = wants & ~addon
    downgrade = stays & ~wants & (state.plan > 0) & (use < 0.5) & (generator.random(n) < world.downgrade_rate)
    state.plan[upgrade] += 1
    state.plan[downgrade] -= 1
    switch = _switches(world, state, day, stays & ~wants, downgrade, generator)
    for mark in ("ended", "started", "paid"):
        marks[mark] = marks[mark] | switch
    marks |= {"cancel_requested": goes, "upgraded": upgrade, "addon_bought": addon}
    marks |= {"downgraded": downgrade & ~switch, "switched": switch}


def _switches(
    world: World, state: State, day: int, calm: Array, downgrade: Array, generator: np.random.Generator
) -> Array:
    """Begin a new term, with its charge, for some of the downgrades and for who moves to the next length of term."""
    chance = generator.random(len(calm))
    turns = calm & ~downgrade & (chance < world.term_change_rate)
    state.term[turns] = (state.term[turns] + 1) % len(world.terms)
    switch = np.asarray(turns | downgrade & (chance < world.switch_share))
    state.to_renewal[switch], state.dunning[switch] = world.days_to_due(day)[state.term[switch]], 0
    return switch


def _second(world: World, state: State, day: int, generator: np.random.Generator, happened: Day) -> None:
    """Begin, renew or end a second subscription; it outlives the first for a while."""
    chance = generator.random(len(state.plan))
    running = (state.second == TRIAL) | (state.second == LIVE)
    state.second_to_renewal[running] -= 1
    due = running & (state.second_to_renewal <= 0)
    stay = np.where(state.status == ENDED, world.second_stay_alone, world.second_stay)
    stays = due & (chance < np.where(state.second == TRIAL, world.second_convert_share, stay))
    on_trial = state.second == TRIAL
    begins = (state.status == LIVE) & (state.second == NONE) & (chance < world.second_rate)
    tries = begins & (chance < world.second_rate * world.second_trial_share)
    pays = stays | (begins & ~tries)
    happened.marks |= {
        "second trial_started": tries,
        "second started": pays & (begins | on_trial),
        "second renewed": stays & ~on_trial,
        "second ended": due & ~stays,
        "second trial_over": due & ~stays & on_trial,
        "second paid": pays,
    }
    state.second[pays], state.second[tries], state.second[due & ~stays] = LIVE, TRIAL, ENDED
    state.second_to_renewal[pays], state.second_to_renewal[tries] = world.days_to_due(day)[0], world.trial_days


def order_hazard(world: World, state: State) -> Array:
    """Return the orders a day of each customer, contacts apart."""
    return np.asarray(np.exp(np.minimum(state.order_rate + world.order_satisfaction * state.satisfaction, 2.0)))


def _shop(world: World, state: State, here: Array, generator: np.random.Generator, happened: Day) -> None:
    usual = order_hazard(world, state)
    # What contacts cause comes soon; what they keep from coming, or what came early, is at most nine orders of ten.
    caused = np.maximum(state.push / world.push_days, -0.9 * usual)
    missing = np.where(state.owed_wait > 0, 0, np.minimum(state.owed / world.owed_days, 0.9 * usual))
    hazard = np.maximum(usual + caused - missing, 0.1 * usual)
    state.push -= caused
    state.owed -= missing
    state.owed_wait[state.owed_wait > 0] -= 1
    n = len(here)
    order = here & (generator.random(n) < 1 - np.exp(-hazard))
    visits = hazard * np.exp(world.visit_log_rate)
    taken = order & (state.promoted > 0)
    happened.marks |= {"order": order, "visit": here & (generator.random(n) < 1 - np.exp(-visits)), "taken": taken}
    state.promoted[taken] = 0
    state.promoted[state.promoted > 0] -= 1


def _forget(world: World, state: State) -> None:
    """Let contacts fade at the end of a day."""
    state.tired -= state.tired / world.fatigue_days
    for fading in (state.calm, state.tempted, state.helped):
        fading -= fading / world.fading_days
