"""The customers' page shows what the attributes told, and nothing where they could tell nothing."""

from datetime import date

import pandas as pd

from tables import staged
from tenure.customers.view import customer_view
from tenure.reporting.customers_page import customers_page

AS_OF = date(2024, 7, 1)
ORDERS = (
    "customer_id occurred_at known_at order_id amount",
    "ana 2024-06-30 2024-06-30 a1 10",
    "bob 2023-09-01 2023-09-01 b1 1000",
    "<b>cem</b> 2024-06-01 2024-06-01 c1 10",
)


def page(root, **tables):
    source = staged(root, **tables)
    told = customer_view(source, AS_OF, pd.DataFrame({"customer_id": ["ana", "bob", "<b>cem</b>"]}))
    return customers_page(told.customers, told.tables, staged=source, as_of=AS_OF, is_quick=False)


def test_phases_and_migration_are_shown_and_the_best_who_fell_are_counted(tmp_path):
    html = page(tmp_path, order_lines=ORDERS)
    assert "Lifecycle phases" in html and "Where customers stand" not in html
    assert html.count("data:image/svg+xml") == 3
    assert "<b>lapsed</b>" not in html and "<span>lapsed: ended or silent for long</span>" in html


def test_what_a_source_cannot_tell_has_no_heading(tmp_path):
    html = page(tmp_path, order_lines=ORDERS)
    assert "Programme</h2>" not in html and "Engagement</h2>" not in html and "Proposed segments" not in html


def test_a_table_that_the_page_has_no_words_for_is_shown_but_nobody_is_named(tmp_path):
    source = staged(tmp_path, order_lines=ORDERS)
    tables = {
        "basket_sizes": pd.DataFrame({"basket_size": ["<1>", "2"], "share": [0.25, float("nan")]}),
        "last_baskets": pd.DataFrame({"customer_id": ["ana"], "basket": [3]}),
        "restock": pd.DataFrame({"category": ["tea"]}),
    }
    page = customers_page(pd.DataFrame({"customer_id": ["ana"]}), tables, staged=source, as_of=AS_OF, is_quick=False)
    html = page.replace("\n", "")
    assert "<h2>Basket sizes</h2>" in html and "<th>Basket size</th>" in html
    assert '<td data-label="Basket size">&lt;1&gt;</td><td data-label="Share">0.25</td>' in html
    assert '<td data-label="Share">–</td>' in html and 'href="basket_sizes.csv"' in html
    assert 'href="last_baskets.csv"' in html and ">ana<" not in html
    assert "Restock" not in html, "the page of value shows it"
