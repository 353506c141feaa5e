"""Kernels that start at once: each is forked from one process that has imported what the notebooks use.

A kernel of its own imports for three to six seconds before its first cell. Here one *nursery* process per run imports
the packages once, and forks. Tenure itself is not among them: a kernel always has the code as it is on disk. Linux
only; elsewhere, and where the nursery cannot start, kernels start as Jupyter starts them.

The standard library's forkserver answers its first request only when all is imported: the first kernel of a run began
after 40 s there and after 2-3 s here, on two busy cores (later ones after .2 s and .3-.9 s). It also imports the
caller's ``__main__`` again: a script that calls ``run_flow`` without a guard would run twice.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from multiprocessing import Pipe
from threading import Lock
from typing import Any
from uuid import uuid4

from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from tenure.runs import nursery
from tenure.runs.nursery import LAUNCHER, PARENT

# The status of a kernel whose nursery is gone: it ends with it.
LOST = -signal.SIGKILL
POLL_SECONDS = 0.05


class NurseryGone(OSError):
    """The process that forks kernels has ended."""


class Nursery:
    """One process that imports once, and forks a kernel whenever it is asked. It ends with the process that made it."""

    _current: Nursery | None = None
    _making = Lock()

    @classmethod
    def current(cls) -> Nursery:
        """Give the nursery of this process: made when it is first asked for, made anew where it has ended."""
        with cls._making:
            if cls._current is None or cls._current._process.poll() is not None:
                cls._current = cls()
            return cls._current

    def __init__(self) -> None:
        self._asking = Lock()
        self._channel, theirs = Pipe()
        # -P: a kernel's path does not begin with whatever folder the run was started in.
        self._process = subprocess.Popen(
            [sys.executable, "-P", nursery.__file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {PARENT: str(os.getpid())},
        )
        theirs.close()

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

    def _ask(self, question: dict[str, Any]) -> Any:
        with self._asking:
            try:
                self._channel.send(question)
                return self._channel.recv()
            except (EOFError, OSError) as error:
                raise NurseryGone(f"process {self._process.pid} has ended") from error


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


def prepare() -> None:
    """Start the process that forks kernels, so that it imports while this one does. Nothing elsewhere than on Linux."""
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel is then started as Jupyter starts it
            Nursery.current()


class ForkingProvisioner(LocalProvisioner):
    """Starts kernels by asking the nursery of this process."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Fork a kernel; where the nursery is gone, start one as Jupyter does."""
        own_arguments = cmd[cmd.index(LAUNCHER) + 1 :]
        environment = {**kwargs.get("env", os.environ)}
        try:
            nursery = Nursery.current()
            pid = nursery.fork(own_arguments, environment, str(kwargs.get("cwd") or os.getcwd()))
        except OSError:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = ForkedKernel(nursery, pid)  # type: ignore[assignment]  # declared as None, set to a Popen
        self.pid = self.pgid = pid
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
