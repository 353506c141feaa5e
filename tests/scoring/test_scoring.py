"""Rankings: equal scores have one order, and each says which question it answers."""

from dataclasses import replace
from datetime import date, timedelta

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tables import staged
from tenure.core.errors import DefinitionMismatchError, LeakageError, StoredFormatError
from tenure.core.workspace import Workspace
from tenure.models.calibrate import Calibrator
from tenure.models.encoding import EncodedColumn, Encoding
from tenure.models.estimators.logistic_baseline import Linear, LinearColumn
from tenure.models.model import FeatureMeaning, PropensityModel
from tenure.scoring.score import STORED_AS, ScoringModel, read_scores_metadata, score_customers, write_scores
from tenure.snapshots.build import Snapshots
from tenure.targets.catalogue import all_targets

AS_OF = date(2024, 4, 1)
LAPSE = all_targets()["lapse"]
# A model that outcomes everyone the same.
LEVEL = PropensityModel(
    kind="logistic",
    estimator=Linear((LinearColumn((0.0, 1.0), 0.0, 0.0, 0.0),), -1.0),
    encoding=Encoding((EncodedColumn("days_since_order"),)),
    calibrator=Calibrator(),
    meanings=(FeatureMeaning("days_since_order", "recency", "days", "since the last order", "Days."),),
    about={
        "target": "lapse",
        "fitted_through": "2024-01-01",
        "question": LAPSE.describe(),
        "definition": LAPSE.fingerprint,
    },
)


def scored(root, model=LEVEL, toml=""):
    lines = [f"c{number:02d} 2024-03-10 o{number} 10" for number in reversed(range(20))]
    source = staged(root, toml, order_lines=("customer_id occurred_at order_id amount", *lines))
    return score_customers(Snapshots(Workspace(root), source, AS_OF), {"lapse": ScoringModel(model, "1")})


def test_a_day_whose_outcomes_the_model_was_fitted_on_is_not_scored(tmp_path):
    assert len(scored(tmp_path, replace(LEVEL, about={**LEVEL.about, "fitted_through": str(AS_OF)})).customers) == 20
    seen = replace(LEVEL, about={**LEVEL.about, "fitted_through": str(AS_OF + timedelta(days=1))})
    with pytest.raises(LeakageError, match="fitted on outcomes until 2024-04-02, after the as-of 2024-04-01"):
        scored(tmp_path, seen)


def test_equal_propensities_are_ranked_by_customer(tmp_path):
    ranked = scored(tmp_path).ranked["lapse"]
    assert ranked["propensity"].nunique() == 1
    assert list(ranked["customer_id"]) == [f"c{number:02d}" for number in range(20)]
    assert list(ranked["decile"]) == [decile for decile in range(1, 11) for _ in range(2)]


SHORTER = "[targets.lapse]\nhorizon_days = 60\n"


def test_a_model_of_another_definition_is_refused_with_both_questions_and_what_to_run(tmp_path):
    assert len(scored(tmp_path).ranked["lapse"]) == 20
    with pytest.raises(
        DefinitionMismatchError,
        match=r"lapse: version 1 answers '.* in the next 90 days.*source.toml now asks '.* in the next 60 days.*'tenure run shop --targets lapse'",
    ):
        scored(tmp_path, toml=SHORTER)
    of_60_days = replace(LEVEL, about=LEVEL.about | {"definition": replace(LAPSE, horizon_days=60).fingerprint})
    assert len(scored(tmp_path, of_60_days, SHORTER).ranked["lapse"]) == 20


def test_a_model_from_before_definitions_is_known_by_its_question_and_its_days(tmp_path):
    days = {"horizon_days": 90, "lead_days": 0, "label_lag_days": LAPSE.label_lag_days}
    old = replace(LEVEL, about={"fitted_through": "2024-01-01", "question": LAPSE.describe(), **days})
    assert len(scored(tmp_path, old).ranked["lapse"]) == 20
    with pytest.raises(DefinitionMismatchError, match=r"in the next 90 days.*\(definition unknown\)"):
        scored(tmp_path, old, SHORTER)
    silent = replace(LEVEL, about={"fitted_through": "2024-01-01"})
    with pytest.raises(DefinitionMismatchError, match="answers 'a question it does not state'"):
        scored(tmp_path, silent, "[targets.lapse]\nhorizon_days = 90\n")


