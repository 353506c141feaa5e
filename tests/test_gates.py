"""What cannot be asked does not pass: each case in which a champion stands, and its twin in which the honest version is promoted."""

import json

import pytest

from drawn import soaked
from gated_shop import AS_OF, EARLIER, LATER, TOML, champion, change, opened, trained
from tenure.core.errors import RegistryError
from tenure.models.registry.registry import Registry
from tenure.reporting.record import TrainingRecord
from tenure.steps.report import write_report
from tenure.steps.results import scoring_outcomes
from tenure.steps.score import score


@pytest.fixture
def shop(gated_shop):
    return gated_shop


def standing(record):
    (gate,) = [gate for gate in record.judgement.gates if gate.name == "better than the champion"]
    return gate.code, gate.passed


def test_a_repeat_has_nothing_to_beat_and_stays_trained(shop):
    again = trained(shop)
    assert (again.status, again.model.version, standing(again)) == ("trained", "1", ("same_model", True))


def test_an_earlier_as_of_leaves_the_alias_and_takes_it_where_nobody_holds_it(shop):
    earlier = trained(shop, EARLIER)
    assert (earlier.status, standing(earlier), champion(shop)) == ("blocked", ("earlier_as_of", False), "1")
    assert f"{EARLIER} lies before {AS_OF}" in earlier.reason and "tenure promote shop-lapse" in earlier.reason
    change(shop, "alias deleted")
    assert (trained(shop, EARLIER).status, champion(shop)) == ("trained", earlier.model.version)
    (found,) = [each for each in Registry(shop).versions("shop-lapse") if each.version == earlier.model.version]
    assert found.is_promotable, "judged anew, it passed"
    later = trained(shop, AS_OF)
    assert standing(later)[0] == "compared", "the twin: of a later as-of it is asked on the same customers"


def test_a_full_model_replaces_a_quick_one_and_no_quick_one_replaces_it(shop):
    full = trained(shop, quick=False)
    assert (full.status, standing(full), champion(shop)) == (
        "trained",
        ("full_replaces_quick", True),
        full.model.version,
    )
    quick = trained(shop, quick=True)
    assert (quick.status, standing(quick), champion(shop)) == (
        "blocked",
        ("quick_against_full", False),
        full.model.version,
    )
    assert trained(shop, quick=False).status == "trained", "the full one again"


def test_the_first_of_a_new_definition_is_judged_without_the_champion_and_says_so(shop):
    (shop.raw("shop") / "source.toml").write_text(f"{TOML}[targets.lapse]\nhorizon_days = 60\n")
    score(run := opened(shop))
    outcomes = scoring_outcomes(run.output)
    assert (outcomes["lapse"]["outcome"], outcomes["lapse"]["code"]) == ("error", "other_definition")
    assert "'tenure run shop --targets lapse'" in outcomes["lapse"]["reason"]
    assert outcomes["churn"]["outcome"] == "scored" and not (run.output / "lapse.csv").exists()
    first = trained(shop)
    assert (first.status, standing(first), champion(shop)) == (
        "trained",
        ("other_definition", True),
        first.model.version,
    )
    assert first.judgement.is_first_of_definition and first.definition.horizon_days == 60
    assert Registry(shop).find("shop-lapse", first.model.version).tags["tenure.is_first_of_definition"] == "True"
    score(run := opened(shop))
    write_report(run)
    page = (run.output / "lapse.html").read_text(encoding="utf-8")
    assert (
        "The first version of this definition" in page
        and f"definition <code>{first.definition.fingerprint[:8]}</code>" in page
    )


def test_one_delivery_without_a_table_leaves_the_alias_and_a_whole_one_is_compared(shop):
    aside = shop.raw("shop") / "engagement.parquet"  # the champion goes by visits
    content = aside.read_bytes()
    aside.unlink()
    same_day, later = trained(shop), trained(shop, LATER)
    assert standing(same_day) == ("recorded", False) and "recorded, unpaired" in same_day.reason
    assert standing(later) == ("not_comparable", False) and "features any more" in later.reason
    assert champion(shop) == "1"
    aside.write_bytes(content)
    assert standing(trained(shop, LATER))[0] in ("compared", "same_model")


@pytest.mark.parametrize("what", ["alias deleted", "model deleted", *soaked("version deleted", "model renamed")])
def test_where_no_version_is_champion_the_next_one_is_promoted(shop, what):
    change(shop, what)
    assert champion(shop) is None
    record = trained(shop)
    assert (record.status, standing(record), champion(shop)) == ("trained", ("first", True), record.model.version)


def test_a_deleted_experiment_is_said_before_anything_is_fitted_and_restored_it_takes_the_version(shop, monkeypatch):
    change(shop, "experiment deleted")
    with (
        monkeypatch.context() as patched,
        pytest.raises(RegistryError, match="was deleted in MLflow.*experiments restore"),
    ):
        patched.setattr("tenure.steps.training.train_target", lambda *_, **__: pytest.fail("it was fitted"))
        trained(shop, LATER)
    registry = Registry(shop)
    with registry.client() as client:
        client.restore_experiment(client.get_experiment_by_name("shop-lapse").experiment_id)
    assert standing(trained(shop))[0] == "same_model"


def test_a_deleted_run_takes_nothing_from_its_version(shop):
    change(shop, "run deleted")
    assert (trained(shop).status, champion(shop)) == ("trained", "1")


@pytest.mark.parametrize("what", ["files deleted", *soaked("intercept changed")])
def test_a_damaged_champion_is_mended_by_a_repeat_and_beaten_by_its_record_alone(shop, what):
    change(shop, what)
    later = trained(shop, LATER)
    assert (later.status, standing(later), champion(shop)) == ("blocked", ("not_comparable", False), "1")
    again = trained(shop)
    assert (again.status, standing(again), champion(shop)) == ("trained", ("same_model", True), again.model.version)
    assert again.model.version != "1", "a version whose files are whole"
    assert score(opened(shop, LATER)).ranked["lapse"]["model_version"].eq(again.model.version).all()


def test_a_record_says_its_format_and_older_ones_are_read(shop):
    folder = opened(shop).training_folder("lapse")
    document = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert document["format_version"] == 2 and document["judgement"]["code"] == "first"
    found = TrainingRecord.load(folder)
    assert found.judgement.code == "first" and found.definition.fingerprint and found.model.version == "1"
    flat = {"target": "lapse", "status": "trained", "reason": "", "version": "1", "unheard": 1}
    (folder / "record.json").write_text(json.dumps(flat), encoding="utf-8")
    assert TrainingRecord.load(folder).judgement.code == "" and TrainingRecord.load(folder).model.version == "1"
