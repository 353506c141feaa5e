"""Who made which version champion, when and why: kept in tags of the versions, oldest first."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenure.core.stored import made_of
from tenure.models.version import PROMOTED_TAG

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

FORMER_TAG, ROLLED_BACK_TAG = "tenure.former_champion", "tenure.rolled_back"
PROMOTED, ROLLED_BACK = "promoted", "rolled back"
# The tag that holds the latest of each; the history holds every one.
LATEST = {PROMOTED: PROMOTED_TAG, ROLLED_BACK: ROLLED_BACK_TAG}
HISTORY_TAG = "tenure.history"
TAG_LIMIT, LONGEST_REASON = 5_000, 400


@dataclass(frozen=True)
class Change:
    """A version was ``promoted`` or ``rolled back``: when (UTC, ISO), by whom and why."""

    version: str
    what: str = ""
    when: str = ""
    who: str = ""
    why: str = ""


def note_change(client: MlflowClient, name: str, version: str, what: str, why: str) -> None:
    """Keep who changed the champion, when and why: in the version's history, and last as its latest mark."""
    mark = _mark(why)
    history = [*_history(client.get_model_version(name, version).tags), {"what": what} | mark]
    while len(text := json.dumps(history)) > TAG_LIMIT:
        history = history[1:]
    client.set_model_version_tag(name, version, HISTORY_TAG, text)
    client.set_model_version_tag(name, version, LATEST[what], json.dumps(mark))


def changes_of(version: str, tags: Mapping[str, str]) -> list[Change]:
    """Read a version's promotions and rollbacks, oldest first."""
    return [made_of(Change, {"version": version} | mark) for mark in _history(tags)]


def _history(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Read a version's history; of a version marked before there was one, the last of each."""
    if HISTORY_TAG in tags:
        return list(json.loads(tags[HISTORY_TAG]))
    return [{"what": what} | json.loads(tags[tag]) for what, tag in LATEST.items() if tag in tags]


def _mark(why: str) -> dict[str, str]:
    """Say who did something, when (UTC) and why."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):
        who = "unknown"
    return {"who": who, "when": datetime.now(UTC).isoformat(timespec="seconds"), "why": why[:LONGEST_REASON]}
