"""What actions cause in the demo company, for whom more and for whom less. Fixed before anybody learned effects.

How much of it can be seen (``benchmarks/causes.py --customers 8000``; the 6,811 asked about lapse on 2026-01-01, .51 of
whom do not order within 30 days): the true effects on that, regressed on all bundled features, five folds of customers,
R squared of the better of ridge and LightGBM: win_back by e-mail .45, new_beans by e-mail .47, care_call by phone .58.
Their means are .083, .079 and .087, their spreads .15, .18 and .12 of the outcome's; 11 % of the customers have an
effect below -.02 of some action. The best single action for all is worth .087, each customer's best .140, by what can be
seen .124.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Cause:
    """What one contact changes, and on which lever.

    Levers: ``order``, the chance to order within 30 days, in shares of 1; ``stay``, the log rate of wanting to leave,
    lower by so much; ``more``, the log rate of wanting more; ``pay``, the share of failing payments that succeed. All
    but the first fade in a month. ``traits`` are weights of customers' traits, which lie between -1 and 1 and are 0 on
    average. ``harm`` is what the contact costs with a sleeping dog: who is dissatisfied and drinks little is reminded
    of both. ``pulled`` is the share of the caused orders that is missing in the month after.
    """

    lever: Literal["order", "stay", "more", "pay"]
    mean: float
    traits: tuple[tuple[str, float], ...] = ()
    harm: float = 0.0
    pulled: float = 0.0
    discount: float = 0.0  # on the next order within the offer's days, whoever places it


CAUSES = {
    "win_back": Cause("order", 0.09, (("price", 0.06), ("temper", 0.05)), harm=0.25, pulled=0.9, discount=0.1),
    "new_beans": Cause("order", 0.085, (("need", 0.06), ("price", -0.03), ("temper", -0.05)), harm=0.25, pulled=0.1),
    "care_call": Cause("order", 0.085, (("trouble", 0.06), ("satisfaction", -0.04), ("temper", 0.06)), pulled=0.1),
    "save_call": Cause("stay", 0.5, (("trouble", 0.4), ("satisfaction", -0.3), ("temper", 0.4)), harm=1.2),
    "check_card": Cause("pay", 0.3, (("card", 0.3),)),
    "more_cups": Cause("more", 0.5, (("need", 0.3), ("price", -0.3), ("temper", 0.3))),
    "restock": Cause("order", 0.05, (("reads", 0.04), ("need", 0.02)), pulled=0.6),
    "usage_fell": Cause("stay", 0.15, (("trouble", 0.2), ("temper", 0.2)), harm=0.6),
    "failed_payment": Cause("pay", 0.3, (("temper", 0.2),)),
    "failed_payment_call": Cause("pay", 0.5, (("temper", 0.2),)),
}
# A channel works for some: e-mail for who reads, the phone for who had trouble, the app for who is content and uses it.
# On the lever ``order``; on the others three times as much.
REACHES = {"email": ("reads", 0.03), "phone": ("trouble", 0.03), "app": ("satisfaction", 0.03)}
# Who is called about a payment, or written to, is served, not advertised to: nobody is tired of it.
SERVICE = ("failed_payment", "failed_payment_call")
