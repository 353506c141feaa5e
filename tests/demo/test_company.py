"""A company that lives on: the same days as one generated at once, and contacts that come back."""

from datetime import date

import pandas as pd
import pytest

from tenure.core.workspace import Workspace
from tenure.demo import Company, generate_demo
from tenure.demo.company import TABLES
from tenure.demo.world import World
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source


def tables(folder):
    """Each table of a folder, whatever files it lies in; the order of rows is no fact."""
    found = {}
    for path in sorted(folder.glob("*.parquet")):
        found.setdefault(path.stem.partition("-")[0], []).append(pd.read_parquet(path))
    parts = {name: pd.concat(rows, ignore_index=True) for name, rows in found.items()}
    return {name: rows.sort_values(list(rows), ignore_index=True) for name, rows in parts.items()}


def test_a_company_that_lives_on_alone_equals_one_of_the_same_days_newcomers_included(tmp_path, monkeypatch):
    monkeypatch.setattr("tenure.demo.generate.ARRIVAL_DAYS", 185)  # newcomers arrive from 2024-07-04 on
    company = Company.found(tmp_path / "lived", customers=60, months=6, seed=3)
    for until in (date(2024, 7, 3), date(2024, 7, 12), date(2024, 9, 1)):
        company.live(until)
    generate_demo(tmp_path / "at-once", tmp_path / "truth", customers=60, months=8, seed=3)
    lived, at_once = tables(tmp_path / "lived"), tables(tmp_path / "at-once")
    assert lived.keys() == at_once.keys()
    for name, rows in at_once.items():
        pd.testing.assert_frame_equal(lived[name], rows)
    hidden = pd.read_parquet(tmp_path / "truth" / "hidden_state.parquet")
    hidden = hidden[hidden["cutoff"] == "2024-09-01"].reset_index(drop=True)
    pd.testing.assert_frame_equal(company.hidden(), hidden, check_dtype=False)


@pytest.fixture
def company(tmp_path):
    world = World(asked_share=0.0, sized_campaign=0)  # no campaigns of its own
    return Company.found(Workspace(tmp_path).raw("demo"), customers=300, months=6, seed=3, world=world), Workspace(
        tmp_path
    )


def sent_to(company, **about):
    here = company.hidden().query("arrival < 100")["customer_id"].iloc[:80]
    rows = {
        "customer_id": here,
        "action": "win_back",
        "channel": "email",
        "sent_on": company.today,
        "assigned": "treated",
    }
    return pd.DataFrame(rows | {"decision_id": "d-" + here} | about)


def test_what_is_sent_comes_back_as_contacts_by_decision_and_what_is_withheld_does_not(company):
    company, workspace = company
    sent = sent_to(company)
    sent.loc[sent.index[::2], "assigned"] = "control"
    treated = set(sent.loc[sent["assigned"] == "treated", "decision_id"])
    company.live(date(2024, 8, 1), sent)
    (workspace.raw("demo") / "source.toml").write_text(f'currency = "EUR"\n{TABLES}', encoding="utf-8")
    staged = stage_source(workspace, read_source(workspace, "demo"))
    assert sum(table.rejected for table in staged.tables.values()) == 0
    contacts = pd.read_parquet(staged.path("contacts"))
    assert set(contacts["decision_id"]) == treated and set(contacts["assigned"]) == {"treated"}
    by_status = contacts.groupby("status")["decision_id"]
    assert set(by_status.get_group("sent")) == treated
    assert 5 < by_status.nunique()["opened"] < 40 and 3 < by_status.nunique()["taken"] < 40
    # Who takes the offer orders that day, at a discount on each line.
    taken = contacts[contacts["status"] == "taken"].assign(day=lambda rows: rows["occurred_at"].dt.date)
    lines = pd.read_parquet(staged.path("order_lines")).assign(day=lambda rows: rows["occurred_at"].dt.date)
    ordered = taken.merge(lines[lines["quantity"] > 0], on=["customer_id", "day"])
    assert ordered["customer_id"].nunique() >= 0.8 * len(taken) and (ordered["discount"] > 0).all()


def test_whoever_is_contacted_every_day_complains_or_unsubscribes(company):
    company, workspace = company
    days = pd.date_range(company.today, periods=25)
    company.live(date(2024, 8, 1), pd.concat([sent_to(company, sent_on=day) for day in days]))
    contacts = pd.concat(map(pd.read_parquet, workspace.raw("demo").glob("contacts*.parquet")))
    harmed = contacts[contacts["status"].isin(["complained", "unsubscribed"])]
    first = contacts["occurred_at"].min() + pd.Timedelta(days=3)
    assert len(harmed) > 100 and (harmed["occurred_at"] < first).mean() < 0.05


def test_a_second_identity_is_the_same_person(company):
    company, _ = company
    sent = sent_to(company).iloc[:1]
    before = company.hidden().set_index("customer_id").loc[sent["customer_id"].iloc[0], "tired"]
    company.live(date(2024, 7, 2), sent.assign(customer_id=sent["customer_id"] + "-b"))
    assert before == 0 < company.hidden().set_index("customer_id").loc[sent["customer_id"].iloc[0], "tired"]


def test_days_already_lived_and_contacts_outside_the_days_or_to_nobody_are_refused(company):
    company, _ = company
    with pytest.raises(ValueError, match="later day"):
        company.live(company.today)
    with pytest.raises(ValueError, match="80 contacts outside"):
        company.live(date(2024, 7, 5), sent_to(company, sent_on=date(2024, 7, 5)))
    with pytest.raises(ValueError, match="80 to customers unknown"):
        company.live(date(2024, 7, 5), sent_to(company, customer_id="nobody"))
    company.live(date(2024, 7, 5), sent_to(company))
