"""KPIs: identities that hold to the cent, partial months that are no fall, weeks that no later fact changes."""

from datetime import date, datetime
from decimal import Decimal

import pandas as pd
import pytest

import tenure
from tables import staged, write_csv
from tenure.core.errors import DefinitionError
from tenure.core.workspace import Workspace
from tenure.decisions.measured import write_effects
from tenure.measure.kpi_replay import corrected, replay_kpis
from tenure.measure.kpi_tree import kpi_tree
from tenure.measure.kpis.product import split_product
from tenure.snapshots.build import Snapshots
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

EVENTS = (
    "customer_id occurred_at subscription_id event plan monthly_price",
    "zoe 2023-12-05 z started S 5",
    "ana 2024-01-10 a started S 20.10",
    "ana 2024-02-10 a upgraded M 30.20",
    "ana 2024-03-10 a paused M -",
    "ana 2024-04-10 a resumed M 30.20",
    "ana 2024-05-10 a ended M -",
    "ana 2024-07-10 a started S 20.10",
    "bo 2024-02-20 b started L 40",
    "bo 2024-06-20 b downgraded S 20.10",
    "bo 2024-07-31 c started S 1",  # a second subscription: more of the same customer
)
ORDERS = (
    "customer_id occurred_at order_id quantity amount",
    "ana 2024-01-31 1 1 10",
    "ana 2024-02-01 2 1 10",
    "ana 2024-02-02 3 2 20.01",
    "bo 2024-02-29 4 1 30",
    "bo 2024-02-29 4 -1 -5",
    "bo 2024-03-01 5 1 7",
    "cy 2024-03-31 6 1 8.50",
    "cy 2024-04-01 7 1 8.50",
)


def tree_of(root, as_of, toml="", **tables):
    source = staged(root, toml, **tables)
    return kpi_tree(source, Workspace(root), date.fromisoformat(as_of))


def monthly(tree, *names):
    table = tree.months.pivot(index="month", columns="kpi", values="value")
    return {f"{month:%m}": tuple(table.at[month, name] for name in names) for month in table.index}


def test_recurring_revenue_is_what_it_was_plus_what_came_less_what_went(tmp_path):
    tree = tree_of(tmp_path, "2024-08-01", subscription_events=EVENTS)
    flows = ("new", "expansion", "contraction", "churn", "reactivation")
    found = monthly(tree, "subscription_revenue", *(f"subscription_revenue_{flow}" for flow in flows))
    d = Decimal
    assert found == {
        "12": (5, 5, 0, 0, 0, 0),
        "01": (d("25.10"), d("20.10"), 0, 0, 0, 0),
        "02": (d("75.20"), 40, d("10.10"), 0, 0, 0),
        "03": (45, 0, 0, d("30.20"), 0, 0),  # who pauses is still a customer
        "04": (d("75.20"), 0, d("30.20"), 0, 0, 0),
        "05": (45, 0, 0, 0, d("30.20"), 0),
        "06": (d("25.10"), 0, 0, d("19.90"), 0, 0),
        "07": (d("46.20"), 0, 1, 0, 0, d("20.10")),
    }
    own = tree.changes[tree.changes["kpi"] == "subscription_revenue"].groupby("month")["amount"].agg(list)
    assert {month.month: sum(parts) for month, parts in own.items()} == {
        2: d("50.10"), 3: d("-30.20"), 4: d("30.20"), 5: d("-30.20"), 6: d("-19.90"), 7: d("21.10")
    }  # fmt: skip
    assert [row[0] for row in monthly(tree, "subscribers").values()] == [1, 2, 3, 2, 3, 2, 2, 3]


def test_a_renewal_that_nobody_made_ends_the_revenue_on_its_due_date(tmp_path):
    rows = (
        "customer_id occurred_at subscription_id event monthly_price term_days",
        *(f"ana 2024-{month:02}-10 a {'renewed' if month > 1 else 'started'} 10 30" for month in range(1, 7)),
        *(f"bo 2024-{month:02}-10 b {'renewed' if month > 1 else 'started'} 20 30" for month in range(1, 4)),
    )
    tree = tree_of(tmp_path, "2024-06-20", subscription_events=rows)
    found = monthly(tree, "subscription_revenue", "subscription_revenue_churn")
    assert [found[month] for month in ("03", "04", "05")] == [(30, 0), (10, 20), (10, 0)]


