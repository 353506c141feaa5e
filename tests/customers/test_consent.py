"""Consent travels with the scores: the newest word known at the as-of, and in doubt the refusal."""

from datetime import date

import pandas as pd

from tables import staged
from tenure.core.workspace import Workspace
from tenure.customers.dictionary import data_dictionary
from tenure.customers.view import customer_view
from tenure.scoring.score import Scores, with_attributes
from tenure.snapshots.build import Snapshots

AS_OF = date(2024, 4, 1)
WORDS = (
    "customer_id occurred_at known_at consent_email consent_phone",
    "ana 2024-01-10 2024-01-10 true false",
    "ana 2024-03-10 2024-03-10 false -",  # withdrew e-mail; said nothing of the phone
    "ana 2024-04-01 2024-04-01 true true",  # after the as-of
    "bob 2024-01-10 2024-01-10 true true",
    "bob 2024-01-10 2024-01-10 false true",  # two words in the same instant
)
ORDERS = ("customer_id occurred_at order_id amount", "cy 2024-01-10 o1 10")


def view(root, toml="", **tables):
    return customer_view(staged(root, toml, **tables), AS_OF, pd.DataFrame({"customer_id": ["ana", "bob", "cy"]}))


def test_the_newest_word_per_channel_and_nothing_for_who_was_never_asked(tmp_path):
    told = view(tmp_path, customers=WORDS, order_lines=ORDERS)
    rows = told.customers.set_index("customer_id")[["consent_email", "consent_phone"]]
    assert rows.loc["ana"].to_list() == [False, False] and rows.loc["bob"].to_list() == [False, True]
    assert rows.loc["cy"].isna().all()
    dictionary = data_dictionary([], told.columns, AS_OF).set_index("column")
    assert dictionary.loc["consent_email", "meaning"] == "Agrees to be contacted by email; empty: never asked."


def test_a_ranked_list_says_whom_not_to_contact_and_keeps_its_order(tmp_path):
    facts = staged(tmp_path, customers=WORDS, order_lines=ORDERS)
    ranked = pd.DataFrame({"customer_id": ["cy", "ana"], "propensity": [0.9, 0.1]})
    scores = Scores(pd.DataFrame({"customer_id": ["ana", "bob", "cy"]}), {"lapse": ranked})
    given = with_attributes(Snapshots(Workspace(tmp_path), facts, AS_OF), scores)
    lacking = given.details["not_available"].set_index("attribute")["why"]
    assert (
        "not_available" in given.tables
        and lacking["referrals"].startswith("needs loyalty")
        and "consent" not in lacking
    )
    told = given.ranked["lapse"]
    assert told["customer_id"].to_list() == ["cy", "ana"]
    assert told.loc[1, ["consent_email", "consent_phone"]].to_list() == [False, False]
    assert told.loc[0, ["consent_email", "consent_phone"]].isna().all()


def test_a_mapping_names_the_channels_and_may_keep_flags_as_words(tmp_path):
    toml = (
        '[customers]\nfrom = "people.csv"\ncustomer_id = "who"\noccurred_at = "day"\nconsent = { post = "post_ok" }\n'
        '[order_lines]\nfrom = "order_lines.csv"\ncustomer_id = "customer_id"\noccurred_at = "occurred_at"\norder_id = "order_id"\namount = "amount"\n'
    )
    people = ("who day post_ok", "ana 2024-01-10 yes", "bob 2024-01-10 no")
    told = view(tmp_path, toml, people=people, order_lines=ORDERS).customers
    assert told["consent_post"].to_list()[:2] == [True, False]


def test_a_source_without_consent_says_so(tmp_path):
    told = view(tmp_path, customers=("customer_id occurred_at town", "ana 2024-01-10 Ulm"), order_lines=ORDERS)
    assert told.unavailable["consent"] == "its customers have no column of consent"
    assert not [name for name in told.customers if name.startswith("consent")]
