"""How many examples a test draws that draws them at random."""

import os

from hypothesis import settings


def drawn(examples):
    """Draw so many: enough to notice what is broken; ``make soak`` sets TENURE_SOAK and draws so many times more."""
    return settings(max_examples=examples * int(os.environ.get("TENURE_SOAK", "1")), deadline=None)