def test_revenue_of_orders_is_customers_times_frequency_times_value_and_returns_beside_it(tmp_path):
    tree = tree_of(tmp_path, "2024-04-02", order_lines=ORDERS)
    names = ("active_customers", "orders_per_customer", "value_per_order", "other_amount", "order_revenue")
    found = monthly(tree, *names)
    assert found["02"] == (2, 1.5, pytest.approx(20.0033333), -5, Decimal("55.01"))
    assert found["03"] == (2, 1, 7.75, 0, Decimal("15.50"))
    for customers, frequency, value, other, revenue in found.values():
        assert round(Decimal(customers * frequency * value), 2) + other == revenue
    march = tree.changes[tree.changes["month"] == date(2024, 3, 1)].set_index("part")["amount"]
    # Half of each order in which frequency (1.5 to 1) and value (20.00 to 7.75) can have changed.
    assert march.to_dict() == {
        "active_customers": 0, "orders_per_customer": Decimal("-13.88"), "value_per_order": Decimal("-30.63"), "other_amount": 5,
    }  # fmt: skip
    assert march.sum() == Decimal("15.50") - Decimal("55.01")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([3, 7, Decimal("10.01")], [5, 6, Decimal("99.99")]),
        ([0, 0, Decimal(0)], [5, 6, Decimal("99.99")]),
        ([5, 6, Decimal("-3.3333")], [4, 9, Decimal("0.0001")]),
    ],
)
def test_parts_of_a_product_add_up_whatever_the_numbers(before, after):
    parts = split_product(before, after)
    assert sum(parts) == after[-1] - before[-1]
    assert all(part == round(part, 2) for part in parts[:-1])


def test_a_factor_alone_in_changing_has_the_whole_change():
    assert split_product([10, 20, Decimal(400)], [10, 20, Decimal(300)]) == [0, 0, -100]
    assert split_product([10, 20, Decimal(400)], [10, 30, Decimal(600)]) == [0, 200, 0]


def test_the_first_and_the_last_month_are_partial_where_the_facts_begin_or_end_in_them(tmp_path):
    def partial(name, as_of, last="2024-04-01"):
        rows = (*ORDERS[:-1], ORDERS[-1].replace("2024-04-01", last))
        months = tree_of(tmp_path / name, as_of, order_lines=rows).months.query("kpi == 'order_revenue'")
        return [f"{row.month:%m}" for row in months.itertuples() if row.is_partial], f"{months['month'].max():%m}"

    assert partial("a", "2024-04-02") == (["01", "04"], "04")
    assert partial("b", "2024-05-01", "2024-04-25") == (["01"], "04")  # nobody ordered in the last days
    assert partial("c", "2024-04-25") == (["01", "04"], "04")  # a table that ended: no month of nothing follows


def test_a_week_counts_what_was_known_in_it_and_never_changes(tmp_path):
    rows = (
        "customer_id occurred_at known_at amount status",
        *(
            f"ana 2024-{month:02}-{day:02} 2024-{month:02}-{day:02} 9 succeeded"
            for month in (1, 2)
            for day in (3, 10, 17)
        ),
        "bo 2024-01-09 2024-01-09 9 failed",
        "bo 2024-01-11 2024-02-02 9 failed",  # told three weeks later
    )
    early = tree_of(tmp_path / "a", "2024-01-22", payments=rows).weeks["failed_payments"]
    late = tree_of(tmp_path / "b", "2024-02-19", payments=rows).weeks["failed_payments"]
    assert early.to_dict() == {date(2024, 1, 8): 0.5, date(2024, 1, 15): 0}
    assert late[early.index].to_dict() == early.to_dict()
    assert late[date(2024, 1, 29)] == 0.5 and late[date(2024, 2, 5)] == 0


