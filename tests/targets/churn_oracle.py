"""Who is asked about churn at a cutoff, and who churned: an oracle over the states of `states_oracle.py`.

Written from DESIGN section 3, "Churn, exactly", as that file is, and read like this where the paragraph is silent:

ASKED
27. The state at a cutoff is that of the close of the day before, from the events known before the cutoff's midnight.
28. A cancellation is pending from `cancel_requested` until a `started`, `renewed` or `resumed` of that subscription in the same or a
    later instant. A plan change, an add-on or a pause does not take it back.
29. "Every paid subscription" includes those with a pending cancellation. Paused, free and trial subscriptions don't count.
30. "Due in it": any due date of the present anchor lies in the outcome window, not only the next one; so with a lead time
    a subscription that is due in the lead time and again in the window can end in the window. "Overdue" is as known at
    the cutoff.

CHURNED
31. Only who was asked has an answer. The states are those from all events known before the as-of.
32. On the window's first day the customer is held to have been paying until then, whatever the states say of the day
    before. So any end before the window, of which the customer is still none at the close of the first day, is an end
    on the first day, and the `grace_days` for a restart count from there.
33. After the window an end on day x counts only where a subscription that was paid until then ended on x, and it had a due
    date d in the window with x <= d + grace_days which was not met: d follows the anchor in force at the close of the
    day before x. So who renewed in the window and ends after it has not churned in it (else, with a grace of 30 days, an
    end at the next monthly due date would count for both months), nor has who ends a subscription without a term after
    the window because another one was due in it. Where renewals are not delivered, every due date of the anchor counts.
34. A restart on day x + grace_days after an end on day x is in time; one a day later is not. Being held is enough.
35. A customer who goes none, comes back in time and later goes none again in the counted days for good has churned.
36. The label is certain, and given, only where cutoff + lead + horizon + 2 x grace_days <= as-of; otherwise it is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from states_oracle import DAY, Close, Event, Rules, Subscription, follow_all, is_due, state_on


@dataclass(frozen=True)
class Answer:
    """One customer at one cutoff: asked, churned (None where not asked or not matured), and which cases applied."""

    asked: bool
    churned: int | None
    case: str
    notes: frozenset[str] = frozenset()


def due_days(close: Close, days: Sequence[date]) -> list[date]:
    """List those of the days on which a subscription is due."""
    if close.anchor is None or close.term is None or close.term < 1:
        return []
    return [day for day in days if is_due(close.anchor, close.term, day)]


def why_not_asked(subscriptions: Sequence[Subscription], window: Sequence[date]) -> str | None:
    """Give the reason why a customer with these subscriptions, followed to the cutoff, is not asked; None if asked."""
    paid = [one for one in subscriptions if one.states[-1] == "paid"]
    if not paid:
        is_held = any(one.states[-1] == "paused" for one in subscriptions)
        return "not asked: held" if is_held else "not asked: not paying"
    if all(one.closes[-1].is_cancelled for one in paid):
        return "not asked: cancellation pending"
    for one in paid:
        last = one.closes[-1]
        has_no_term = last.anchor is None or last.term is None or last.term < 1
        if not (has_no_term or one.is_overdue or due_days(last, window)):
            return "not asked: cannot end in the window"
    return None


def outcome(after: Sequence[Subscription], window: Sequence[date], grace_days: int) -> tuple[int, str]:
    """Give the label of an asked customer, and the case that decided it.

    ``after`` is what was known at the as-of.
    """
    yesterday, came_back = "paying", False
    for day in [window[0] + n * DAY for n in range(len(window) + grace_days)]:
        today = state_on(after, day)
        goes = today == "none" and yesterday != "none"
        if goes and (day <= window[-1] or was_due(after, day, window, grace_days)):
            if all(state_on(after, day + n * DAY) == "none" for n in range(1, grace_days + 1)):
                if day > window[-1]:
                    return 1, "churned: after a due date in the window"
                is_earlier = day == window[0] and state_on(after, day - DAY) == "none"
                return 1, "churned: ended before the window" if is_earlier else "churned: in the window"
            came_back = True
        yesterday = today
    return 0, "stayed: back within the grace" if came_back else "stayed"


def was_due(after: Sequence[Subscription], day: date, window: Sequence[date], grace_days: int) -> bool:
    """Whether a subscription paid until ``day`` had an unmet due date in the window, no longer ago than the grace."""
    for one in after:
        n = (day - one.first_day).days
        if n > 0 and one.states[n - 1] == "paid":
            if any(day <= due + grace_days * DAY for due in due_days(one.closes[n - 1], window)):
                return True
    return False


def ask(
    events: Sequence[Event],
    cutoff: date,
    as_of: date,
    rules: Rules,
    *,
    horizon_days: int,
    lead_days: int = 0,
) -> dict[str, Answer]:
    """Answer for every customer named before the as-of: asked at the cutoff, churned, and why."""
    before, after = follow_all(events, cutoff, rules), follow_all(events, as_of, rules)
    return answers(before, after, cutoff, as_of, rules.grace_days, horizon_days=horizon_days, lead_days=lead_days)


def answers(
    before: dict[str, list[Subscription]],
    after: dict[str, list[Subscription]],
    cutoff: date,
    as_of: date,
    grace_days: int,
    *,
    horizon_days: int,
    lead_days: int = 0,
) -> dict[str, Answer]:
    """Answer as ``ask`` does, from subscriptions already followed to the cutoff and to the as-of."""
    window = [cutoff + (lead_days + n) * DAY for n in range(horizon_days)]
    is_mature = window[-1] + DAY + 2 * grace_days * DAY <= as_of
    found = {}
    for customer in after:
        reason = why_not_asked(before.get(customer, []), window)
        if reason or not is_mature:
            found[customer] = Answer(not reason, None, reason or "not matured", notes(after[customer]))
            continue
        churned, case = outcome(after[customer], window, grace_days)
        more = set()
        if any(one.is_overdue for one in before[customer]):
            more.add("overdue at the cutoff")
        if case == "churned: ended before the window":
            is_late = state_on(after[customer], cutoff - DAY) == "none"
            more.add("ended before the cutoff, known later" if is_late else "ended in the lead time")
        found[customer] = Answer(True, churned, case, notes(after[customer]) | more)
    return found


def notes(subscriptions: Sequence[Subscription]) -> frozenset[str]:
    """Name what the definition did with a customer's subscriptions."""
    found = {
        "start not delivered": any(one.start_is_missing for one in subscriptions),
        "plan switch in one instant": any(one.has_switched for one in subscriptions),
        "an overdue renewal is an end": any(one.ran_out for one in subscriptions),
        "a pause exceeded is an end": any(one.pause_exceeded for one in subscriptions),
    }
    return frozenset(name for name, holds in found.items() if holds)
