"""Whoever brings an estimator, in a file of a source or in a package, has it trained, judged, explained, stored and served."""

import json
import shutil
import textwrap
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from gated_shop import hurry, opened
from registered import artefacts
from shop import place_built
from tenure.core.errors import DefinitionError, RegistryError, StoredFormatError
from tenure.core.plugins import plugins
from tenure.core.workspace import Workspace
from tenure.models.estimators.catalogue import find_estimator
from tenure.models.estimators.protocol import Estimator, FittingRows
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import FeatureMeaning, PropensityModel
from tenure.models.train import train_model
from tenure.steps.score import score
from tenure.steps.training import train

EXAMPLE = Path(__file__).parent / "histogram_boosting.py"
SETTINGS = TrainingSettings(folds=3)
MEANINGS = tuple(FeatureMeaning(name, name, "count", f"{name}s", "") for name in ("failed", "silence"))


def world(rows=600, seed=1):
    generator = np.random.default_rng(seed)
    failed = generator.poisson(1.0, rows).astype(float)
    silence = np.where(generator.random(rows) < 0.1, np.nan, generator.exponential(10, rows))
    labels = (generator.random(rows) < 1 / (1 + np.exp(1 - 0.6 * failed))).astype(int)
    return pd.DataFrame({"failed": failed, "silence": silence}), labels, np.arange(rows) // 2


def place(folder):
    """Put the example into a source's folder."""
    (folder / "estimators").mkdir(parents=True)
    shutil.copy(EXAMPLE, folder / "estimators")
    return folder


@pytest.fixture
def folder(tmp_path):
    return place(tmp_path / "data" / "raw" / "shop")


@pytest.fixture
def model(folder):
    found = find_estimator("histogram_boosting", folder)
    return train_model(*world(), MEANINGS, SETTINGS, estimator=found, about={"source": "shop", "target": "lapse"}).model


def test_an_estimator_in_one_file_of_a_source_is_trained_judged_explained_stored_served_and_scores(
    company, tmp_path, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("TENURE_WORKSPACE", str(tmp_path))
    hurry(monkeypatch)
    workspace = Workspace(tmp_path)
    place_built(workspace, company)
    place(workspace.raw("shop"))
    with (workspace.raw("shop") / "source.toml").open("a") as file:
        file.write('\n[targets.lapse]\nestimator = "histogram_boosting"\n')
    run = opened(workspace)
    training = train(run, "lapse", walk_cutoffs=1)
    record = training.record
    assert record.model.form == "histogram gradient boosting (40 trees)" and len(record.judgement.gates) == 7
    assert any(
        "The source's settings ask for this estimator: histogram gradient boosting" in line
        for line in record.results.warnings
    )
    run.registry.promote(record.model.name, record.model.version)
    loaded = run.registry.load("shop-lapse", record.model.version)
    assert loaded.fingerprint == training.result.model.fingerprint and loaded.kind == "histogram_boosting"
    (artefact,) = artefacts(workspace)
    assert sorted(path.name for path in (artefact / "data" / "model").iterdir()) == ["booster.txt", "model.json"]
    served = mlflow.pyfunc.load_model(str(artefact)).predict(training.result.test, params={"explain": True})
    np.testing.assert_array_equal(served["propensity"], training.result.test["propensity"])
    scored = score(run).ranked["lapse"]
    assert len(scored) > 100 and scored["reason_1"].str.match("[▲▼] .").all()
    # Without the file nobody is scored, and one message says what is missing.
    shutil.rmtree(workspace.raw("shop") / "estimators")
    with pytest.raises(
        RegistryError, match=r"Estimator 'histogram_boosting' is not .*data/raw/shop/estimators/histogram_boosting\.py"
    ):
        run.registry.load("shop-lapse", record.model.version)


def test_the_example_scores_as_scikit_learn_does_and_shap_explains_it(folder, model):
    table, labels, _ = world()
    matrix = model.encoding.transform(table)
    theirs = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=SETTINGS.num_leaves, early_stopping=False, random_state=7)  # fmt: skip
    expected = theirs.fit(matrix, labels).decision_function(matrix)
    np.testing.assert_allclose(model.raw_scores(table), expected, atol=1e-12)
    np.testing.assert_allclose(model.estimator.contributions(matrix, matrix[0]).sum(axis=1), expected, atol=1e-9)


def test_a_stored_model_is_the_same_to_the_bit_and_a_changed_one_is_refused(folder, model, tmp_path, monkeypatch):
    monkeypatch.setenv("TENURE_WORKSPACE", str(tmp_path))
    model.save(tmp_path / "stored")
    table, _, _ = world(seed=2)
    loaded = PropensityModel.load(tmp_path / "stored", fingerprint=model.fingerprint)
    np.testing.assert_array_equal(loaded.propensities(table), model.propensities(table))
    np.testing.assert_array_equal(loaded.contributions(table), model.contributions(table))
    path = tmp_path / "stored" / "booster.txt"
    path.write_text(path.read_text().replace('{"base": ', '{"base": 1', 1))
    with pytest.raises(StoredFormatError, match="changed or damaged"):
        PropensityModel.load(tmp_path / "stored")


