"""Whom facts open an action to on an old day is the same after later facts; a source that rewrites its past is told."""

from datetime import date

from small import CHANNEL, Small
from test_triggers import action, used

from tenure.decisions.replay import replay_openings
from tenure.snapshots.build import Snapshots

FALLS = 'table = "usage", becomes = "coalesce(sum(quantity) filter (where age_days <= 2), 0) < 8"'
TICKETS = "customer_id occurred_at known_at ticket_id topic event"


def replayed(tmp_path, known_at: str):
    """Replay the 5th of February. ``known_at``: when it was known that bo, too, drank nothing on the 4th."""
    rows = ["customer_id occurred_at known_at metric quantity"]
    for who, cups in (("ana", [6, 6, 6, 0, 6]), ("bo", [6, 6, 6, 6, 0])):
        rows += [f"{row.rsplit(' ', 2)[0]} {row.split()[1]} cups {row.split()[-1]}" for row in used(who, cups)]
    rows.append(f"bo 2026-02-04 {known_at} cups -6")
    tickets = (TICKETS, "cy 2026-02-03 2026-02-03 t1 size reopened", "cy 2026-02-09 2026-02-09 t1 size resolved")
    raw = '[raw."usage.csv"]\nknown_at = "known_at"\n[raw."support_tickets.csv"]\nknown_at = "known_at"\n'
    rules = f"[decisions]\nhold_out = 0.0\n{CHANNEL}{action(FALLS)}{raw}"
    shop = Small(tmp_path, rules, usage=tuple(rows), support_tickets=tickets)
    return replay_openings(Snapshots(shop.workspace, shop.staged, date(2026, 2, 20)), date(2026, 2, 5))


def test_later_facts_open_nothing_on_an_old_day(tmp_path):
    found = replayed(tmp_path, "2026-02-10")
    assert found.left_out >= 3 and found.customers == 2 and found.features == 2  # ana, and cy as an exception
    assert found.differing.empty and found.problems() == []


def test_what_peeks_is_an_error(tmp_path, monkeypatch):
    def peeking(facts, never):
        return facts.query(
            f"SELECT customer_id FROM {facts.staged.relation('support_tickets')} WHERE event = 'resolved'"
        )

    monkeypatch.setattr("tenure.decisions.replay.find_exceptions", peeking)
    found = replayed(tmp_path, "2026-02-10")
    assert found.differing[["feature", "customer_id", "expected", "found"]].to_numpy().tolist() == [
        ["exceptions", "cy", "true", "false"]
    ]
    assert [problem.level for problem in found.problems()] == ["error"]
