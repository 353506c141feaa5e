"""What was told of customers on an old day is told again, whatever became known since; a attribute that peeks is caught."""

from datetime import date, datetime
from types import MappingProxyType

from test_planted_leaks import DECLARED, LAPSE, MAPPED, buyers, shop

from tenure.audit.customer_replay import replay_customers
from tenure.customers import catalogue, view
from tenure.customers.attribute import AttributeColumn, CustomerAttribute
from tenure.identity.events import Event, Ledger
from tenure.snapshots.build import Snapshots
from tenure.sources.identities import Identities
from tenure.sources.identity_key import KEY
from tenure.sources.ingest import stage_source

CUTOFF = date(2023, 7, 1)


def clean(root):
    rows, _ = buyers()
    return shop(root, MAPPED + DECLARED.format("known_at") + LAPSE, rows)


def with_attributes(monkeypatch, *attributes):
    """Let these be all there are: another test replays every one."""
    monkeypatch.setattr(view, "all_attributes", lambda source: MappingProxyType({one.name: one for one in attributes}))


def test_value_and_timing_of_an_old_day_are_the_same_after_later_facts(tmp_path):
    found = replay_customers(clean(tmp_path), CUTOFF)
    assert found.left_out > 100 and found.customers > 50 and found.features > 5
    assert found.differing.empty and found.problems() == []


def test_who_was_forgotten_or_found_to_be_one_person_is_so_in_the_replay_too(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    with_attributes(monkeypatch, *(catalogue.all_attributes()[name] for name in ("rfm", "next_purchase")))
    snapshots = clean(tmp_path)
    workspace, source = snapshots.workspace, snapshots.staged.source
    Identities.of(workspace, source).forget("c003")
    ledger = Ledger(workspace.identity_events("shop"))
    ledger.folder.mkdir(parents=True)
    ledger.append([Event(datetime(2023, 5, 1), "c005", "c004", "joined", "same phone")])
    snapshots = Snapshots(workspace, stage_source(workspace, source), snapshots.as_of)
    found = replay_customers(snapshots, CUTOFF)
    assert found.differing.empty and found.features > 5


def test_a_facet_that_looks_past_the_as_of_is_an_error(tmp_path, monkeypatch):
    snapshots = clean(tmp_path)

    def build(facts, customers):
        staged = view_of["staged"]
        peeked = f"SELECT customer_id, count(*) AS peeked FROM read_parquet('{staged.path('order_lines')}') GROUP BY 1"
        return facts.query(peeked), {}

    peeking = CustomerAttribute(
        "peeking", ("order_lines",), (AttributeColumn("peeked", "lines", "All there ever were."),), build
    )
    view_of = {}
    told = view.customer_view

    def remembered(staged, as_of, customers):
        view_of["staged"] = staged
        return told(staged, as_of, customers)

    with_attributes(monkeypatch, peeking)
    monkeypatch.setattr("tenure.audit.customer_replay.customer_view", remembered)
    (problem,) = replay_customers(snapshots, CUTOFF).problems()
    assert problem.level == "error" and problem.subject == "peeked"
