"""Every target asked for, or scored before, ends in a score, a refusal or an error, whatever was changed in the store; others are scored."""

import json

import pandas as pd
import pytest

from drawn import soaked
from gated_shop import AS_OF, LATER, TOML, champion, change, opened, trained
from tenure.core.errors import RegistryError, StoredFormatError
from tenure.models.registry.registry import Registry
from tenure.scoring.ledger import entries
from tenure.scoring.score import read_scores_metadata
from tenure.steps.report import write_report
from tenure.steps.results import scoring_outcomes
from tenure.steps.review import review_run
from tenure.steps.score import run_versions, score


@pytest.fixture
def shop(gated_shop):
    return gated_shop


def outcomes(run):
    return {name: (one["outcome"], one["code"]) for name, one in scoring_outcomes(run.output).items()}


def problems_about_lapse(run, severity):
    return [
        problem.text for problem in review_run(run).problems if (problem.about, problem.level) == ("lapse", severity)
    ]


SCORED = ("scored", "scored")


@pytest.mark.parametrize(
    ("what", "code", "to_run", "as_of"),
    [
        ("version deleted", "no_champion", "tenure run shop --targets lapse", LATER),
        ("model renamed", "no_champion", "tenure run shop --targets lapse", AS_OF),
        ("alias moved to a foreign version", "unusable", "tenure run shop", AS_OF),
        ("intercept changed", "unusable", "tenure run shop", LATER),
        *soaked(
            ("version deleted", "no_champion", "tenure run shop --targets lapse", AS_OF),
            ("alias deleted", "no_champion", "tenure run shop --targets lapse", LATER),
            ("model deleted", "no_champion", "tenure run shop --targets lapse", AS_OF),
            ("files deleted", "unusable", "tenure run shop", LATER),
            ("model cut short", "unusable", "tenure run shop", AS_OF),
        ),
    ],
)
def test_a_champion_that_is_gone_or_changed_ends_in_an_error_and_the_others_are_scored(shop, what, code, to_run, as_of):
    change(shop, what)
    score(run := opened(shop, as_of, quick=False))
    assert outcomes(run) == {"churn": SCORED, "lapse": ("error", code)}
    assert to_run in scoring_outcomes(run.output)["lapse"]["reason"]
    scored = pd.read_parquet(run.output / "scored_customers.parquet")
    assert "churn_propensity" in scored and not [name for name in scored if name.startswith("lapse_")]
    assert (run.output / "churn.csv").is_file() and not (run.output / "lapse.csv").exists()
    (error,) = problems_about_lapse(run, "error")
    assert "nobody was scored" in error and to_run in error


@pytest.mark.parametrize("what", ["experiment deleted", *soaked("nothing", "run deleted")])
def test_what_scoring_does_not_need_may_go(shop, what):
    change(shop, what)
    score(run := opened(shop, LATER, quick=False))
    assert outcomes(run) == {"churn": SCORED, "lapse": SCORED}
    assert not problems_about_lapse(run, "error")


def test_one_target_asked_for_brings_what_was_scored_before_with_it(shop):
    score(run := opened(shop, LATER, quick=False), targets="churn")
    assert outcomes(run) == {"churn": SCORED, "lapse": SCORED}
    scored = pd.read_parquet(run.output / "scored_customers.parquet")
    for target in ("churn", "lapse"):
        assert 0 < scored[f"{target}_propensity"].count() == len(pd.read_csv(run.output / f"{target}.csv"))
    change(shop, "version deleted")
    score(run, targets="churn")
    assert outcomes(run) == {"churn": SCORED, "lapse": ("error", "no_champion")}


def test_a_target_that_nobody_ever_scored_is_missed_only_where_it_is_asked_for(shop):
    score(run := opened(shop, LATER, quick=False))
    assert "upsell" not in outcomes(run)
    score(run, targets="upsell")
    assert outcomes(run) == {"churn": SCORED, "lapse": SCORED, "upsell": ("error", "no_champion")}


