"""Trainings side by side share their checks: none is made twice, and none waits while another check is left to make."""

from datetime import date
from threading import Barrier, Thread

import pandas as pd

from tables import staged
from tenure.audit.audit import run_checks
from tenure.audit.replay import Replay
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots

CUTOFFS = [date(2024, 4, 1), date(2024, 5, 1)]
ORDERS = ("customer_id occurred_at order_id quantity amount", "ana 2024-03-10 o1 1 10", "bo 2024-05-10 o2 1 10")


def test_of_two_at_once_each_makes_what_the_other_is_not_at_and_reads_the_rest(tmp_path):
    source, made, both_at_work, told = staged(tmp_path, order_lines=ORDERS), [], Barrier(2, timeout=60), {}

    def check(snapshots, cutoff):
        both_at_work.wait()  # would break if one were waiting for the other's
        made.append(cutoff)
        return Replay("replay", cutoff, 2, 1, 0, pd.DataFrame())

    def train(name):
        snapshots = Snapshots(Workspace(tmp_path), source, date(2024, 6, 1))
        told[name] = run_checks(snapshots, [(cutoff, check) for cutoff in CUTOFFS])

    trainings = [Thread(target=train, args=(name,)) for name in ("lapse", "upsell")]
    for each in trainings:
        each.start()
    for each in trainings:
        each.join()
    assert sorted(made) == CUTOFFS
    assert [[one.cutoff for one in told[name]] for name in ("lapse", "upsell")] == [CUTOFFS, CUTOFFS]
