"""The ledger: history is only added to, and its order stands in the files, whatever becomes of their times and place."""

import json
import os
import random
import shutil
from dataclasses import replace
from datetime import date, datetime, timedelta

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tables import staged
from tenure.core.errors import StoredFormatError
from tenure.core.workspace import Workspace
from tenure.scoring.ledger import (
    append_to_ledger,
    drop_scores_of,
    entries,
    last_scores,
    read_definition,
    scored_versions,
    state,
)
from tenure.scoring.review.outcomes import find_outcomes
from tenure.scoring.score import STORED_AS, Scores, ScoringModel
from tenure.snapshots.build import Snapshots
from tenure.steps.customer import describe_customer
from tenure.steps.opening import open_run
from tenure.targets.catalogue import all_targets

LAPSE = all_targets()["lapse"]
AS_OF, TODAY = date(2024, 4, 1), date(2024, 8, 1)
CUSTOMERS = [f"c{number:02d}" for number in range(40)]


def scores(version, propensity, target=LAPSE):
    table = pd.DataFrame({"customer_id": CUSTOMERS, "propensity": propensity, "decile": 1, "heuristic_score": 0.0})
    return Scores(pd.DataFrame(), {"lapse": table.assign(model_version=version)}, targets={"lapse": target})


def append(root, found, kind="scheduled", as_of=AS_OF, **more):
    workspace = Workspace(root)
    return append_to_ledger(workspace, found, source="shop", as_of=as_of, run_id="r", run_kind=kind, **more)


def older(root, version, propensity, at):
    """Append as a Tenure did that knew no order and no definition: the file says no format."""
    append(root, scores(version, propensity), scored_at=datetime.fromisoformat(at))
    (path,) = (entry.path for entry in entries(Workspace(root), "shop") if entry.sequence)
    rows = pd.read_parquet(path).drop(columns=["definition", "sequence"])
    rows.to_parquet(path.with_name(f"scheduled-{path.stem.rpartition('-')[2]}.parquet"))
    path.unlink()


def test_the_same_scores_are_added_once_for_each_kind_of_run_and_all_are_kept(tmp_path):
    found = scores("1", 0.3)
    assert [append(tmp_path, found, kind) for kind in ("scheduled", "scheduled", "backfill")] == [40, 0, 40]
    kept = [(entry.run_kind, entry.sequence) for entry in entries(Workspace(tmp_path), "shop")]
    assert kept == [("scheduled", 1), ("backfill", 2)]


def test_of_versions_that_scored_a_day_in_turn_the_last_one_counts_and_is_added_again(tmp_path):
    workspace = Workspace(tmp_path)
    for version, added in (("1", 40), ("2", 40), ("1", 40), ("1", 0)):
        assert append(tmp_path, scores(version, 0.1 * int(version))) == added
        assert scored_versions(workspace, "shop", AS_OF) == {"lapse": version}
        day, last = last_scores(workspace, "shop", "lapse", AS_OF + timedelta(days=1))
        assert day == AS_OF and set(last["model_version"]) == {version}
    assert [(e.sequence, e.model_version) for e in entries(workspace, "shop")] == [(1, "1"), (2, "2"), (3, "1")]
    assert last_scores(workspace, "shop", "lapse", AS_OF) is None


def test_neither_a_try_by_hand_nor_hindsight_is_the_last_that_was_said(tmp_path):
    append(tmp_path, scores("1", 0.1))
    append(tmp_path, scores("2", 0.2), "manual")
    append(tmp_path, scores("3", 0.3), hindsight=True)
    assert scored_versions(Workspace(tmp_path), "shop", AS_OF) == {"lapse": "1"}
    append(tmp_path, scores("3", 0.3))
    assert scored_versions(Workspace(tmp_path), "shop", AS_OF) == {"lapse": "3"}, "the same, and no hindsight"


