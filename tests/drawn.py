"""How many examples a test draws, or takes of real ones: more in ``make soak``."""

import os

from hypothesis import settings


def drawn(examples):
    """Draw so many: enough to notice what is broken; ``make soak`` sets TENURE_SOAK and draws so many times more."""
    return settings(max_examples=examples * int(os.environ.get("TENURE_SOAK", "1")), deadline=None)


def soaked(*cases):
    """Give further cases of a parameter: of much the same as others show, they run in ``make soak`` alone."""
    return cases if "TENURE_SOAK" in os.environ else ()
