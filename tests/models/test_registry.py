"""The registered models of a store, however many there are, and who made which champion."""

import pytest

from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Registry(Workspace(tmp_path))


def test_every_model_is_listed_though_a_server_gives_a_hundred_at_a_time(registry):
    names = [f"shop{number:03d}-churn" for number in range(101)]
    with registry.client() as client:
        for name in names:
            client.create_registered_model(name)
        client.create_registered_model("shop007-eu-churn")
    assert registry.model_names() == sorted([*names, "shop007-eu-churn"])
    assert registry.model_names("shop007") == ["shop007-churn"]


def test_a_promotion_is_marked_only_once_the_alias_has_moved(registry, monkeypatch):
    """Killed between the two, a run is repeated: a mark before the move would make the repeat leave the champion as it was."""
    with registry.client() as client:
        client.create_registered_model("shop-churn")
        client.create_model_version("shop-churn", "file:///nowhere")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mlflow.tracking.MlflowClient.set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.promote("shop-churn", "1")
    assert registry.champion("shop-churn") is None and not registry.was_promoted("shop-churn", "1")
    registry.promote("shop-churn", "1")
    assert registry.champion("shop-churn") == "1" and registry.was_promoted("shop-churn", "1")
    assert [change.what for change in registry.changes("shop-churn")] == ["promoted"]