def test_what_a_quick_model_said_is_marked_whatever_scored_with_it_and_is_no_scheduled_score(tmp_path):
    append(tmp_path, scores("1", 0.1))
    quick = ScoringModel(None, "2", is_quick=True)
    append(tmp_path, replace(scores("2", 0.2), models={"lapse": quick}))
    kinds = [(entry.run_kind, set(entry.read()["run_kind"])) for entry in entries(Workspace(tmp_path), "shop")]
    assert kinds == [("scheduled", {"scheduled"}), ("quick", {"quick"})]
    assert scored_versions(Workspace(tmp_path), "shop", AS_OF) == {"lapse": "1"}
    append(tmp_path, replace(scores("2", 0.2), models={"lapse": replace(quick, is_quick=False)}))
    assert scored_versions(Workspace(tmp_path), "shop", AS_OF) == {"lapse": "2"}


def test_when_a_run_began_is_when_it_scored(tmp_path):
    began = datetime(2024, 4, 1, 5, 30)
    append(tmp_path, scores("1", 0.1), scored_at=began)
    (entry,) = entries(Workspace(tmp_path), "shop")
    assert entry.scored_at == began and set(entry.read()["scored_at"]) == {pd.Timestamp(began)}


def shop(root):
    """Forty customers who ordered in March; every second one again in April."""
    orders = [f"{c} 2024-03-10 {c}a 1 5" for c in CUSTOMERS] + [f"{c} 2024-04-10 {c}b 1 5" for c in CUSTOMERS[::2]]
    return staged(
        root, order_lines=("customer_id occurred_at order_id quantity amount", *orders, "zoe 2024-07-31 z 1 5")
    )


def told(root):
    """All that is read from the ledger: the last scores, the versions, the review, a customer's history."""
    workspace, run = Workspace(root), open_run("shop", workspace=str(root), as_of=str(TODAY))
    run.output.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"customer_id": CUSTOMERS, "as_of": str(TODAY)}).to_parquet(run.output / "scored_customers.parquet")
    outcomes, problems = find_outcomes(
        Snapshots(workspace, shop(root), TODAY), lambda *_: {"definition": LAPSE.fingerprint}
    )
    day, last = last_scores(workspace, "shop", "lapse", TODAY)
    return (
        str(day), last.to_csv(), scored_versions(workspace, "shop", AS_OF), [(p.as_of, p.version, p.expected) for p in outcomes], problems,
        describe_customer(run, "c07").history.to_csv(), state(workspace, "shop", TODAY),
    )  # fmt: skip


@pytest.mark.parametrize("write", [append, older])
def test_copied_without_times_and_with_all_of_them_scrambled_everything_is_told_as_before(tmp_path, write):
    root = tmp_path / "here"
    shop(root)
    if write is older:
        for version, propensity, at in (("2", 0.2, "2024-04-02"), ("1", 0.1, "2024-04-03")):
            older(root, version, propensity, at)
    for version in ("1", "2", "1", "3", "2"):
        append(root, scores(version, 0.1 * int(version)))
    expected = told(root)
    assert expected[2] == {"lapse": "2"} and "0.2" in expected[5]
    assert expected[3] == [(AS_OF, "2" if write is older else "1", pytest.approx(8 if write is older else 4, abs=1e-5))]
    copy = tmp_path / "there"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    moments = random.Random(7)
    for path in copy.rglob("*"):
        os.utime(path, (moment := moments.uniform(0, 2e9), moment))
    assert told(copy) == expected


def test_scores_of_no_format_are_ordered_by_when_they_were_given_before_all_that_have_one(tmp_path):
    older(tmp_path, "2", 0.2, "2024-04-03")
    older(tmp_path, "1", 0.1, "2024-04-02")
    assert scored_versions(Workspace(tmp_path), "shop", AS_OF) == {"lapse": "2"}
    append(tmp_path, scores("3", 0.3), scored_at=datetime(2024, 4, 1))
    found = entries(Workspace(tmp_path), "shop")
    assert [(e.model_version, e.sequence, e.definition) for e in found] == [
        ("1", 0, ""),
        ("2", 0, ""),
        ("3", 1, LAPSE.fingerprint),
    ]


def test_what_was_last_before_there_was_an_order_is_not_added_again(tmp_path):
    older(tmp_path, "1", 0.1, "2024-04-02")
    assert append(tmp_path, scores("1", 0.1)) == 0
    assert append(tmp_path, scores("2", 0.2)) == 40


