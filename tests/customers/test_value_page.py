"""The page of value, from the tables a scoring leaves."""

from datetime import date

import pandas as pd
from test_value import AS_OF, orders, told

from tables import staged
from tenure.reporting.value_page import value_page


def source(root):
    return staged(root, loyalty=("customer_id occurred_at event points", "ana 2023-01-01 earned 1"))


def test_the_page_shows_who_brings_the_value_and_every_model_and_escapes_what_the_data_say(tmp_path):
    _, details = told(tmp_path, orders())
    for name, table in details.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    row = dict.fromkeys(
        ("last_bought_on", "next_purchase_on", "next_purchase_low", "next_purchase_high", "remind_on"), str(AS_OF)
    )
    pd.DataFrame([{"customer_id": "ana", "category": "<b>tea</b>", "purchases": 3, **row}]).to_csv(
        tmp_path / "restock.csv", index=False
    )
    agreed = pd.DataFrame({"customer_id": ["ana"], "consent_email": [True]})
    agreed.to_parquet(tmp_path / "scored_customers.parquet")
    page = value_page(tmp_path, source(tmp_path / "source"), AS_OF)
    for said in (*details["value_models"]["model"], "The best 1%", "1 reminder is due", "&lt;b&gt;tea&lt;/b&gt;"):
        assert said in page
    assert page.count("data:image/svg+xml") == 3 and "http" not in page
    agreed.assign(consent_email=False).to_parquet(tmp_path / "scored_customers.parquet")
    assert "reminder" not in value_page(tmp_path, source(tmp_path / "source"), AS_OF)


def test_no_value_no_page(tmp_path):
    assert value_page(tmp_path, source(tmp_path / "source"), date(2024, 1, 1)) is None
