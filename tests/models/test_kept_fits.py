"""A fit is made once: whoever asks again with the same rows, settings and code finds it; whoever asks with anything else does not."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.models import kept_fits
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.kept_fits import KeptFits
from tenure.models.model import FeatureMeaning
from tenure.models.train import train_model
from tenure.models.training_result import train_target
from tenure.snapshots.build import Snapshots
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

SETTINGS = TrainingSettings(max_trees=20, learning_rate=0.1, folds=3)
MEANINGS = (
    FeatureMeaning("failed", "failed payments", "count", "failed payments", "", 30),
    FeatureMeaning("plan", "plan", "category", "plan", ""),
)
COLUMNS = ["label", "customer_id", "failed", "plan"]


def rows():
    generator = np.random.default_rng(1)
    failed = generator.poisson(0.5, 600).astype(float)
    return pd.DataFrame(
        {
            "customer_id": [f"c{i // 2}" for i in range(600)],
            "label": (generator.random(600) < 0.2 + 0.2 * (failed > 0)).astype(int),
            "failed": np.where(generator.random(600) < 0.1, np.nan, failed),
            "plan": generator.choice(["Solo", "House", None], 600),
        }
    )


class Fits:
    """Fits trees on a table, and counts how often."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def ask(self, table, settings=SETTINGS, monotone=None):
        kept, made_with = KeptFits.of(self.folder, table, COLUMNS), (settings, MEANINGS, monotone)
        if (found := kept.find(*made_with)) is not None:
            return found
        self.count += 1
        labels, customers = table["label"].to_numpy(), table["customer_id"].to_numpy()
        trained = train_model(
            table, labels, customers, MEANINGS, settings, monotone=monotone, with_unconstrained=bool(monotone)
        )
        return kept.keep(trained, *made_with)


@pytest.fixture
def fits(tmp_path):
    return Fits(tmp_path / "fits")


def test_what_was_fitted_before_is_found_the_same_to_the_bit(fits):
    table = rows()
    made, found = fits.ask(table, monotone={"failed": 1}), fits.ask(rows(), monotone={"failed": 1})
    assert fits.count == 1
    assert found.model.fingerprint == made.model.fingerprint
    assert (found.settings, found.trees) == (made.settings, made.trees)
    np.testing.assert_array_equal(found.out_of_fold, made.out_of_fold)
    np.testing.assert_array_equal(found.unconstrained, made.unconstrained)
    np.testing.assert_array_equal(found.model.propensities(table), made.model.propensities(table))


def one_label(table):
    return table.assign(label=table["label"].where(table.index != 7, 1 - table["label"]))


def one_value(table):
    return table.assign(failed=table["failed"].where(table.index != 7, 9.0))


def one_unknown(table):
    return table.assign(plan=table["plan"].where(table.index != table["plan"].first_valid_index()))


def one_customer(table):
    return table.assign(customer_id=table["customer_id"].where(table.index != 7, "c0"))


def another_order(table):
    return table.iloc[::-1].reset_index(drop=True)


@pytest.mark.parametrize("change", [one_label, one_value, one_unknown, one_customer, another_order])
def test_any_other_row_is_fitted_anew(fits, change):
    fits.ask(rows())
    fits.ask(change(rows()))
    assert fits.count == 2


def test_other_settings_constraints_or_code_are_fitted_anew(fits, monkeypatch):
    fits.ask(rows())
    fits.ask(rows(), settings=replace(SETTINGS, seed=8))
    fits.ask(rows(), monotone={"failed": -1})
    assert fits.count == 3
    monkeypatch.setattr(kept_fits, "CODE", "another version")
    fits.ask(rows())
    assert fits.count == 4


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_is_cut_short_is_fitted_anew(fits, share):
    made = fits.ask(rows())
    (path,) = fits.folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert fits.ask(rows()).model.fingerprint == made.model.fingerprint
    assert fits.count == 2 and path.read_bytes() == whole


def test_a_file_with_a_flipped_bit_gives_the_same_or_is_fitted_anew(fits):
    made = fits.ask(rows())
    (path,) = fits.folder.iterdir()
    whole = path.read_bytes()
    # Every byte of the archive's own tables, at its end, and a sample of the others.
    places = [*range(len(whole) - 400, len(whole)), *range(0, len(whole), len(whole) // 100)]
    for place in places:
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        found = kept_fits._read(path)
        assert found is None or found.model.fingerprint == made.model.fingerprint, place
    content = bytearray(whole)
    content[len(whole) // 2] ^= 1
    path.write_bytes(content)
    assert fits.ask(rows()).model.fingerprint == made.model.fingerprint
    assert fits.count == 2 and path.read_bytes() == whole


def test_fits_that_were_not_asked_for_longest_make_room(fits, monkeypatch):
    fits.ask(rows())
    (first,) = fits.folder.iterdir()
    monkeypatch.setattr(kept_fits, "MOST_BYTES", int(2.5 * first.stat().st_size))
    fits.ask(one_label(rows()))
    fits.ask(rows())
    fits.ask(one_value(rows()))
    assert len(list(fits.folder.iterdir())) == 2 and fits.count == 3
    fits.ask(rows())
    assert fits.count == 3, "the first was asked for since"
    fits.ask(one_label(rows()))
    assert fits.count == 4


def test_the_next_day_of_a_month_fits_nothing_anew_and_is_judged_the_same(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=600, seed=11)
    staged = stage_source(workspace, read_source(workspace, "demo"))
    today = Snapshots(workspace, staged, staged.default_as_of)
    yesterday = Snapshots(workspace, staged, today.as_of - timedelta(days=1))
    before = train_target(yesterday, yesterday.targets["lapse"], SETTINGS)

    def refuse(*_, **__):
        raise AssertionError("fitted anew")

    monkeypatch.setattr("tenure.models.fit_target.train_model", refuse)
    monkeypatch.setattr("tenure.models.fit_target.grouped_folds", refuse)
    after = train_target(today, today.targets["lapse"], SETTINGS)
    assert after.plan == before.plan
    assert after.model.fingerprint == before.model.fingerprint
    assert after.evaluation.metrics == before.evaluation.metrics
