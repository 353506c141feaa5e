"""Answers of people, from the queue file to the channel's file: what leaves the house is what was approved, once."""

from datetime import date

import pandas as pd
import pytest
from decided import decided, session_of
from small import CHANNEL, SAVE, Small

from tenure.core.errors import TenureError
from tenure.decisions.ledger import read_events
from tenure.steps.approve import answer, listed

RULES = f'[decisions]\nhold_out = 0.0\nexplore = 0.0\n{CHANNEL}{SAVE}tier = "approve"\n'
WORDS = ("customer_id occurred_at consent_email", *(f"{who} 2026-01-01 true" for who in ("ana", "bo", "cy")))


@pytest.fixture
def shop(tmp_path) -> Small:
    shop = Small(tmp_path, RULES, customers=WORDS)
    decided(shop, "2026-03-02")
    return shop


def file_of(shop: Small, name: str) -> pd.DataFrame:
    return pd.read_csv(shop.workspace.reports("shop", "2026-03-02") / name)


def in_the_channels_file(shop: Small) -> set[str]:
    path = shop.workspace.reports("shop", "2026-03-02") / "actions" / "email.csv"
    return {*pd.read_csv(path)["customer_id"]} if path.is_file() else set()


def test_a_filled_in_queue_is_a_round_trip(shop):
    assert in_the_channels_file(shop) == set()
    assert {*listed("shop", workspace=str(shop.root))["customer_id"]} == {"ana", "bo", "cy"}
    queue = file_of(shop, "queue.csv")
    queue["decision"] = queue["customer_id"].map({"ana": "approve", "bo": "reject"})
    queue.to_csv(shop.root / "filled.csv", index=False)
    for _ in range(2):  # a repeat changes nothing
        answer("shop", "", csv=str(shop.root / "filled.csv"), workspace=str(shop.root))
        assert in_the_channels_file(shop) == {"ana"}
        assert {*listed("shop", workspace=str(shop.root))["customer_id"]} == {"cy"}
        assert sorted(read_events(shop.workspace, "shop")["event"]) == ["approved", "drawn", "rejected"]


def test_facts_that_have_arrived_since_hinder_no_answer(shop):
    shop.stage(customers=(*WORDS, "dee 2026-03-02 true"))
    answer("shop", "approve", every=True, workspace=str(shop.root))
    assert in_the_channels_file(shop) == {"ana", "bo", "cy"}


def arrive(shop: Small, **tables) -> None:
    """Let facts arrive, with the features of the day made of them, so that the answers alone are judged."""
    shop.stage(**{"customers": WORDS} | tables)
    session_of(shop, "2026-03-02").snapshots.build_features([date(2026, 3, 2)])


def test_consent_withdrawn_since_the_proposal_is_a_rejection_with_that_reason(shop):
    arrive(shop, customers=(*WORDS, "ana 2026-03-02 false"))
    answer("shop", "approve", every=True, workspace=str(shop.root))
    events = read_events(shop.workspace, "shop")
    assert events.loc[events["event"] == "rejected", "why"].tolist() == ["consent withdrawn since"]
    assert in_the_channels_file(shop) == {"bo", "cy"}


def test_who_unsubscribed_or_complained_since_the_proposal_is_not_sent_it(shop):
    rows = (
        "customer_id occurred_at campaign_id channel status",
        "ana 2026-03-02 x email unsubscribed",
        "bo 2026-03-02 x email complained",
    )
    arrive(shop, contacts=rows)
    answer("shop", "approve", every=True, workspace=str(shop.root))
    assert in_the_channels_file(shop) == {"cy"}


def test_an_unknown_proposal_is_refused_and_nothing_of_the_rest_is_answered(shop):
    one = listed("shop", workspace=str(shop.root))["decision_id"].iloc[0]
    with pytest.raises(TenureError, match="nobody"):
        answer("shop", "approve", [one, "nobody"], workspace=str(shop.root))
    assert read_events(shop.workspace, "shop").empty


def test_a_day_decided_twice_stands_as_it_was(shop):
    before = shop.ledger()
    answer("shop", "approve", every=True, workspace=str(shop.root))
    decided(shop, "2026-03-02")
    after = shop.ledger()
    assert before["decision_id"].tolist() == after["decision_id"].tolist()
    assert {*after["status"]} == {"drawn"} and in_the_channels_file(shop) == {"ana", "bo", "cy"}
