"""Two workspaces with a source of one name on one MLflow store: the second is refused, a copy of the first goes on."""

import shutil

import mlflow
import pytest

from registered import NAME, register, small_model
from tenure.core.errors import DefinitionError, RegistryError
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry
from tenure.sources.source import parse_source

FIRST, SECOND = small_model(5), small_model(6)


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A store that is no workspace's own."""
    uri = f"sqlite:///{tmp_path}/shared/mlflow.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return mlflow.MlflowClient(uri, uri)


def company(root, toml=""):
    workspace = Workspace(root)
    workspace.raw("shop").mkdir(parents=True)
    (workspace.raw("shop") / "source.toml").write_text(toml)
    return workspace


def with_champion(workspace):
    register(workspace, FIRST)
    registry = Registry(workspace)
    registry.promote(NAME, "1")
    registry.promote(NAME, register(workspace, SECOND))
    return registry


def owner(client):
    return client.get_registered_model(NAME).tags["tenure.owner"]


def test_another_companys_source_of_the_same_name_is_refused_whatever_it_does(shared, tmp_path):
    first = with_champion(company(tmp_path / "north"))
    other = Registry(company(tmp_path / "south"))
    run = first.find(NAME, "1").run_id
    for act in (
        lambda: other.load(NAME, "1"),
        lambda: other.check_loggable(NAME),
        lambda: register(other.workspace, FIRST),
        lambda: other.promote(NAME, "1"),
        lambda: other.rollback(NAME),
        lambda: other.point_champion(NAME, None),
        lambda: other.attach(run, tmp_path / "south" / "data" / "raw" / "shop" / "source.toml"),
    ):
        with pytest.raises(RegistryError) as refused:
            act()
        message = str(refused.value)
        assert f"shop of another owner, '{owner(shared)}'" in message and "\n" not in message
        assert f'write owner = "{owner(shared)}" into its source.toml' in message
    assert owner(shared).startswith("north-")
    assert [version.version for version in first.versions(NAME)] == ["2", "1"] and first.champion(NAME) == "2"
    assert first.rollback(NAME) == ("2", "1") and first.load(NAME, "1").fingerprint == FIRST.fingerprint


def test_a_copy_and_a_moved_workspace_go_on_as_the_same_owner(shared, tmp_path):
    first = with_champion(company(tmp_path / "north"))
    shutil.copytree(tmp_path / "north", tmp_path / "copy")
    copy = Registry(Workspace(tmp_path / "copy"))
    copy.check_loggable(NAME)
    assert copy.load(NAME, "2").fingerprint == SECOND.fingerprint and copy.rollback(NAME) == ("2", "1")
    moved = Registry(Workspace((tmp_path / "north").rename(tmp_path / "moved")))
    assert moved.promote(NAME, "2") == "1" and first.champion(NAME) == "2"


def test_two_workspaces_that_say_they_are_one_company_share_its_models(shared, tmp_path):
    with_champion(company(tmp_path / "north", 'owner = "acme"'))
    other = Registry(company(tmp_path / "south", 'owner = "acme"'))
    assert owner(shared) == "acme" and other.load(NAME, "2").fingerprint == SECOND.fingerprint
    assert other.rollback(NAME) == ("2", "1")
    assert not (tmp_path / "north" / "data" / "owners").exists()


def test_what_the_message_says_to_write_lets_the_second_workspace_go_on(shared, tmp_path):
    with_champion(company(tmp_path / "north"))
    other = company(tmp_path / "south")
    (other.raw("shop") / "source.toml").write_text(f'owner = "{owner(shared)}"')
    assert Registry(other).rollback(NAME) == ("2", "1")


def test_another_source_of_the_second_workspace_is_its_own(shared, tmp_path):
    with_champion(company(tmp_path / "north"))
    other = company(tmp_path / "south")
    assert register(other, FIRST, "shop-south-lapse") == "1"
    assert Registry(other).promote("shop-south-lapse", "1") is None
    assert shared.get_registered_model("shop-south-lapse").tags["tenure.owner"].startswith("south-")


def test_a_model_of_before_there_were_owners_belongs_to_who_writes_next(shared, tmp_path):
    first, other = with_champion(company(tmp_path / "north")), Registry(company(tmp_path / "south"))
    experiment = shared.get_experiment_by_name(NAME).experiment_id
    shared.delete_registered_model_tag(NAME, "tenure.owner")
    shared.delete_experiment_tag(experiment, "tenure.owner")
    assert other.load(NAME, "2").fingerprint == SECOND.fingerprint, "reading claims nothing"
    assert "tenure.owner" not in shared.get_registered_model(NAME).tags
    assert other.rollback(NAME) == ("2", "1")
    with pytest.raises(RegistryError, match="shop of another owner, 'south-"):
        first.load(NAME, "1")


def test_a_first_training_that_is_under_way_is_already_its_owners(shared, tmp_path):
    """There is no registered model yet, and runs that a killed process left open are ended by who comes next."""
    first, other = Registry(company(tmp_path / "north")), Registry(company(tmp_path / "south"))
    first.check_loggable(NAME)
    experiment = shared.get_experiment_by_name(NAME).experiment_id
    shared.create_run(experiment, tags={"source": "shop"})
    with pytest.raises(RegistryError, match="shop of another owner, 'north-"):
        other.check_loggable(NAME)
    assert other.end_interrupted("shop") == 0 and first.end_interrupted("shop") == 1


def test_forgetting_a_customer_leaves_another_companys_models_alone(shared, tmp_path):
    first, other = with_champion(company(tmp_path / "north")), Registry(company(tmp_path / "south"))
    assert other.texts([NAME]) == [] and other.revise_texts([NAME], lambda text: "[forgotten]") == 0
    assert other.revise_files([NAME], lambda path: True) == 0
    assert first.revise_files([NAME], lambda path: False) > 0 and len(first.texts([NAME])) > 0


def test_a_workspaces_own_store_needs_no_owner(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry = with_champion(company(tmp_path / "north"))
    with registry.client() as client:
        assert "tenure.owner" not in client.get_registered_model(NAME).tags
    assert not (tmp_path / "north" / "data" / "owners").exists()
    shutil.copytree(tmp_path / "north", tmp_path / "copy")
    assert Registry(Workspace(tmp_path / "copy")).rollback(NAME) == ("2", "1")
    assert registry.champion(NAME) == "2"


def test_an_owner_is_text():
    assert parse_source('owner = "acme"', name="shop", where="source.toml").owner == "acme"
    with pytest.raises(DefinitionError, match="owner is 7: expected text"):
        parse_source("owner = 7", name="shop", where="source.toml")
