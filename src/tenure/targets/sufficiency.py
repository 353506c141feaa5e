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
    NotEnoughDataError : nobody to ask, a label of one class, or fewer than 30 positives to fit on and 10 to test on.
        How many times as many customers would suffice for both blocks is said where both hold both classes: of a class
        that was never seen no number of customers promises any.
    """
    blocks = (("fitting", fitting, MIN_FITTING_POSITIVES), ("test", test, MIN_TEST_POSITIVES))
    for what, counts, least in blocks:
        if not counts["rows"]:
            raise NotEnoughDataError(
                f"{target.name}: no customer of the {what} block may be asked: none {target.describe_eligible()}. Expected at least "
                f"{least} who {target.positive}; check that the tables {', '.join(target.tables)} hold what the question needs."
            )
    for what, counts, least in blocks:
        if counts["positives"] in (0, counts["rows"]):
            raise NotEnoughDataError(
                f"{target.name}: {_found(target, what, counts)}: there is no other class to tell them from. Expected both, and at least "
                f"{least} who {target.positive}; check the target's outcome, its horizon and the data's end."
            )
    # In tenths, rounded up: 1.1 times as many as 9 are not 10.
    times = max(-(-10 * least // counts["positives"]) for _, counts, least in blocks) / 10
    for what, counts, least in blocks:
        if counts["positives"] < least:
            raise NotEnoughDataError(
                f"{target.name}: {_found(target, what, counts)}. Expected at least {least}. "
                f"About {times:.1f} times as many customers would suffice."
            )


def _found(target: Target, what: str, counts: Mapping[str, int]) -> str:
    of = f"{counts['positives']:,} of {counts['rows']:,} eligible rows (customer and cutoff)"
    return f"{of} of the {what} block {target.positive}"
