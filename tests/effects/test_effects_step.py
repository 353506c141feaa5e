"""What 11_effects leaves: who is moved, a registered model where customers differ, and the mean effect where they do not."""

import mlflow
import pandas as pd
import pytest
from mailed_shop import AS_OF, place

import tenure
from tenure.decisions.document import read_policy
from tenure.runs.run import promote_effects
from tenure.steps.personal import effect_versions, personal_effects

NAME = "shop-mail-effect"


def learnt(root, **shop):
    truth = place(root, **shop)
    session = tenure.open_run("shop", workspace=str(root), as_of=AS_OF)
    effects = tenure.effects_run(session)
    promote_effects(session, session.output)
    return session, effects, truth


@pytest.fixture(scope="module")
def differing(tmp_path_factory):
    return learnt(tmp_path_factory.mktemp("differing"), differs=0.25)


def test_where_customers_differ_their_own_effects_are_registered_and_used(differing):
    session, effects, truth = differing
    (row,) = effects.table.to_dict("records")
    assert row["differs"] and row["outcome"] == "lapse" and row["slope_low"] > 0.5
    assert session.registry.champion(NAME) == row["version"] == "1"
    policy = read_policy(session.source)
    personal = personal_effects(session, policy, effect_versions(session, policy))["mail"]
    by_taste = personal.groupby(truth["likes_tea"].reindex(personal.index))["effect"].mean()
    # Planted, on the chance to lapse: -.05 - .25 of who likes tea, -.05 + .25 of the others.
    assert by_taste[False] - by_taste[True] > 0.3 and by_taste[True] < -0.2
    fifths = effects.learnt[0].groups["promised"]
    assert fifths.iloc[0] == pytest.approx(-0.30, abs=0.08) and fifths.iloc[-1] == pytest.approx(0.20, abs=0.08)
    told = personal.loc[truth.index[truth["likes_tea"]].intersection(personal.index), "helps"].dropna()
    assert told.str.contains("taste is tea").mean() > 0.9


def test_the_mean_effect_is_the_difference_of_the_arms(differing):
    _, effects, truth = differing
    arms = truth.groupby("is_treated")["lapsed"].mean()
    (row,) = effects.table.to_dict("records")
    assert row["rows"] == len(truth) and row["mean"] == pytest.approx(arms[True] - arms[False], abs=0.01)


def test_mlflow_loads_the_model_and_predicts_the_same(differing):
    session, _, _ = differing
    snapshots, policy = session.snapshots, read_policy(session.source)
    personal = personal_effects(session, policy, {"mail": "1"})["mail"]
    rows = pd.read_parquet(snapshots.features_path(session.as_of)).set_index("customer_id").loc[personal.index]
    with session.registry.client():
        served = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
        schema = served.metadata.get_input_schema()
        given = rows[schema.input_names()].astype({c.name: float for c in schema.inputs if c.type.name == "double"})
        found = served.predict(given, params={"explain": True})
    assert found["effect"].to_numpy() == pytest.approx(personal["effect"].to_numpy(), abs=1e-6)
    assert found["reason_1"].str.contains("taste").mean() > 0.9


def test_the_page_says_whom_it_moves_and_every_gate(differing):
    session, _, _ = differing
    page = (session.output / "effects.html").read_text(encoding="utf-8")
    for said in ("customers differ", "worth more than everybody", "no feature saw the future", "taste"):
        assert said in page, said
    assert 'href="effects.html"' in (session.output / "index.html").read_text(encoding="utf-8")


def test_where_all_react_alike_nothing_is_used_and_the_page_says_so(tmp_path):
    session, effects, _ = learnt(tmp_path, differs=0.0)
    (row,) = effects.table.to_dict("records")
    assert not row["differs"] and session.registry.champion(NAME) is None
    assert effect_versions(session, read_policy(session.source)) == {}
    page = (session.output / "effects.html").read_text(encoding="utf-8")
    assert "one effect for all" in page and "the mean effect counts for all" in page


def test_a_champion_that_newer_data_do_not_bear_out_is_champion_no_more(tmp_path):
    session, _, _ = learnt(tmp_path, differs=0.25)
    assert session.registry.champion(NAME) == "1"
    session, effects, _ = learnt(tmp_path, differs=0.0)
    assert session.registry.champion(NAME) is None and effects.versions["mail"] == "2"


def test_where_another_action_competes_half_can_get_it_and_are_compared_with_as_many_at_random(tmp_path):
    rival = '[actions.call]\nsays = "A call"\nmoves = "lapse"\nwhen = "true"\nchannels = ["email"]\n'
    _, effects, _ = learnt(tmp_path, differs=0.25, customers=1_500, more=rival)
    (mail,) = effects.learnt
    assert "everybody" not in set(mail.judged.table["against"]) and mail.judged.contacted == pytest.approx(
        0.5, abs=0.05
    )


def test_too_few_customers_are_a_reason_and_no_model(tmp_path):
    session, effects, _ = learnt(tmp_path, differs=0.25, customers=300)
    (row,) = effects.table.to_dict("records")
    assert "Expected at least 200 customers in each arm" in row["reason"] and not row["differs"]
    assert session.registry.model_names("shop") == []
    assert "Expected at least 200" in (session.output / "effects.html").read_text(encoding="utf-8")