def test_scores_of_format_1_whose_heuristic_was_called_a_rule_are_read_and_not_added_again(tmp_path):
    append(tmp_path, scores("1", 0.1))
    (entry,) = entries(Workspace(tmp_path), "shop")
    rows = pq.read_table(entry.path)
    own = json.loads(rows.schema.metadata[STORED_AS]) | {"format_version": 1}
    former = rows.rename_columns(["rule_score" if name == "heuristic_score" else name for name in rows.column_names])
    pq.write_table(former.replace_schema_metadata({STORED_AS: json.dumps(own)}), entry.path)
    (found,) = entries(Workspace(tmp_path), "shop")
    assert found == entry and found.read()["heuristic_score"].eq(0).all() and "rule_score" not in found.read()
    assert append(tmp_path, scores("1", 0.1)) == 0
    assert drop_scores_of(Workspace(tmp_path), "shop", ["c07"]) == 1
    (left,) = entries(Workspace(tmp_path), "shop")
    assert len(left.read()) == 39 and "heuristic_score" in left.read(), "what is written again has the new name"


def test_scores_of_a_newer_tenure_are_refused_and_what_they_say_more_is_ignored(tmp_path):
    append(tmp_path, scores("1", 0.1))
    (entry,) = entries(Workspace(tmp_path), "shop")
    rows = pq.read_table(entry.path)
    own = json.loads(rows.schema.metadata[STORED_AS])
    pq.write_table(rows.replace_schema_metadata({STORED_AS: json.dumps(own | {"more": 1})}), entry.path)
    assert entries(Workspace(tmp_path), "shop") == [entry]
    pq.write_table(rows.replace_schema_metadata({STORED_AS: json.dumps(own | {"format_version": 3})}), entry.path)
    with pytest.raises(
        StoredFormatError, match=r"scheduled-000001-.*: a newer Tenure wrote it \(format 3\). Expected format 2"
    ):
        entries(Workspace(tmp_path), "shop")


def test_each_row_names_its_definition_which_is_kept_once_and_makes_the_target_again(tmp_path):
    asked = replace(LAPSE, horizon_days=30)
    append(tmp_path, scores("1", 0.1, asked))
    append(tmp_path, scores("1", 0.1, asked), as_of=date(2024, 5, 1))
    append(tmp_path, scores("2", 0.2), as_of=date(2024, 5, 1))
    workspace = Workspace(tmp_path)
    assert len(list(workspace.scores.rglob("*.json"))) == 2
    assert LAPSE.under(read_definition(workspace, "shop", asked.fingerprint)) == asked
    assert read_definition(workspace, "shop", "0123") == {}
    # Who reads the folder as a data set meets rows alone.
    read = pd.read_parquet(workspace.scores / "source=shop").groupby(["as_of", "sequence"])["definition"].agg(set)
    assert read[read.map(len) > 0].to_dict() == {
        ("2024-04-01", 1): {asked.fingerprint}, ("2024-05-01", 1): {asked.fingerprint}, ("2024-05-01", 2): {LAPSE.fingerprint},
    }  # fmt: skip
    dataset = f"read_parquet('{workspace.scores}/**/*.parquet', hive_partitioning = true)"
    assert duckdb.sql(f"SELECT source, target, count(*) FROM {dataset} GROUP BY ALL").fetchall() == [
        ("shop", "lapse", 120)
    ]


def test_a_customers_history_keeps_scores_of_another_definition_apart(tmp_path):
    append(tmp_path, scores("1", 0.1, replace(LAPSE, horizon_days=30)))
    append(tmp_path, scores("2", 0.2), as_of=date(2024, 5, 1))
    run_told = told_history(tmp_path)
    assert run_told == [("2024-04-01", "lapse as asked then (30 days)"), ("2024-05-01", "lapse")]


def told_history(root):
    shop(root)
    run = open_run("shop", workspace=str(root), as_of=str(TODAY))
    run.output.mkdir(parents=True)
    pd.DataFrame({"customer_id": CUSTOMERS, "as_of": str(TODAY)}).to_parquet(run.output / "scored_customers.parquet")
    history = describe_customer(run, "c07").history
    return [(str(row.as_of)[:10], row.target) for row in history.itertuples()]