def test_silence_restock_usage_and_answers_by_hand(tmp_path):
    weeks = [day.date() for day in pd.date_range("2024-01-01", periods=20, freq="7D")]
    orders = ["customer_id occurred_at order_id product_id quantity amount"]
    orders += [f"ana {day} a{n} tea 1 5" for n, day in enumerate(weeks)]
    orders += [f"bo {day} b{n} tea 1 5" for n, day in enumerate(weeks[:14:2])]  # every other week, then none
    products = ("product_id category", "tea drinks")
    usage = [
        "customer_id occurred_at metric quantity",
        *(f"ana {day} cups {10 + 10 * (n == 9)}" for n, day in enumerate(weeks)),
    ]
    answers = ("customer_id occurred_at key value", f"ana {weeks[5]} nps 10", f"bo {weeks[5]} NPS 3", f"cy {weeks[5]} nps 9",
               f"cy {weeks[6]} nps many", f"cy {weeks[0]} colour 9", f"cy {weeks[19]} colour 9")  # fmt: skip
    tree = tree_of(
        tmp_path, "2024-05-20", order_lines=tuple(orders), products=products, usage=tuple(usage), declared=answers
    )
    found = tree.weeks
    assert found["silence"].dropna().tolist() == [0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5]  # bo last came in week 12
    # From the third purchase on ana is due in the very next week, bo in the one after that.
    assert found["restock_due"].tolist()[:8] == [0, 1, 1, 1, 2, 1, 2, 1]
    assert found["usage_trend"].dropna().tolist()[4:8] == [1.0, 2.0, pytest.approx(0.8), pytest.approx(0.8)]
    assert found["nps"].dropna().tolist() == [pytest.approx(1 / 3)]


def scored(root, target, day, *propensities, kind="scheduled"):
    path = Workspace(root).scores_of("shop") / f"target={target}" / f"as_of={day}" / f"{kind}-000001-0.parquet"
    path.parent.mkdir(parents=True)
    rows = {
        "customer_id": [f"c{n}" for n in range(len(propensities))],
        "propensity": propensities,
        "model_version": "1",
    }
    pd.DataFrame(rows).assign(scored_at=datetime(2024, 1, 1), is_hindsight=kind == "hindsight").to_parquet(path)


def test_at_risk_is_what_the_scores_given_by_the_end_of_a_week_say(tmp_path):
    scored(tmp_path, "lapse", "2024-02-05", 0.9)
    scored(tmp_path, "lapse", "2024-02-12", 0.1, 0.2)  # as of a Monday: what was known at the end of the week before
    scored(tmp_path, "churn", "2024-02-19", 0.3, 0.5)
    scored(tmp_path, "lapse", "2024-02-19", 0.9)
    scored(tmp_path, "churn", "2024-03-01", 0.7, kind="quick")
    scored(tmp_path, "churn", "2024-04-02", 0.6)
    scored(tmp_path, "churn", "2024-04-03", 0.8)  # not yet on the as-of
    weeks = tree_of(tmp_path, "2024-04-02", order_lines=ORDERS).weeks["at_risk"].dropna()
    assert weeks.to_dict() == {date(2024, 2, 5): pytest.approx(0.15), date(2024, 2, 12): pytest.approx(0.4)}


def test_scores_of_a_single_week_are_no_series(tmp_path):
    scored(tmp_path, "churn", "2024-04-02", 0.6)
    tree = tree_of(tmp_path, "2024-04-02", order_lines=ORDERS)
    assert tree.unavailable["at_risk"] == "no whole week of it is known yet"


def test_a_source_that_can_answer_nothing_says_so(tmp_path):
    tree = tree_of(tmp_path, "2024-01-03", declared=("customer_id occurred_at key value", "ana 2024-01-02 colour red"))
    assert not tree.kpis and tree.months.empty and tree.changes.empty and len(tree.unavailable) >= 11


def test_what_a_source_lacks_is_said_in_a_line_and_is_no_zero(tmp_path):
    tree = tree_of(tmp_path, "2024-04-02", order_lines=ORDERS)
    assert set(tree.kpis) == {"order_revenue"} | ({"silence"} & set(tree.kpis))
    assert tree.unavailable["subscription_revenue"].startswith("needs subscription_events")
    assert tree.unavailable["referrals"].startswith("needs loyalty")
    assert tree.unavailable["restock_due"] == "the source has no facts that tell of it"
    assert not tree.months["kpi"].str.startswith("subscri").any()


OWN = """
from tenure.measure.kpis.kpi import Kpi, per_period
KPI = Kpi("large_orders", "large lines", "count", "Lines of 10 or more.",
          per_period("order_lines", "large_orders", "count(*) FILTER (amount >= 10)"), tables=("order_lines",))
"""


def test_a_companys_own_kpi_is_one_file_in_its_folder(tmp_path):
    path = Workspace(tmp_path).raw("shop") / "kpis" / "large_orders.py"
    path.parent.mkdir(parents=True)
    path.write_text(OWN, encoding="utf-8")
    tree = tree_of(tmp_path, "2024-04-02", order_lines=ORDERS)
    assert [row[0] for row in monthly(tree, "large_orders").values()] == [1, 3, 0, 0]


