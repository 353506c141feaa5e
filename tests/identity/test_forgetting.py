"""Who is forgotten is in no event and no review; the others of the person are themselves again."""

from datetime import datetime

from tenure.identity.events import Event, Ledger
from tenure.identity.forgetting import drop_customer
from tenure.identity.reviews import Review, Reviews

NOON = datetime(2024, 1, 1, 12)


def test_events_and_reviews_that_name_the_customer_go_and_all_others_stay(tmp_path):
    Ledger(tmp_path).append(
        [
            Event(NOON, "anna-2", "anna", "joined", "same phone"),
            Event(NOON, "anna-3", "anna", "joined", "same phone"),
            Event(NOON, "bert-2", "bert", "joined", "same account"),
        ]
    )
    Reviews(tmp_path).append([Review("anna", "carl", 0.7, "same street"), Review("carl", "dora", 0.6, "same street")])
    assert drop_customer(tmp_path, ["anna"]) == 3
    assert Ledger(tmp_path).mapping() == {"bert-2": "bert"}
    assert [(review.left, review.right) for review in Reviews(tmp_path).open()] == [("carl", "dora")]
    assert drop_customer(tmp_path, ["anna"]) == 0
    Ledger(tmp_path).append([Event(NOON, "dora-2", "dora", "joined", "same phone")])
    assert Ledger(tmp_path).mapping() == {"bert-2": "bert", "dora-2": "dora"}