def test_a_target_whose_table_is_gone_is_a_refusal_and_the_review_misses_it(shop):
    (shop.raw("shop") / "order_lines.parquet").unlink()
    score(run := opened(shop, AS_OF, quick=False), targets="lapse,churn")
    assert outcomes(run)["lapse"] == ("refused", "unavailable")
    (error,) = problems_about_lapse(run, "error")
    assert "nobody was scored" in error and "order_lines" in error


def test_where_nobody_can_be_scored_that_is_one_error(shop):
    for target in ("lapse", "churn"):
        Registry(shop).point_champion(f"shop-{target}", None)
    with pytest.raises(RegistryError, match="has no champion in the MLflow store.*tenure run shop --targets"):
        score(opened(shop, LATER))


def test_an_alias_moved_by_hand_to_a_blocked_version_scores_and_is_an_error_until_one_that_passed_takes_it(shop):
    change(shop, "alias moved to a blocked version")
    score(run := opened(shop, quick=False))
    assert outcomes(run)["lapse"] == SCORED
    (error,) = problems_about_lapse(run, "error")
    assert "version 1 is in use and never passed its gates: calibrated: calibration slope 9" in error
    assert "promoted by " in error and "(passed every gate)" in error
    full = trained(shop, quick=False)
    score(run := opened(shop, quick=False))
    assert champion(shop) == full.model.version != "1" and not problems_about_lapse(run, "error")


def test_what_a_quick_champion_scores_is_marked_in_ledger_table_page_and_review_and_a_full_ones_is_not(shop):
    trained(shop, target="lapse", quick=False)
    score(run := opened(shop, quick=False))
    assert {name: one["is_quick"] for name, one in scoring_outcomes(run.output).items()} == {
        "lapse": False,
        "churn": True,
    }
    last = {entry.target: entry.run_kind for entry in entries(shop, "shop", as_of=AS_OF)}
    assert last == {"lapse": "scheduled", "churn": "quick"}
    told = read_scores_metadata(run.output / "scored_customers.parquet")["targets"]
    assert {name: one["is_quick"] for name, one in told.items()} == {"churn": True, "lapse": False}
    warned = [problem.about for problem in review_run(run).problems if "quick run" in problem.text]
    assert warned == ["churn"]
    write_report(run)
    assert "Quick run" in (run.output / "churn.html").read_text(encoding="utf-8")
    assert "Quick run" not in (run.output / "lapse.html").read_text(encoding="utf-8")
    assert "Quick run" in (run.output / "index.html").read_text(encoding="utf-8"), "for one of its lists is"


def test_a_run_that_blocks_its_version_scores_with_the_champion_and_a_first_one_that_is_blocked_is_refused(shop):
    trained(shop, quick=False)
    assert trained(shop, quick=True).status == "blocked"
    run = opened(shop, quick=True)
    score(run, run_versions(run))
    assert scoring_outcomes(run.output)["lapse"]["model_version"] == "2"
    Registry(shop).point_champion("shop-churn", None)
    record = json.loads((path := run.training_folder("churn") / "record.json").read_text(encoding="utf-8"))
    refused = {"status": "refused", "judgement": {"code": "too_little_data"}, "reason": "churn: 3 of 139 churned."}
    path.write_text(json.dumps(record | refused))
    score(run, run_versions(run))
    assert outcomes(run)["churn"] == ("refused", "too_little_data")


def test_a_model_is_never_scored_under_another_definition(shop):
    (shop.raw("shop") / "source.toml").write_text(f"{TOML}[targets.lapse]\nhorizon_days = 60\n")
    score(run := opened(shop, LATER, quick=False), {"lapse": "1", "churn": "1"})
    assert outcomes(run) == {"churn": SCORED, "lapse": ("error", "other_definition")}
    (shop.raw("shop") / "source.toml").write_text(TOML)
    score(run := opened(shop, LATER, quick=False), {"lapse": "1", "churn": "1"})
    assert outcomes(run) == {"churn": SCORED, "lapse": SCORED}


def test_a_newer_format_of_the_outcomes_is_refused_in_one_sentence(shop):
    path = (run := opened(shop)).output / "scoring.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))
    with pytest.raises(StoredFormatError, match="a newer Tenure wrote it"):
        scoring_outcomes(run.output)
