"""A company that lives by its decisions, in process: decide, act, take the facts back, measure, decide again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pandas as pd

from tenure.decisions.document import read_policy
from tenure.decisions.ledger import read_decisions, sent
from tenure.runs.run import promote_effects
from tenure.scoring.ledger import SCHEDULED
from tenure.steps.decide import decide_run, kind_lived
from tenure.steps.effects import Effects, effects_run
from tenure.steps.measure import measure_run
from tenure.steps.opening import Session, ingest, open_run
from tenure.steps.score import score
from tenure.steps.training import train

SENT = ["decision_id", "customer_id", "action", "channel", "sent_on", "assigned"]


class Company(Protocol):
    """Who lives on in days, and writes what happens to the raw files of a source."""

    def live(self, until: date, sent: pd.DataFrame) -> None:
        """Live until a day; ``sent``: ``SENT``, what reaches whom, and when."""


@dataclass(frozen=True)
class Round:
    """One decision day of the loop. ``effects``: what was learnt before deciding, None where nobody was to learn.

    ``sent``: what goes out, as ``Company.live`` takes it.
    """

    session: Session
    effects: Effects | None
    sent: pd.DataFrame


def closed_loop(
    source: str, company: Company, days: Sequence[date], *, workspace: Path, learn_on: Sequence[date] = ()
) -> Iterator[Round]:
    """Decide on each day but the last and live on to the next; effects are learnt on the days of ``learn_on``.

    What its actions move is trained on the first day, where it has no champion; what waits for a person is left.

    Raises
    ------
    TenureError : as of the steps.
    """
    for day, until in pairwise(days):
        session = replace(open_run(source, as_of=str(day), workspace=str(workspace), quick=True), run_kind=SCHEDULED)
        ingest(session)
        for target in {action.moves for action in read_policy(session.source).actions.values() if action.moves}:
            _train_first(session, target)
        score(session)
        effects = None
        if day in learn_on:
            measure_run(session)
            effects = effects_run(session)
            promote_effects(session, session.output)
        decide_run(session)
        drawn = sent(read_decisions(session.workspace, source, kind_lived(session), as_of=day))
        out = drawn.assign(assigned="treated")[SENT].reset_index(drop=True)
        yield Round(session, effects, out)
        company.live(until, out)


def _train_first(session: Session, target: str) -> None:
    """Train a target that has no champion, and make it one whatever its gates say: the loop is about what follows."""
    name = session.model_name(target)
    if session.registry.champion(name) is None:
        trained = train(session, target, walk_cutoffs=1)
        session.registry.promote(name, trained.record.model.version, why="first of a closed loop")