def test_where_nobody_brings_the_estimator_one_message_says_what_to_put_where(model, tmp_path, monkeypatch):
    model.save(tmp_path / "stored")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TENURE_WORKSPACE", str(tmp_path / "elsewhere"))
    with pytest.raises(StoredFormatError) as refused:
        mlflow_loader(tmp_path / "stored")
    message = str(refused.value)
    assert "\n" not in message and "Estimator 'histogram_boosting'" in message and "logistic, trees" in message
    assert "data/raw/shop/estimators/histogram_boosting.py" in message


def mlflow_loader(folder):
    from tenure.models.pyfunc import _load_pyfunc

    return _load_pyfunc(str(folder))


def test_what_a_model_names_is_not_executed(model, tmp_path, monkeypatch):
    """Only a name is looked up, among the estimators of the source that has this name here."""
    monkeypatch.setenv("TENURE_WORKSPACE", str(tmp_path))
    model.save(tmp_path / "stored")
    (tmp_path / "intruder.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()\n")
    for name, source in (("intruder", "../.."), ("../../../intruder", "shop"), ("os:system", "shop")):
        changed = replace(model, kind=name, about={"source": source, "target": "lapse"})
        changed.save(tmp_path / "stored")
        with pytest.raises(StoredFormatError, match="Estimator"):
            PropensityModel.load(tmp_path / "stored")
    assert not (tmp_path / "executed").exists()


def test_an_installed_package_brings_one_by_its_entry_point(tmp_path, monkeypatch):
    package, about = tmp_path / "shop_estimators", tmp_path / "shop_estimators-1.2.dist-info"
    package.mkdir()
    about.mkdir()
    shutil.copy(EXAMPLE, package / "__init__.py")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-estimators\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[tenure.estimators]\nboosted_elsewhere = shop_estimators:ESTIMATOR\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_estimator("boosted_elsewhere")
    assert found.where == "shop-estimators 1.2 (entry point tenure.estimators: boosted_elsewhere)"
    made = train_model(*world(), MEANINGS, SETTINGS, estimator=found).model
    made.save(tmp_path / "stored")
    assert PropensityModel.load(tmp_path / "stored").fingerprint == made.fingerprint


def test_an_unknown_estimator_is_refused_with_the_known_ones(folder):
    with pytest.raises(
        Exception, match="'histogram_bosting'.*histogram_boosting, logistic, trees.*'histogram_boosting'"
    ):
        find_estimator("histogram_bosting", folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ESTIMATOR = 3", "holds 3. Expected a class derived from"),
        (
            """
            from tenure.models.estimators.protocol import Estimator
            class Half(Estimator):
                def describe(self):
                    return "half"
            ESTIMATOR = Half
            """,
            "Half lacks dump, fit, load, raw_scores",
        ),
    ],
)
def test_what_is_no_estimator_is_refused_by_what_it_lacks(tmp_path, text, told):
    (tmp_path / "estimators").mkdir()
    (tmp_path / "estimators" / "half.py").write_text(textwrap.dedent(text))
    with pytest.raises(DefinitionError, match=told):
        find_estimator("half", tmp_path)


def test_a_changed_file_is_other_code(folder):
    before = plugins("estimators", folder)["histogram_boosting"].code
    with (folder / "estimators" / "histogram_boosting.py").open("a") as file:
        file.write("# another thought\n")
    assert plugins("estimators", folder)["histogram_boosting"].code != before


class Product(Estimator):
    """Two features that only count together, and one alone."""

    @classmethod
    def fit(cls, rows, settings, *, directions=(), rounds=0):
        return cls()

    def raw_scores(self, matrix):
        known = np.nan_to_num(matrix)
        return known[:, 0] * known[:, 1] + 3 * known[:, 2]

    def describe(self):
        return "product"

    def dump(self):
        return json.dumps({})

    @classmethod
    def load(cls, text):
        return cls()


def test_without_contributions_of_its_own_an_estimator_is_explained_against_the_usual_customer():
    found = Product().contributions(np.array([[2.0, 5.0, 1.0], [1.0, 1.0, np.nan]]), np.array([1.0, 1.0, 0.0]))
    # From 1 x 1 to 2 x 5 first one factor, then the other: (1 + 5) / 2 and (8 + 4) / 2.
    np.testing.assert_allclose(found, [[3.0, 6.0, 3.0, 1.0], [0.0, 0.0, 0.0, 1.0]])


def test_the_default_cross_fit_scores_each_row_by_a_fit_without_it():
    rows = FittingRows(np.ones((4, 3)), np.array([0, 1, 0, 1]))
    seen = []

    class Watched(Product):
        @classmethod
        def fit(cls, rows, settings, *, directions=(), rounds=0):
            seen.append(rows.labels.tolist())
            return cls()

    rounds, raw = Watched.cross_fit(rows, [(np.array([0, 1]), np.array([2, 3]))], SETTINGS)
    assert rounds == 0 and seen == [[0, 1]] and raw.tolist()[2:] == [4.0, 4.0] and np.isnan(raw[:2]).all()
