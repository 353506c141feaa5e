"""Whether there are enough outcomes to fit on and to test on."""

from __future__ import annotations

from collections.abc import Mapping

from tenure.core.errors import NotEnoughDataError
from tenure.targets.definition import Target

MIN_FITTING_POSITIVES = 30
MIN_TEST_POSITIVES = 10


def check_positives(target: Target, fitting: Mapping[str, int], test: Mapping[str, int]) -> None:
    """Refuse to fit or test on too few; ``fitting`` and ``test`` give ``rows`` and ``positives``.

    Raises
    ------
    NotEnoughDataError : fewer than 30 positives to fit on, 10 to test on, or a label of one class; says what would
        suffice.
    """
    for what, counts, least in (("fitting", fitting, MIN_FITTING_POSITIVES), ("test", test, MIN_TEST_POSITIVES)):
        rows, positives = counts["rows"], counts["positives"]
        if not rows:
            raise NotEnoughDataError(
                f"{target.name}: no customer of the {what} block may be asked: none {target.describe_eligible()}. Expected at least "
                f"{least} who {target.positive}; check that the tables {', '.join(target.tables)} hold what the question needs."
            )
        if positives < least:
            share = (
                f" About {least / max(positives, 1):.1f} times as many customers or a longer horizon would suffice."
                if positives
                else ""
            )
            raise NotEnoughDataError(
                f"{target.name}: {positives} of {rows:,} eligible rows (customer and cutoff) of the {what} block {target.positive}. Expected at least {least}.{share}"
            )
        if positives == rows:
            raise NotEnoughDataError(
                f"{target.name}: every one of {rows:,} eligible rows (customer and cutoff) of the {what} block {target.positive}: there is no other class to tell "
                "them from. Expected both; check the target's outcome and the data's end."
            )
