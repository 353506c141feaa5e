"""The process that forks kernels: a script of its own, which imports what the notebooks use and nothing of Tenure."""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# What notebooks import, the kernel's own first. Whatever is missing here is imported by the kernel that needs it.
PRELOADED = (
    "ipykernel.kernelapp", "matplotlib_inline.backend_inline", "matplotlib.pyplot", "pandas", "duckdb",
    "pyarrow.parquet", "pyarrow.dataset", "scipy.stats", "scipy.optimize", "sklearn.linear_model",
    "sklearn.model_selection", "sklearn.metrics", "lightgbm", "mlflow", "mlflow.pyfunc", "mlflow.models",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.data.pandas_dataset", "sqlglot.dialects.duckdb", "jinja2", "shap", "scipy.signal", "git",
)  # fmt: skip
_TO_PRELOAD = list(PRELOADED)
# Jupyter names to each kernel the process that started it; a forked one shows the environment of its nursery.
PARENT = "JPY_PARENT_PID"
LAUNCHER = "ipykernel_launcher"


def serve(descriptor: int) -> dict[str, Any]:
    """Fork a kernel for each request until the other side closes the channel, and import while nobody asks.

    Returns in each kernel, with what it was asked for.
    """
    from multiprocessing.connection import Connection

    # A kernel looks whether its own parent, this process, is still there.
    os.environ[PARENT] = str(os.getpid())
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Kernels work side by side: a thread of OpenMP that waits by turning round would keep another's from its core.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with Connection(descriptor) as channel:
        while True:
            _preload_until_asked(channel)
            try:
                asked = channel.recv()
                if "status_of" in asked:
                    channel.send(_status(asked["status_of"]))
                elif pid := os.fork():
                    with suppress(OSError):
                        os.setpgid(pid, pid)
                    channel.send(pid)
                else:
                    os.setpgid(0, 0)
                    return dict(asked)
            except (EOFError, OSError):
                os._exit(0)  # the run has ended, or was killed: nothing of our own is left to be finished


def _preload_until_asked(channel: Connection) -> None:
    """Import what is missing, one package after the other; a request that comes in between is answered first."""
    import gc
    from importlib import import_module

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while _TO_PRELOAD and not channel.poll():
            # A kernel that needs what cannot be imported says so itself, in its own words.
            with suppress(ImportError):
                import_module(_TO_PRELOAD.pop(0))
            if not _TO_PRELOAD:
                with suppress(ImportError):
                    # Every process that logs or loads a model asks which package brings which module, for a second.
                    import_module("mlflow.utils.requirements_utils").warn_dependency_requirement_mismatches(["mlflow"])
                gc.collect()
                gc.freeze()  # forks share what was imported: looking for garbage in it would copy it


def _status(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _be_a_kernel(asked: dict[str, Any]) -> None:
    import logging

    from ipykernel.kernelapp import launch_new_instance

    # A kernel that closes its sockets while a message comes in would write a trace to the run's own stderr. What a
    # cell raises comes as a message.
    for noisy in ("tornado", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    os.environ.clear()
    os.environ.update(asked["environment"] | {PARENT: str(os.getppid())})
    tempfile.tempdir = None  # where the nursery looked up its own: each run has another
    os.chdir(asked["folder"])
    sys.argv = [LAUNCHER, *asked["arguments"]]
    launch_new_instance()


def _leave_memory_to_the_system() -> None:
    """End a kernel once its threads and exit handlers are through.

    To free what was imported before the fork, module by module, would first copy it: three seconds for each kernel.
    """
    for stream in filter(None, (sys.__stdout__, sys.__stderr__)):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(0)


if __name__ == "__main__":
    # Before anything else is imported: the handler that is registered first is called last.
    atexit.register(_leave_memory_to_the_system)
    _be_a_kernel(serve(int(sys.argv[1])))
