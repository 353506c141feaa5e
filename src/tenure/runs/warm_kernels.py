"""Kernels that start at once: each is forked from one process that has imported what the notebooks use.

A kernel of its own imports for three to six seconds before its first cell. Here one *nursery* process per run imports
the packages once, and forks. Tenure itself is not among them: a kernel always has the code as it is on disk. Linux
only; elsewhere, and where the nursery cannot start, kernels start as Jupyter starts them.

The standard library's forkserver answers its first request only when all is imported: the first kernel of a run began
after 40 s there and after 2-3 s here, on two busy cores (later ones after .2 s and .3-.9 s). It also imports the
caller's ``__main__`` again: a script that calls ``run_flow`` without a guard would run twice.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from typing import Any, NoReturn, TextIO
from uuid import uuid4

from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

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
# The status of a kernel whose nursery is gone: it ends with it.
LOST = -signal.SIGKILL
POLL_SECONDS = 0.05


class NurseryGone(OSError):
    """The process that forks kernels has ended."""


class Nursery:
    """One process that imports once, and forks a kernel whenever it is asked. It ends with the process that made it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._lock = Lock()
        # -P: a kernel's path does not begin with whatever folder the run was started in.
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {PARENT: str(os.getpid())},
        )
        theirs.close()
        self._channel = ours.makefile("rw", encoding="utf-8")
        ours.close()

    def fork(self, arguments: list[str], environment: dict[str, str], folder: str) -> int:
        """Start a kernel; return its process id, which is its process group's too.

        Raises
        ------
        NurseryGone : there is nobody to fork it.
        """
        return int(self._ask({"arguments": arguments, "environment": environment, "folder": folder}))

    def status(self, pid: int) -> int | None:
        """Return how a kernel ended, as ``Popen.returncode`` would; None while it works."""
        try:
            found = self._ask({"status_of": pid})
        except NurseryGone:
            return LOST
        return None if found is None else int(found)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def _ask(self, question: dict[str, Any]) -> Any:
        with self._lock:
            try:
                self._channel.write(json.dumps(question) + "\n")
                self._channel.flush()
                answer = self._channel.readline()
            except (OSError, ValueError) as error:
                raise NurseryGone(str(error)) from error
        if not answer:
            raise NurseryGone(f"process {self._process.pid} has ended")
        return json.loads(answer)


class ForkedKernel:
    """What Jupyter asks of a kernel's process, where that is another process's child."""

    stdin = stdout = stderr = None

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.status(self.pid)
        return self.returncode

    def wait(self) -> int:
        while (status := self.poll()) is None:
            time.sleep(POLL_SECONDS)
        return status

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class _Nurseries:
    """The nursery of this process: made when the first kernel is asked for, made anew where it has ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: Nursery | None = None

    def current(self) -> Nursery:
        with self._lock:
            if self._made is None or not self._made.is_alive:
                self._made = Nursery()
            return self._made


_NURSERIES = _Nurseries()


def prepare() -> None:
    """Start the process that forks kernels, so that it imports while this one does. Nothing elsewhere than on Linux."""
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel is then started as Jupyter starts it
            _NURSERIES.current()


class ForkingProvisioner(LocalProvisioner):
    """Starts kernels by asking the nursery of this process."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork a kernel; where the nursery is gone, start one as Jupyter does."""
        environment = {**kwargs.get("env", os.environ)}
        try:
            nursery = _NURSERIES.current()
            pid = nursery.fork(_own_arguments(cmd), environment, str(kwargs.get("cwd") or os.getcwd()))
        except OSError:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = ForkedKernel(nursery, pid)  # type: ignore[assignment]  # declared as None, set to a Popen
        self.pid = self.pgid = pid  # type: ignore[assignment]
        self.cwd = kwargs.get("cwd")
        return self.connection_info


class ForkingKernelManager(AsyncKernelManager):
    """Jupyter's manager of one kernel, with kernels that are forked."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if sys.platform == "linux" and LAUNCHER in self.kernel_spec.argv:  # type: ignore[union-attr]
            # Named sockets of this machine (@: without a file, so a kill leaves none), not ports: two runs that start
            # in the same instant find the same port free.
            self.transport, self.ip = "ipc", f"@{uuid4()}"
            self.provisioner = ForkingProvisioner(kernel_id="", kernel_spec=self.kernel_spec, parent=self)


def _own_arguments(command: list[str]) -> list[str]:
    """Give what of Jupyter's command is for the kernel itself."""
    return command[command.index(LAUNCHER) + 1 :]


def _serve(descriptor: int) -> dict[str, Any]:
    """Fork a kernel for each request until the other side closes the channel, and import while nobody asks.

    Returns in each kernel, with what it was asked for.
    """
    # A kernel looks whether its own parent, this process, is still there.
    os.environ[PARENT] = str(os.getpid())
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with socket.socket(fileno=descriptor) as channel, channel.makefile("rw", encoding="utf-8") as lines:
        _preload_until_asked(channel)
        for line in _until_it_ends(lines):
            asked = json.loads(line)
            if "status_of" in asked:
                answer = _status(asked["status_of"])
            elif pid := os.fork():
                with suppress(OSError):
                    os.setpgid(pid, pid)
                answer = pid
            else:
                os.setpgid(0, 0)
                break
            try:
                lines.write(json.dumps(answer) + "\n")
                lines.flush()
            except OSError:
                os._exit(0)  # the run that asked was killed: nobody is to be told anything
            _preload_until_asked(channel)
        else:
            os._exit(0)  # nothing of its own is left to be finished
    return asked


def _preload_until_asked(channel: socket.socket) -> None:
    """Import what is missing, one package after the other; a request that comes in between is answered first."""
    import gc
    from importlib import import_module
    from select import select

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while _TO_PRELOAD and not select([channel], [], [], 0)[0]:
            # A kernel that needs what cannot be imported says so itself, in its own words.
            with suppress(ImportError):
                import_module(_TO_PRELOAD.pop(0))
            if not _TO_PRELOAD:
                with suppress(ImportError):
                    # Every process that logs or loads a model asks which package brings which module, for a second.
                    import_module("mlflow.utils.requirements_utils").warn_dependency_requirement_mismatches(["mlflow"])
                gc.collect()
                gc.freeze()  # forks share what was imported: looking for garbage in it would copy it


def _until_it_ends(lines: TextIO) -> Iterator[str]:
    """Read a channel to its end, also to one that comes by a kill on the other side."""
    with suppress(OSError):
        while line := lines.readline():
            yield line


def _status(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _be_a_kernel(asked: dict[str, Any]) -> None:
    from ipykernel.kernelapp import launch_new_instance

    os.environ.clear()
    os.environ.update(asked["environment"] | {PARENT: str(os.getppid())})
    tempfile.tempdir = None  # where the nursery looked up its own: each run has another
    os.chdir(asked["folder"])
    sys.argv = [LAUNCHER, *asked["arguments"]]
    launch_new_instance()


def _leave() -> NoReturn:
    """End a kernel as an interpreter ends, threads and exit handlers first, but leave its memory to the system.

    To free what was imported before the fork, module by module, would first copy it: three seconds for each kernel.
    """
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.__stdout__, sys.__stderr__)):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(0)


if __name__ == "__main__":
    _be_a_kernel(_serve(int(sys.argv[1])))
    _leave()