def test_a_kpi_that_is_none_is_refused(tmp_path):
    path = Workspace(tmp_path).raw("shop") / "kpis" / "large_orders.py"
    path.parent.mkdir(parents=True)
    path.write_text("KPI = 3\n", encoding="utf-8")
    with pytest.raises(DefinitionError, match="its KPI is of type int. Expected Kpi"):
        tree_of(tmp_path, "2024-04-02", order_lines=ORDERS)


SALES = """
[order_lines]
from = "sales.csv"
[raw."sales.csv"]
known_at = "known_at"
"""


def shop(root, kpi=""):
    workspace = Workspace(root)
    lines = [
        f"c{n % 7} 2024-0{1 + n % 5}-{1 + n % 28:02} 2024-0{1 + n % 5}-{1 + n % 28:02} o{n} 1 {n % 9 + 1}"
        for n in range(400)
    ]
    lines.append("c9 2024-03-05 2024-05-02 late 1 100")
    write_csv(workspace.raw("shop") / "sales.csv", "customer_id occurred_at known_at order_id quantity amount", *lines)
    (workspace.raw("shop") / "source.toml").write_text(SALES, encoding="utf-8")
    if kpi:
        (workspace.raw("shop") / "kpis").mkdir()
        (workspace.raw("shop") / "kpis" / "peeking.py").write_text(kpi, encoding="utf-8")
    source = stage_source(workspace, read_source(workspace, "shop"), clock=datetime(2024, 6, 1))
    return Snapshots(workspace, source, date(2024, 6, 1))


def test_the_months_before_an_old_day_are_told_again_and_corrections_are_counted(tmp_path):
    snapshots = shop(tmp_path)
    found = replay_kpis(snapshots, date(2024, 4, 1))
    assert found.differing.empty and found.problems() == [] and found.features > 5 and found.left_out > 100
    then, now = (kpi_tree(snapshots.staged, snapshots.workspace, day) for day in (date(2024, 4, 1), snapshots.as_of))
    changed = corrected(then, now)
    assert set(changed["month"]) == {date(2024, 3, 1)} and f"({len(changed)} values" in found.check
    row = changed.set_index("kpi").loc["order_revenue"]
    assert row["value"] - row["value_then"] == 100


PEEKING = """
from tenure.measure.kpis.kpi import Kpi
KPI = Kpi("peeking", "orders of next week", "count", "Orders of the week after.",
          "SELECT CAST({period} - INTERVAL 7 DAY AS DATE) AS period, count(*) AS peeking FROM order_lines GROUP BY ALL",
          tables=("order_lines",), is_leading=True)
"""


def test_a_leading_kpi_that_looks_into_the_next_week_is_an_error(tmp_path):
    found = replay_kpis(shop(tmp_path, PEEKING), date(2024, 4, 1))
    assert [(problem.level, problem.subject) for problem in found.problems()] == [("error", "peeking")]


def test_the_step_writes_a_page_a_table_and_a_line_of_the_index(tmp_path):
    workspace = Workspace(tmp_path)
    for table, rows in {"subscription_events": EVENTS, "order_lines": ORDERS}.items():
        write_csv(workspace.raw("shop") / f"{table}.csv", *rows)
    call = {"action": "call", "outcome": "churn", "unit": "share", "effect": -0.03, "low": -0.05, "high": -0.01}
    write_effects(workspace, "shop", date(2024, 7, 1), pd.DataFrame([call, call | {"action": "mail", "high": 0.01}]))
    session = tenure.open_run("shop", workspace=str(tmp_path), as_of="2024-08-01")
    tenure.kpis_run(session)
    page = (session.output / "kpis.html").read_text(encoding="utf-8")
    assert "Recurring revenue rose by 21 to 46 in July 2024: most by reactivation (+20)" in page
    assert (
        'call <span class="status">causes</span> -3.0 points churn (-5.0 to -1.0)' in page and "mail <span" not in page
    )
    assert "needs payments, which the source does not have" in page and ">partial<" in page
    assert "Whether they do cannot be told yet" in page
    table = pd.read_csv(session.output / "kpis.csv")
    assert list(table)[:3] == ["month", "kpi", "value"]
    assert table.query("kpi == 'subscription_revenue' and month == '2024-07-01'")["value"].tolist() == [46.2]
    assert 'href="kpis.html"' in (session.output / "index.html").read_text(encoding="utf-8")
