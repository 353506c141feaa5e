"""A workspace's MLflow store: its one address, and a client whose failures are told in one message."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tenure.core.addresses import is_database_or_web, is_readable, without_password
from tenure.core.errors import RegistryError
from tenure.core.secrets import without_secrets
from tenure.core.workspace import Workspace
from tenure.models.registry.local_store import create_local_store, rebase_local_store

if TYPE_CHECKING:
    from mlflow.store.entities import PagedList
    from mlflow.tracking import MlflowClient

# How MLflow's client words a server that knows nobody of that name and password, and one that knows them too well.
UNAUTHENTICATED, FORBIDDEN = "error code 401", "error code 403"
# Databases whose drivers all know a time-out of connecting, in seconds.
SERVERS = ("postgresql", "mysql")
ANSWER_SECONDS = 20
LOCKED = "database is locked"
# How MLflow answers who asks for what is not there, or not as it was, unless another error made it say so.
GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS")
Found = TypeVar("Found")
PAGE = 1_000  # no kind of search gives more at once


def tracking_uri(workspace: Workspace, recorded: str | None = None) -> str:
    """Return the store's one absolute address: ``MLFLOW_TRACKING_URI``, else SQLite under the workspace.

    ``recorded`` is the one a run began with, as ``MlflowStore.recorded`` gave it: the environment may have changed
    since.
    """
    asked = os.environ.get("MLFLOW_TRACKING_URI", "")
    if recorded is not None and _without_password(asked) != recorded:
        asked = recorded
    return asked or f"sqlite:///{workspace.mlruns.resolve() / 'mlflow.db'}"


def every(search: Callable[..., PagedList[Found]]) -> Iterator[Found]:
    """List all that a search of MLflow's client finds: a store gives a page at a time."""
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token)
        yield from page
        if not (token := page.token):
            break


class MlflowStore:
    """The MLflow store of a workspace. ``client`` connects, and makes a local store where there is none."""

    def __init__(self, workspace: Workspace, recorded: str | None = None) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        # A server that does not answer is to be said within seconds, not after minutes of retries.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        self.workspace = workspace
        self.uri = tracking_uri(workspace, recorded)
        self.artifacts = workspace.mlruns.resolve() / "artifacts"
        self._database = Path(self.uri.removeprefix("sqlite:///")) if self.uri.startswith("sqlite:///") else None
        # Of this workspace alone, and moved with it; any other store may be shared.
        self.is_own = self._database is not None and self._database.resolve() == self.artifacts.with_name("mlflow.db")
        if self.is_own:
            # Else MLflow holds the file open, and writes to it where it was moved to.
            os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")

    @property
    def recorded(self) -> str:
        """The store's address for a run's record: empty for the workspace's own, which moves with it.

        Without a password.
        """
        return "" if self.is_own else self.place

    @property
    def place(self) -> str:
        """The store's address as it may be told."""
        return _without_password(self.uri)

    @contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """Give a client of the store.

        Raises
        ------
        RegistryError : the store cannot be reached, or refuses what it is asked.
        """
        import logging

        for noisy in ("alembic", "mlflow", "mlflow.store.db.utils"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)  # what fails is told once, by us
        with warnings.catch_warnings():
            # On import MLflow asks notebooks for a progress-bar widget that nothing here uses.
            warnings.simplefilter("ignore")
            import mlflow
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        # Setting the address writes it into the environment, which kernels inherit: put back what was there.
        before = os.environ.get("MLFLOW_TRACKING_URI")
        is_told = is_readable(self.uri)
        if not (is_told or is_database_or_web(self.uri)):
            raise self._unreadable()
        try:
            with self.workspace.owner_only():
                if self._database and not self._database.exists():
                    create_local_store(self._database, self.artifacts)
                if self._database and self.is_own:
                    rebase_local_store(self._database, self.artifacts)
                # MLflow remembers where a run's artefacts lie; in a copy of the workspace the same run has others.
                vars(mlflow.tracking._tracking_service.utils)["_artifact_repos_cache"].clear()
                mlflow.set_tracking_uri(self.uri)
                mlflow.set_registry_uri(self.uri)
                yield self._connected()
        except (MlflowException, SQLAlchemyError, OSError, sqlite3.Error) as error:
            if not is_told:  # nobody knows which of its words are the password
                raise self._unreadable() from None
            _blot_out_secrets(error)
            raise RegistryError(
                f"MLflow store {self.place}: {_what_went_wrong(error)} The champion is as it was."
            ) from error
        finally:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
            if before is not None:
                os.environ["MLFLOW_TRACKING_URI"] = before

    def _unreadable(self) -> RegistryError:
        return RegistryError(
            f"MLflow store {self.place}: it does not answer, or the address cannot be read. Expected a reachable store; "
            "check MLFLOW_TRACKING_URI, as in postgresql://user:password@host:5432/database, with @ : / ? # of a password "
            "written %40 %3A %2F %3F %23. The champion is as it was."
        )

    def _connected(self) -> MlflowClient:
        import mlflow

        try:
            _check_server(self.uri)
            return mlflow.tracking.MlflowClient(self.uri, self.uri)
        except (ValueError, ImportError) as error:  # an address that is none, a database whose driver is missing
            raise OSError(str(error)) from None


def _check_server(uri: str) -> None:
    """Ask a database server once whether it answers: MLflow itself would ask eleven times, for almost two minutes.

    Raises
    ------
    SQLAlchemyError : it does not. ImportError, ValueError : its driver is missing, the address is none.
    """
    if not uri.startswith(SERVERS):
        return
    from sqlalchemy import NullPool, create_engine

    with create_engine(uri, poolclass=NullPool, connect_args={"connect_timeout": ANSWER_SECONDS}).connect():
        pass


def _what_went_wrong(error: BaseException) -> str:
    """Say what the store answered, what was expected, and what to check."""
    if UNAUTHENTICATED in str(error):
        return "it does not know this user and password. Expected those of the server; check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
    if FORBIDDEN in str(error):
        return "this user may not do that. Expected the permission EDIT on the experiment and the registered model; ask the server's administrator."
    if LOCKED in str(error):
        return "the database is locked. Expected to be able to write; close whatever holds it, such as the MLflow UI, and run again."
    if is_gone(error):
        return f"{_first_cause(error)}. Expected it as Tenure left it; what was deleted or changed in MLflow is to be restored there, or trained again."
    return f"{_first_cause(error)}. Expected a reachable store; check MLFLOW_TRACKING_URI or the folder mlruns."


def is_gone(error: BaseException) -> bool:
    """Say whether the store works, but what it was asked for is not there, or not as it was."""
    return getattr(error, "error_code", "") in GONE and not (error.__cause__ or error.__context__)


def _first_cause(error: BaseException) -> str:
    """Say what went wrong at the bottom of a chain of errors, in one line."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _blot_out_secrets(error: BaseException | None) -> None:
    """Blot them out of a whole chain of errors: a notebook that runs without ``tenure`` keeps what MLflow said, address
    and all.
    """
    while error:
        error.args = tuple(without_secrets(told) if isinstance(told, str) else told for told in error.args)
        if isinstance(told := getattr(error, "message", None), str):
            error.message = without_secrets(told)  # type: ignore[attr-defined]  # MlflowException
        error = error.__cause__ or error.__context__


def _without_password(uri: str) -> str:
    return without_secrets(without_password(uri, "MLFLOW_TRACKING_URI"))