def test_the_ranked_list_keeps_the_former_name_of_the_heuristic_for_a_version(tmp_path):
    write_scores(scored(tmp_path), tmp_path, source="shop", as_of=AS_OF, run_kind="scheduled", is_hindsight=False)
    written = pd.read_csv(tmp_path / "lapse.csv")
    assert len(written) and written["rule_score"].equals(written["heuristic_score"])


def test_a_csv_has_four_digits_of_a_propensity_and_the_parquet_all(tmp_path):
    scores = scored(tmp_path)
    drawn = [0.123456789, 0.000123456789] + [None] * (len(scores.customers) - 2)
    scores = replace(scores, customers=scores.customers.assign(lapse_propensity=drawn))
    parquet, text, *_ = write_scores(scores, tmp_path)
    assert pd.read_csv(text)["lapse_propensity"].dropna().to_list() == [0.1235, 0.0001235]
    assert pd.read_parquet(parquet)["lapse_propensity"].dropna().to_list() == drawn[:2]


def test_a_carriage_return_in_a_reason_makes_no_row_of_its_own(tmp_path):
    scores = scored(tmp_path)
    reasons = scores.ranked["lapse"].assign(reason_1="▲ tea\r=1+1")
    *_, path = write_scores(replace(scores, ranked={"lapse": reasons}, details={}), tmp_path)
    lines = path.read_text("utf-8-sig").splitlines()
    assert len(lines) == 1 + len(reasons) and all('"▲ tea =1+1"' in line for line in lines[1:])


def test_the_scored_table_says_what_its_scores_answer_and_its_columns_are_as_without(tmp_path):
    scores = scored(tmp_path)
    path, *_ = write_scores(scores, tmp_path, source="shop", as_of=AS_OF, run_kind="scheduled", is_hindsight=False)
    told = read_scores_metadata(path)
    assert (told["source"], told["as_of"], told["run_kind"], told["is_hindsight"]) == (
        "shop",
        "2024-04-01",
        "scheduled",
        False,
    )
    assert told["targets"] == {
        "lapse": {
            "model_version": "1", "model": LEVEL.fingerprint, "is_quick": False, "definition": LAPSE.fingerprint, "question": LAPSE.describe(),
            "horizon_days": 90, "lead_days": 0, "label_lag_days": 0,
        }
    }  # fmt: skip
    plain = tmp_path / "plain.parquet"
    scores.customers.to_parquet(plain, index=False)
    assert read_scores_metadata(plain) == {}
    pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(plain))
    # The pages of every column, as they lie in the file.
    pages = "SELECT path_in_schema, data_page_offset, total_compressed_size, stats_min, stats_max FROM parquet_metadata('{}')"
    assert duckdb.sql(pages.format(path)).fetchall() == duckdb.sql(pages.format(plain)).fetchall()
    end = pq.read_metadata(plain).row_group(0).column(len(scores.customers.columns) - 1)
    end = end.data_page_offset + end.total_compressed_size
    assert path.read_bytes()[:end] == plain.read_bytes()[:end]


def test_a_scored_table_of_a_newer_tenure_is_refused_and_one_with_more_to_say_is_read(tmp_path):
    for version, extra in ((1, True), (2, False)):
        table = pq.read_table(write_scores(scored(tmp_path), tmp_path)[0])
        stored = f'{{"format_version": {version}, "more": 1}}'
        pq.write_table(table.replace_schema_metadata({STORED_AS: stored}), tmp_path / "other.parquet")
        if extra:
            assert read_scores_metadata(tmp_path / "other.parquet")["more"] == 1
        else:
            with pytest.raises(StoredFormatError, match="a newer Tenure wrote it"):
                read_scores_metadata(tmp_path / "other.parquet")
