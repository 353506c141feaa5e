"""Recommendations, on shops that can be checked by eye, and their parts against independent calculations."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import ndcg_score

from tables import staged
from tenure.core.errors import DefinitionError, NotEnoughDataError
from tenure.customers import recommendations
from tenure.customers.recommenders.choosing import ndcg
from tenure.customers.recommenders.ease import bought_both, ease
from tenure.customers.recommenders.ranking import spread, top
from tenure.customers.recommenders.reasons import repeat_reason, worded
from tenure.customers.view import customer_view
from tenure.snapshots.engines.facts_at import facts_at
from tenure.snapshots.engines.known_customers import known_customers

AS_OF = date(2024, 6, 1)
HEADER = "customer_id occurred_at known_at order_id product_id quantity amount"
SMALL = "[attributes.recommendations]\nfewest_customers = 2\nmost_first = 1.0\n"
# Who drinks tea takes a pot, who drinks coffee a filter; the last of each has no such thing yet.
TASTES = {"tea": "pot", "coffee": "filter"}


def line(customer, product, days_ago, quantity=1, known_ago=None):
    day, known = (AS_OF - timedelta(days=ago) for ago in (days_ago, days_ago if known_ago is None else known_ago))
    return f"{customer} {day} {known} {customer}-{days_ago} {product} {quantity} {10 * quantity}"


def shop():
    rows = []
    for drink, thing in TASTES.items():
        for n in range(6):
            rows += [line(f"{drink}{n}", drink, ago) for ago in (100 + n, 60 + n, 20 + n)]
            rows += [line(f"{drink}{n}", thing, 50 + n)] if n < 5 else []
    return rows


def built(root, rows, toml=SMALL, customers=None, **tables):
    source = staged(root, toml, order_lines=(HEADER, *rows), **tables)
    everyone = known_customers(source, AS_OF) if customers is None else pd.DataFrame({"customer_id": customers})
    with facts_at(source, AS_OF) as facts:
        columns, details = recommendations.build(facts, everyone)
    return columns.set_index("customer_id"), details


def test_who_lacks_the_thing_that_goes_with_the_drink_is_recommended_it_and_the_drink_again(tmp_path):
    columns, details = built(tmp_path, shop())
    assert columns.loc["tea5", "recommended_new"] == "pot" and columns.loc["coffee5", "recommended_new"] == "filter"
    reason = "bought with tea by 5 of 6 customers who bought tea, lift 2.0"
    assert columns.loc["tea5", "recommended_new_reason"] == reason
    assert columns.loc["tea5", ["recommended_again", "recommended_again_reason"]].tolist() == [
        "tea",
        "bought on 3 days, last 25 days ago",
    ]
    table = details["recommendations"]
    assert list(table) == ["customer_id", "kind", "rank", "product_id", "category", "score", "reason"]
    assert table["score"].between(0, 1).all() and table.drop(columns="category").notna().all(axis=None)


def test_a_discovery_is_nothing_the_customer_ever_bought_and_a_repeat_is(tmp_path):
    returned = [line("tea0", "filter", 80), line("tea0", "filter", 79, quantity=-1)]
    _, details = built(tmp_path, [*shop(), *returned])
    had = {tuple(row.split()[i] for i in (0, 4)) for row in [*shop(), *returned]}
    table = details["recommendations"]
    pairs = pd.Series(list(zip(table["customer_id"], table["product_id"], strict=True)))
    assert pairs[(table["kind"] == "discovery").to_numpy()].map(lambda pair: pair not in had).all()
    assert pairs[(table["kind"] == "repeat").to_numpy()].map(lambda pair: pair in had).all()
    ranks = table.groupby(["customer_id", "kind"], observed=True)["rank"].apply(list)
    assert ranks.map(lambda found: found == list(range(1, len(found) + 1))).all()


@pytest.mark.parametrize(
    ("bounds", "is_there"), [("2024-06-02 -", False), ("- 2024-05-31", False), ("- 2024-06-01", True)]
)
def test_what_cannot_be_had_on_the_day_is_not_recommended(tmp_path, bounds, is_there):
    products = ("product_id category available_from available_until", f"pot ware {bounds}", "tea drinks - -")
    _, details = built(tmp_path, shop(), products=products)
    table = details["recommendations"]
    assert (table["product_id"] == "pot").any() == is_there
    assert (table.loc[table["product_id"] == "tea", "category"] == "drinks").all()


def test_nothing_that_is_known_only_from_the_as_of_on_changes_anything(tmp_path):
    later = [line("tea5", "pot", 0), line("tea5", "pot", 5, known_ago=0), line("new", "filter", 3, known_ago=-2)]
    then, now = built(tmp_path / "then", shop()), built(tmp_path / "now", [*shop(), *later])
    pd.testing.assert_frame_equal(then[0], now[0])
    for name, table in then[1].items():
        pd.testing.assert_frame_equal(table, now[1][name])


def test_the_order_of_rows_does_not_matter(tmp_path):
    one, other = built(tmp_path / "one", many()), built(tmp_path / "other", many()[::-1])
    pd.testing.assert_frame_equal(one[0], other[0])
    for name, table in one[1].items():
        pd.testing.assert_frame_equal(table, other[1][name])


def many(customers=150, seed=3):
    """Customers of two tastes among twelve products, who buy through half a year."""
    generator = np.random.default_rng(seed)
    rows = []
    for n in range(customers):
        own = generator.permutation(6)[:3] + 6 * (n % 2)
        for _ in range(8):
            product = generator.choice(own) if generator.random() < 0.8 else generator.integers(12)
            rows.append(line(f"c{n:03d}", f"p{product:02d}", int(generator.integers(1, 180))))
    return rows


def test_one_product_stands_first_for_no_more_than_the_share_a_source_sets(tmp_path):
    def firsts(root, share):
        toml = SMALL.replace("most_first = 1.0", f"most_first = {share}")
        columns, _ = built(root, many(), toml)
        return columns["recommended_new"].value_counts().max(), len(columns)

    free, count = firsts(tmp_path / "free", 1.0)
    capped, _ = firsts(tmp_path / "capped", 0.12)
    assert free > 0.15 * count and capped <= np.ceil(0.12 * count)


def test_with_enough_customers_the_quality_is_measured_out_of_time_and_coverage_said(tmp_path):
    _, details = built(tmp_path, many())
    quality = details["recommendation_quality"].set_index("kind")
    assert (
        (quality["customers"] > 30).all() and quality["coverage"].between(0.5, 1).all() and (quality["of"] == 12).all()
    )
    assert (quality["ndcg_low"] <= quality["ndcg"]).all() and (quality["ndcg"] <= quality["ndcg_high"]).all()
    assert (quality["ndcg"] >= quality["ndcg_plain"] - 0.01).all()


def test_a_look_at_a_product_recommends_it_and_is_the_reason(tmp_path):
    head = "customer_id occurred_at known_at channel kind product_id"
    looks = [f"c{n:03d} {AS_OF - timedelta(days=40)} - web view p{(6 - 6 * (n % 2)) + n % 6:02d}" for n in range(150)]
    # Who looked bought four weeks before the as-of, so that looks are seen to foretell.
    later = [line(f"c{n:03d}", f"p{(6 - 6 * (n % 2)) + n % 6:02d}", 10) for n in range(0, 150, 2)]
    new = f"c001 {AS_OF - timedelta(days=2)} - web view p06"
    rows = [row for row in many() if not row.startswith("c001 ")] + [line("c001", "p07", 50)]
    columns, _ = built(tmp_path, [*rows, *later], engagement=(head, *looks, new))
    assert columns.loc["c001", "recommended_new"] == "p06"
    assert columns.loc["c001", "recommended_new_reason"] == "looked at once, last 2 days ago"


def test_of_a_long_catalogue_categories_are_recommended_with_the_best_product_inside(tmp_path):
    rows, products = [], ["product_id category"]
    for n in range(60):
        for category in (n % 12, (n + 1) % 12):
            product = f"k{category:02d}-{n}"  # each product has one buyer
            products.append(f"{product} k{category:02d}")
            rows += [line(f"c{n:02d}", product, ago) for ago in (70, 40 + n % 3, 5 + n % 9)]
    columns, details = built(tmp_path, rows, products=tuple(products))
    quality, table = details["recommendation_quality"], details["recommendations"]
    assert (quality["recommends"] == "category").all() and (quality["of"] == 12).all()
    assert columns.loc["c00", "recommended_again"] in ("k00-0", "k01-0"), "the customer's own, not the category's"
    inside = table["product_id"].astype(str).str[:3]
    assert (inside == table["category"]).all()
    had = {"k00", "k01"}
    assert not {*table.loc[(table["customer_id"] == "c00") & (table["kind"] == "discovery"), "category"]} & had


def test_who_never_bought_is_recommended_what_is_popular_and_ids_that_differ_in_case_are_two_products(tmp_path):
    rows = [*shop(), *(line(f"tea{n}", "Pot", 3) for n in range(3)), f"tea0 {AS_OF - timedelta(days=2)} - x - 1 5"]
    columns, details = built(tmp_path, rows, customers=["a", "tea5", "tea0"])
    assert columns.loc["a", "recommended_new"] in ("coffee", "tea")
    assert columns.loc["a", "recommended_new_reason"] == "popular: 6 customers bought it in the last 28 days"
    assert pd.isna(columns.loc["a", "recommended_again"])
    assert {"Pot", "pot"} <= {*details["recommendations"]["product_id"]}
    assert [*dict.fromkeys(details["recommendations"]["customer_id"])] == ["a", "tea0", "tea5"]


def test_without_repeats_there_are_discoveries_and_too_few_products_are_refused_in_one_line(tmp_path):
    rows = [line(f"c{n}", product, 30 + n) for n in range(4) for product in ("p1", "p2") if n or product == "p1"]
    columns, details = built(tmp_path / "a", rows)
    assert columns.loc["c0", "recommended_new"] == "p2" and details["recommendation_quality"]["ndcg"].isna().all()
    with pytest.raises(NotEnoughDataError, match="1 of 2 products were bought by 2 customers or more"):
        built(tmp_path / "b", [line("a", "p1", 9), line("b", "p1", 9), line("b", "p2", 9)])
    source = staged(tmp_path / "c", order_lines=("customer_id occurred_at order_id amount", "a 2024-01-01 o1 5"))
    told = customer_view(source, AS_OF, pd.DataFrame({"customer_id": ["a"]}))
    assert told.unavailable["recommendations"].startswith("0 of 0 products")


def test_what_is_bought_with_and_before_another_is_counted_with_its_lift(tmp_path):
    rows = [line(f"c{n}", "tea", 30) for n in range(6)] + [line(f"c{n}", "pot", 30) for n in range(5)]
    rows += [line(f"c{n}", "cup", 10) for n in range(5)] + [line(f"d{n}", "cup", 40) for n in range(4)]
    _, details = built(tmp_path, rows)
    table = details["bought_together"].set_index(["product_id", "other", "kind"])
    # 15 orders: 6 with tea, 5 with a pot, 5 with both; 10 customers: 9 with a cup, 5 of them after tea.
    assert table.loc[("pot", "tea", "with"), ["both", "of_product", "of_other"]].tolist() == [5, 5, 6]
    assert table.loc[("pot", "tea", "with"), "lift"] == pytest.approx(5 * 15 / (5 * 6))
    assert table.loc[("cup", "tea", "before"), "lift"] == pytest.approx(5 * 10 / (9 * 6), abs=1e-4)
    assert ("tea", "cup", "before") not in table.index and ("cup", "tea", "with") not in table.index


def test_ease_is_each_column_regressed_on_all_others_with_a_ridge():
    held = (np.random.default_rng(5).random((40, 6)) < 0.4).astype(float)
    both = bought_both(csr_matrix(held))
    found = ease(both, ridge=0.5)
    penalty = 0.5 * held.sum(axis=0).mean()
    for column in range(6):
        others = [n for n in range(6) if n != column]
        stacked = np.vstack([held[:, others], np.sqrt(penalty) * np.eye(5)])
        expected, *_ = np.linalg.lstsq(stacked, np.append(held[:, column], np.zeros(5)), rcond=None)
        np.testing.assert_allclose(found[others, column], expected, rtol=1e-4, atol=1e-6)
    assert not np.diag(found).any()


def test_ndcg_is_that_of_scikit_learn():
    generator = np.random.default_rng(11)
    scores, relevant = generator.random((30, 25)), (generator.random((30, 25)) < 0.3).astype(float)
    customer, item = (axis.ravel() for axis in np.indices(scores.shape))
    found = ndcg(top(customer, item, scores.ravel(), 10), csr_matrix(relevant))
    expected = [ndcg_score(relevant[[n]], scores[[n]], k=10) for n in range(30) if relevant[n].any()]
    np.testing.assert_allclose(found, expected)


def test_beyond_the_cap_who_scores_an_item_less_begins_with_the_next_of_the_list():
    rows = [(0, 7, 0.9, 0), (0, 8, 0.1, 1), (1, 7, 0.8, 0), (1, 8, 0.7, 1), (1, 9, 0.2, 2), (2, 7, 0.3, 0)]
    listed = pd.DataFrame(rows, columns=["customer", "item", "score", "rank"])
    found = spread(listed, most=1)
    assert found[["customer", "item", "rank"]].to_numpy().tolist() == [
        [0, 7, 0],
        [0, 8, 1],
        [1, 7, 1],
        [1, 8, 0],
        [1, 9, 2],
    ]
    pd.testing.assert_frame_equal(spread(listed, most=3), listed, check_dtype=False)
    assert spread(listed.head(0), most=1).empty


def test_ties_are_broken_by_the_items_number():
    found = top(np.zeros(4, int), np.array([3, 1, 2, 0]), np.array([0.5, 0.5, 0.9, 0.5]), 3)
    assert found["item"].tolist() == [2, 0, 1] and found["rank"].tolist() == [0, 1, 2]


def test_texts_are_written_once_each():
    words = worded(pd.DataFrame({"times": [1, 3, 1], "last": [4, 2, 4]}), repeat_reason)
    assert list(words) == ["bought once, 4 days ago", "bought on 3 days, last 2 days ago", "bought once, 4 days ago"]
    assert len(worded(pd.DataFrame({"times": [], "last": []}, dtype=int), repeat_reason)) == 0


@pytest.mark.parametrize("setting", ['by = "colour"', "most_products = 20000"])
def test_a_setting_out_of_its_range_is_refused(tmp_path, setting):
    with pytest.raises(DefinitionError, match="Expected auto, product or category, and 2 to 10,000 products"):
        built(tmp_path, shop(), SMALL + setting)


def test_a_source_may_ask_for_categories(tmp_path):
    products = ("product_id category", "tea drinks", "coffee drinks", "pot ware", "filter ware")
    _, details = built(tmp_path, shop(), SMALL + 'by = "category"', products=products)
    assert (details["recommendation_quality"]["recommends"] == "category").all()
    assert {*details["recommendations"]["category"]} == {"drinks", "ware"}


def test_of_many_customers_a_sample_chooses_and_everybody_is_recommended_to(tmp_path, monkeypatch):
    monkeypatch.setattr("tenure.customers.recommenders.choosing.FITTED", 100)
    columns, details = built(tmp_path, many())
    assert (details["recommendation_quality"]["customers"] < 100).all() and columns["recommended_new"].notna().all()
    assert len(columns) == 150
