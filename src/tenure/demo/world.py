"""Every figure of the demo company. Fixed before any modelling; the pipeline never reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np


@dataclass(frozen=True)
class World:
    """A coffee subscription with a shop. Rates are per day unless said otherwise; odds are log-odds."""

    start: date = date(2024, 1, 1)
    # Plans: name, price a month (EUR), allowance (cups a month). The last is the top one.
    plans: tuple[tuple[str, float, float], ...] = (
        ("Solo", 14.0, 60.0),
        ("Duo", 24.0, 110.0),
        ("House", 39.0, 190.0),
        ("Office", 75.0, 400.0),
    )
    subscriber_share: float = 0.92  # the others only buy in the shop
    launch_share: float = 0.25  # arrive in the first 60 days, the others evenly
    trial_share: float = 0.25  # begin with 14 free days
    trial_days: int = 14
    # Terms: days as they are told, calendar months, share of the customers.
    terms: tuple[tuple[int, int, float], ...] = ((30, 1, 0.86), (90, 3, 0.08), (365, 12, 0.06))
    # A second subscription: plan, price a month (EUR). Always by the month.
    second_plan: tuple[str, float] = ("Beans", 9.0)
    second_rate: float = 0.00019  # of live customers who never had one
    second_trial_share: float = 0.5  # begin with the free days
    second_convert_share: float = 0.5
    second_stay: float = 0.94  # chance that it is renewed
    second_stay_alone: float = 0.7  # the same once the first subscription has ended
    # Hidden: satisfaction (mean 0, sd 1 between customers) moves slowly around its own level.
    satisfaction_return: float = 0.006
    satisfaction_noise: float = 0.04
    ticket_harm: float = 0.12  # satisfaction lost by a ticket
    need_mean: float = 0.9555  # log cups a day
    need_sigma: float = 0.45  # spread of log cups a day between customers
    need_noise: float = 0.008  # daily step of log need
    # Leaving
    cancel_log_rate: float = -6.2  # daily request to cancel at satisfaction 0, price sensitivity 0
    cancel_satisfaction: float = -1.35
    cancel_price: float = 0.2
    cancel_underuse: float = 1.1  # per share of the allowance left unused
    silent_end_share: float = 0.35  # of the wish to leave, what shows only by not renewing
    regret_share: float = 0.12  # of those, who let it renew and end it on that day or the next
    pause_rate: float = 0.00012
    resume_rate: float = 0.02
    pause_end_rate: float = 0.003
    card_trouble_shape: float = 2.0  # gamma shape of each customer's chance that a payment fails
    card_trouble_mean: float = 0.05
    recovery: float = 0.55  # chance that a retry succeeds, on days 3, 7 and 12
    dunning_days: int = 12
    restart_rate: float = 0.0012
    # Wanting more
    upgrade_log_rate: float = -10.3
    upgrade_use: float = 5.6  # per share of the allowance used, from 80 % on steeper
    upgrade_price: float = -0.2
    addon_share: float = 0.3  # of the wishes for more that become an add-on
    downgrade_rate: float = 0.0004
    switch_share: float = 0.5  # of the downgrades, written as an end and a start in one instant, as all changes of term
    term_change_rate: float = 0.00008
    # The shop
    order_log_rate: float = -4.05
    order_sigma: float = 0.75  # spread of log order rate between customers
    order_satisfaction: float = 0.55
    return_share: float = 0.03
    # Signals
    login_odds: float = -0.8
    login_satisfaction: float = 1.2
    open_odds: float = -1.8
    open_satisfaction: float = 0.8
    visit_log_rate: float = 1.8  # shop visits for each order, as a logarithm: people look before they buy
    discount_price: float = 1.5  # how much the price sensitive look for discounts
    ticket_log_rate: float = -5.6
    ticket_satisfaction: float = -0.5
    click_odds: float = -1.5  # of who opens an e-mail
    click_reads: float = 1.2  # how much more the readers click
    campaign_days: int = 45  # a campaign every so many days: win_back by e-mail, with arms drawn
    asked_share: float = 0.2  # of the customers, in each campaign
    treated_share: float = 0.7
    # One campaign is sized by the planner: everybody, half of them held out. To show .08 of a rate of .45 takes 1,214.
    sized_campaign: int = 13
    sized_treated_share: float = 0.5
    # What contacts change, beside the causes of each action (causes.py)
    effect_slope: float = 1.0  # of the differences between customers; 0: everybody reacts alike
    fatigue: float = 0.35  # how fast effects weaken with recent contacts
    fatigue_days: float = 21.0  # a contact is forgotten
    irritation: float = 0.03  # satisfaction lost by a contact, for each recent one
    reminder: float = 0.8  # an e-mail makes sleeping dogs want to leave: log rate a day, fading
    fading_days: float = 30.0
    trouble_days: float = 45.0  # a ticket is forgotten
    trouble_mean: float = 0.13
    dog_from: float = 2.0  # sleeping dogs: spreads below the average, satisfaction and cups together
    dog_slope: float = 6.0
    dog_share: float = 0.1
    push_days: float = 8.0  # within which most of what a contact causes is ordered
    owed_days: float = 10.0  # within which pulled orders are missing, once they are due
    offer_days: int = 14
    complaint_rate: float = 0.001  # of a contact, and rising with recent ones; unsubscribing is three times as likely
    late_cancel_share: float = 0.1  # cancellations booked three days late
    chargeback_share: float = 0.003

    def days_to_due(self, day: int) -> np.ndarray:
        """Return, for each term, the days from a day to the due date of a term that begins on it."""
        today = self.start + timedelta(days=day)
        months = np.datetime64(today, "M") + np.array([term[1] for term in self.terms])
        last = (months + 1).astype("datetime64[D]") - 1
        due = np.minimum(months.astype("datetime64[D]") + (today.day - 1), last)
        return np.asarray((due - np.datetime64(today, "D")).astype(np.int64))


REGIONS = ("north", "south", "east", "west")
CHANNELS = ("search", "friend", "advertisement", "partner")
AGE_BANDS = ("18-29", "30-44", "45-59", "60+")
TOPICS = ("delivery", "machine", "billing", "taste")
# Category: share of the lines, price of the smallest of five sizes in EUR, by how much the next is dearer, most pieces.
CATEGORIES = {
    "beans": (0.5, 14.0, 4.0, 2),
    "capsules": (0.456, 18.0, 3.0, 2),
    "machines": (0.004, 129.0, 60.0, 1),
    "accessories": (0.04, 12.0, 6.0, 1),
}
BRANDS = {"Alba": 0.8, "Nero": 1.0, "Terra": 1.3}  # the price of a brand, against the middle one
PRODUCTS = tuple(
    (f"P{n:03d}", category, brand, round((price + step * (n // 12)) * BRANDS[brand], 2))
    for n in range(60)
    for category, (_, price, step, _) in [list(CATEGORIES.items())[n % 4]]
    for brand in [tuple(BRANDS)[n % 3]]
)
REASONS = ("insufficient_funds", "expired_card", "do_not_honor")
