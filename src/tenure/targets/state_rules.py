"""Which numbers the states of a source's subscriptions follow: those of its churn target."""

from __future__ import annotations

from collections.abc import Iterable

from tenure.core.errors import DefinitionError
from tenure.features.subscription_states import StateRules
from tenure.sources.source import Source
from tenure.targets.catalogue import targets_of
from tenure.targets.definition import Target

RENEWALS = ("", "delivered", "not delivered")


def state_rules(source: Source, targets: Iterable[Target] = ()) -> StateRules:
    """Take the numbers of the first target that has them, so that a changed definition is asked as a whole.

    Raises
    ------
    DefinitionError : ``renewals`` is none of the three there are.
    """
    given = next((t for t in targets if "grace_days" in t.options), None) or targets_of(source)["churn"]
    renewals = str(given.options.get("renewals", ""))
    if renewals not in RENEWALS:
        raise DefinitionError(
            f"{source.where} [targets.{given.name}] renewals is {renewals!r}. Expected "
            '"delivered", "not delivered", or nothing to find it from the data.'
        )
    return StateRules(int(given.options["grace_days"]), int(given.options.get("pause_is_end_days", 0)), renewals)
