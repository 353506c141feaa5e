"""Secrets of the environment are blotted out, whoever reads the address they stand in."""

import json
import traceback

import pytest

from tenure.core.errors import RegistryError
from tenure.core.secrets import without_secrets
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MLFLOW_TRACKING_URI", "http://ana:hunter22@host:5000"),
        ("MLFLOW_TRACKING_URI", "postgresql://ana:of/hunter22@host/db"),
        ("MLFLOW_TRACKING_URI", "postgresql://ana:of#hunter22?@host/db"),
        ("MLFLOW_TRACKING_URI", "postgresql://ana:of@hunter22@host/db"),
        ("MLFLOW_TRACKING_URI", "postgresql://host/db?user=ana&password=hunter22"),
        ("TENURE_POSTGRESQL_URL", "host=h user=ana password='of hunter22' dbname=d"),
        ("SHOP_DATABASE", "postgresql://ana:hunter22@host/db"),
        ("TENURE_NOTIFY", "json://ana:secret99@one, json://ben:hunter22@two"),
        ("TENURE_NOTIFY", "slack://TokenA/hunter22/TokenC"),
        ("TENURE_SPARK_REMOTE", "sc://host:15002/;token=hunter22;user_id=ana"),
        ("AWS_SECRET_ACCESS_KEY", "hunter22"),
        ("TENURE_PSEUDONYM_KEY", "hunter22"),
    ],
)
def test_a_secret_is_blotted_out_wherever_it_stands(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert "hunter22" not in without_secrets(f"{variable} is {value}")
    assert "hunter22" not in without_secrets(json.dumps({variable: value}))


def test_a_secret_that_json_writes_otherwise_is_found_there_too(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", 'hünter"22')
    for text in (json.dumps(['hünter"22']), json.dumps(['hünter"22'], ensure_ascii=False)):
        assert json.loads(without_secrets(text)) == ["***"]


def test_ordinary_words_stay(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "churn")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000/churn")
    monkeypatch.setenv("PATH_OF_ALL", "/usr/bin:/bin")
    text = "churn at http://localhost:5000/churn, /usr/bin:/bin"
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    "address",
    [
        "http://ana:hunter22@127.0.0.1:1",
        "postgresql+psycopg://127.0.0.1:1/db?user=ana&password=hunter22",
        "postgresql+psycopg://ana:hunter22@host:no-port/db",
        "htp://ana:hunter22@host",
    ],
)
def test_the_whole_trace_of_a_failing_store_holds_no_password(tmp_path, monkeypatch, address):
    """A notebook that JupyterLab or another Papermill runs keeps the trace, what MLflow itself said included."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(RegistryError, match="Expected a reachable store; check MLFLOW_TRACKING_URI") as failed:
        Registry(Workspace(tmp_path)).check()
    assert "hunter22" not in "".join(traceback.format_exception(failed.value))
