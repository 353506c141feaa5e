"""Retention: what is older than it may be goes, what is younger stays, raw files always."""

import json
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from tables import read, staged, write_csv
from tenure.core.errors import DefinitionError
from tenure.core.stored import write_stored
from tenure.core.workspace import Workspace
from tenure.privacy.export import EXPORT_JSON
from tenure.privacy.retention import apply_retention
from tenure.scoring.review.failures import note_failure
from tenure.sources.ingest import stage_source
from tenure.sources.retention import first_days_kept
from tenure.sources.source import parse_source, read_source

TODAY = datetime.now(UTC).date()


def days_ago(days):
    return str(TODAY - timedelta(days=days))


def test_facts_are_kept_by_the_month_and_never_longer_than_they_may():
    kept = first_days_kept({"usage": 100, "scores": 5}, date(2024, 7, 15))
    assert kept == {"usage": date(2024, 5, 1)}  # 15 July less 100 days: 6 April
    assert first_days_kept({"usage": 31}, date(2024, 2, 1)) == {"usage": date(2024, 2, 1)}


def test_old_facts_are_not_staged_and_other_tables_are_whole(tmp_path):
    orders = ("customer_id occurred_at order_id amount", f"ana {days_ago(900)} 1 3", f"ana {days_ago(40)} 2 4")
    usage = (
        "customer_id occurred_at metric quantity",
        f"ana {days_ago(900)} cups 3",
        f"bo {days_ago(40)} cups 4",
        f"cy {days_ago(900)} cups x",
    )
    kept = staged(tmp_path, "[retention]\nusage = 365\n", order_lines=orders, usage=usage)
    assert read(kept.path("usage"), "customer_id") == [("bo",)]
    assert (kept.tables["usage"].read, kept.tables["usage"].rejected, kept.tables["order_lines"].staged) == (1, 0, 2)
    assert staged(tmp_path, "[retention]\nusage = 365\n", order_lines=orders, usage=usage).reused
    assert f"ana,{days_ago(900)}" in (tmp_path / "data/raw/shop/usage.csv").read_text()


def test_exports_go_with_the_reports_they_are_copies_of_by_when_they_were_written(tmp_path):
    workspace = Workspace(tmp_path)
    for name, age in (("2024-01-01", 31), ("2024-02-01", 29)):
        folder = workspace.exports("shop") / name
        write_stored(folder / EXPORT_JSON, {"exported_at": f"{days_ago(age)}T05:00:00+00:00"}, 1)
        (folder / "lapse.csv").write_text("customer_id\nana\n")
    source = parse_source("[retention]\nreports = 30\n", name="shop", where="source.toml")
    assert "1 exports too" in apply_retention(workspace, source)
    assert [folder.name for folder in workspace.exports("shop").iterdir()] == ["2024-02-01"]


def test_an_export_from_before_it_said_when_goes_by_its_as_of(tmp_path):
    workspace = Workspace(tmp_path)
    for name in (days_ago(31), f"{days_ago(31)}-revealed", days_ago(29)):
        (workspace.exports("shop") / name).mkdir(parents=True)
    source = parse_source("[retention]\nreports = 30\n", name="shop", where="source.toml")
    assert "2 exports too" in apply_retention(workspace, source)
    assert [folder.name for folder in workspace.exports("shop").iterdir()] == [days_ago(29)]


def test_scores_and_run_folders_go_by_when_they_were_made(tmp_path):
    workspace = Workspace(tmp_path)
    write_csv(
        workspace.raw("shop") / "order_lines.csv", "customer_id occurred_at order_id amount", "ana 2024-01-05 1 3"
    )
    (workspace.raw("shop") / "source.toml").write_text("[retention]\nscores = 30\nreports = 30\n")
    for name, age in (("old", 31), ("new", 29)):
        ledger = workspace.scores / "source=shop/target=lapse" / f"as_of={days_ago(400)}" / f"scheduled-{name}.parquet"
        ledger.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"customer_id": ["ana"], "scored_at": [pd.Timestamp(days_ago(age))]}).to_parquet(ledger)
        folder = workspace.reports("shop", days_ago(age))
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"finished_at": f"{days_ago(age)}T05:00:00+00:00"}))
    source = read_source(workspace, "shop")
    oldest = TODAY - timedelta(days=30)
    assert (
        apply_retention(workspace, source, TODAY)
        == f"retention: 1 scores from before {oldest} removed, 1 reports from before {oldest} removed"
    )
    assert [path.name for path in workspace.scores.rglob("*.parquet")] == ["scheduled-new.parquet"]
    assert [path.name for path in workspace.reports_of("shop").iterdir()] == [days_ago(29)]
    assert stage_source(workspace, source).tables["order_lines"].staged == 1


def test_failures_are_kept_as_long_as_reports(tmp_path):
    workspace = Workspace(tmp_path)
    source = parse_source("[retention]\nreports = 30\n", name="shop", where="here")
    note_failure(workspace, "shop", as_of=days_ago(400), doing="tenure score shop", text="young, of a day long ago")
    path = workspace.reports_of("shop") / "failures.txt"
    young = path.read_text()
    path.write_text(young.replace(str(TODAY), days_ago(31)).replace("young", "old") + young)
    assert apply_retention(workspace, source, TODAY).endswith(
        "0 reports from before " + days_ago(30) + " removed, 1 noted failures too"
    )
    assert path.read_text() == young
    assert "noted" not in apply_retention(workspace, source, TODAY)


def test_without_the_section_nothing_is_said_or_removed(tmp_path):
    assert apply_retention(Workspace(tmp_path), parse_source("", name="shop", where="here"), TODAY) == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [("usages = 3", "Did you mean 'usage'"), ("usage = 0", "expected days"), ("usage = '1y'", "expected days")],
)
def test_a_wrong_section_is_told(line, said):
    with pytest.raises(DefinitionError, match=said):
        parse_source(f"[retention]\n{line}\n", name="shop", where="here")
