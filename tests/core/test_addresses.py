"""Passwords in addresses: whatever is wrong with an address, nothing that is said, noted or sent repeats them."""

import io
import json
import traceback
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import servers
from drawn import drawn
from tables import write_csv
from tenure.core.addresses import is_postgresql, is_readable
from tenure.core.errors import DataContractError, TenureError
from tenure.core.logs import Log
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry
from tenure.runs.beginning import SCHEDULED, noting_failures
from tenure.runs.notify import notify
from tenure.scoring.review.failures import read_failures
from tenure.sources.raw_files import raw_table
from tenure.sources.readers.postgresql import copy_postgresql_table
from tenure.sources.source import read_source

SECRET = "hunter22"
# A password around it, and an address that is written wrongly in one way or another; nobody listens on port 9.
SIGN = st.sampled_from(["", "@", "/", "?", "#", ":", " ", "%", "'", "=", "a", "&", "\\"])
SHAPES = st.sampled_from([
    "{scheme}://ana:{password}@127.0.0.1:9/db", "{scheme}:/ana:{password}@127.0.0.1/db", "{scheme}//ana:{password}@127.0.0.1/db",
    "{scheme}://ana:{password}127.0.0.1/db", "{scheme}://ana:{password}", "{scheme}://{password}@127.0.0.1:port/db",
    "ana:{password}@127.0.0.1:9", "{scheme}://127.0.0.1:9/db?password:{password}", "{scheme}://127.0.0.1:{password}/db",
    "host=127.0.0.1 port=9 {password}", "host=127.0.0.1 port=9 password='{password}", "host 127.0.0.1 password {password}",
])  # fmt: skip
SCHEME = st.sampled_from(["postgresql", "http", "postgresql+psycopg", "htp"])


@pytest.fixture(scope="module")
def web_hook():
    """A real web server on loopback that keeps what it is sent."""
    with servers.web_hook() as started:
        yield started


@pytest.mark.parametrize("variable", ["TENURE_POSTGRESQL_URL", "MLFLOW_TRACKING_URI"])
@settings(drawn(6), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SHAPES, SCHEME, SIGN, SIGN)
@example("{scheme}:/ana:{password}@127.0.0.1/db", "postgresql", "", "")
@example("{scheme}://ana:{password}@127.0.0.1:9/db", "http", "", "\\")
@example("{scheme}://ana:{password}@127.0.0.1:9/db", "http", "'", "\\")
@example("{scheme}://127.0.0.1:{password}/db", "postgresql", "", "")
def test_no_password_of_any_address_is_said_noted_or_sent(web_hook, variable, shape, scheme, before, after):
    port, sent = web_hook
    sent.clear()
    address = shape.format(scheme=scheme, password=f"{before}{SECRET}{after}")
    said = io.StringIO()
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        patch.setenv("TENURE_NOTIFY", f"json://127.0.0.1:{port}/hook")
        patch.setenv(variable, address)
        patch.chdir(folder)
        workspace = Workspace(Path(folder))
        with redirect_stdout(said), redirect_stderr(said):
            try:
                with noting_failures(workspace, "shop", "tenure run", SCHEDULED, ""):
                    if variable.startswith("MLFLOW"):
                        Registry(workspace).check()
                    else:
                        copy_postgresql_table(variable, "orders", Path(folder) / "orders.parquet")
            except TenureError as error:
                trace = "".join(traceback.format_exception(error))
                Log().say("failed", str(error), message=str(error))
                with suppress(ImportError):
                    notify("failed", str(error))
            else:
                raise AssertionError("nobody answers there")
        (noted,) = read_failures(workspace, "shop")
        assert variable in noted.text, "what is to be mended is named"
        left = [path.read_text() for path in Path(folder).rglob("*") if path.is_file()]
    assert SECRET not in "".join([said.getvalue(), trace, *left, *sent, json.dumps(noted.text)])


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ana:hun%40ter@host:5432/db?sslmode=require&connect_timeout=5", "postgresql:///db?host=/run/postgresql",
        "postgresql://one:1,two:2/db", "postgres://[::1]:5432/db", "host=h user=ana password='it\\'s of him' dbname=d", "service=shop",
    ],
)  # fmt: skip
def test_an_address_as_postgresql_reads_it_is_read(address):
    assert is_postgresql(address)


@pytest.mark.parametrize(
    "address", ["sqlite:////srv/a b@c/mlflow.db", "/srv/team/mlruns", "databricks", "http://host:5000/mlflow/"]
)
def test_an_address_of_a_store_is_read_and_none_of_postgresqls(address):
    assert is_readable(address) and not is_postgresql(address)


def reading(root, variable):
    workspace = Workspace(root)
    write_csv(workspace.raw("shop") / "customers.csv", "customer_id", "ana")
    (workspace.raw("shop") / "source.toml").write_text(
        f'[raw."postgresql"]\nurl_env = "{variable}"\n[order_lines]\nfrom = "postgresql#orders"\ncustomer_id = "c"\n'
        'occurred_at = "t"\norder_id = "o"\namount = "a"\n'
    )
    return raw_table(read_source(workspace, "shop"), workspace.raw("shop"), root, "postgresql#orders").url_env


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "TENURE_PSEUDONYM_KEY", "TENURE_NOTIFY", "tenure_url"])
def test_a_source_names_no_variable_that_holds_anothers_secret(tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, SECRET)
    with pytest.raises(DataContractError, match=f"url_env is '{variable}'. Expected .*TENURE_URL_VARIABLES") as told:
        reading(tmp_path, variable)
    assert SECRET not in str(told.value)


def test_a_source_names_a_variable_of_tenure_or_one_that_is_allowed_by_name(tmp_path, monkeypatch):
    assert reading(tmp_path, "TENURE_SHOP") == "TENURE_SHOP"
    monkeypatch.setenv("TENURE_URL_VARIABLES", "ERP_URL, SHOP_URL")
    assert reading(tmp_path, "SHOP_URL") == "SHOP_URL"
