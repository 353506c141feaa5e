"""Real servers for tests, each in a folder of its own and on loopback or a socket alone."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ADMIN, ADMIN_PASSWORD = "admin", "s3cret-of-the-team"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until_it_answers(url, process, log, seconds=90):
    """Wait for a server's health page; a server that ends first is told with its last lines."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer: {log.read_text()[-2000:]}")


@contextmanager
def postgresql_server(folder):
    """Start PostgreSQL on a socket in a folder; gives that folder, its host. The user is ``tenure``.

    Skips where there is none: Debian's package ``postgresql`` brings it.
    """
    initdb = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if initdb is None:
        pytest.skip("no PostgreSQL server is installed here (Debian's package is postgresql)")
    # The server refuses to run as root.
    user: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("runuser") is None or subprocess.run(["id", "postgres"], capture_output=True).returncode:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        user = ["runuser", "-u", "postgres", "--"]
        for parent in (folder, *folder.parents[:3]):
            parent.chmod(parent.stat().st_mode | 0o055)  # a shared folder for temporary files stays one
        shutil.chown(folder, "postgres")
    data = folder / "data"
    subprocess.run(
        [*user, initdb, "-D", str(data), "-U", "tenure", "--auth=trust"], check=True, capture_output=True, cwd=folder
    )
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control = [*user, str(Path(initdb).with_name("pg_ctl")), "-D", str(data), "-o", options, "-l", str(folder / "log")]
    subprocess.run([*control, "-w", "start"], check=True, capture_output=True, cwd=folder)
    try:
        yield folder
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)


@contextmanager
def running(command, url, log, **environment):
    """Run a server until the block ends, with every process it started; it answers ``url`` when the block begins."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=output, stderr=output, cwd=log.parent, start_new_session=True
        )
    try:
        wait_until_it_answers(url, process, log)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass
class TeamMlflow:
    """MLflow's tracking server on PostgreSQL with its own artefact store and basic authentication."""

    folder: Path
    postgresql: Path
    port: int = field(default_factory=free_port)
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def database(self, name):
        return f"postgresql+psycopg://tenure@/{name}?host={self.postgresql}"

    def start(self):
        settings = self.folder / "basic_auth.ini"
        settings.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {self.database('mlflow_users')}\nadmin_username = {ADMIN}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            # A password is hashed slowly by design; a request in hundreds need not wait for it.
            "auth_cache_ttl_seconds = 600\n"
        )
        environment = {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD, "MLFLOW_FLASK_SERVER_SECRET_KEY": "of a test",
            "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }  # fmt: skip
        command = [
            sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1", "--port", str(self.port),
            "--backend-store-uri", self.database("mlflow"), "--serve-artifacts", "--artifacts-destination", str(self.folder / "artefacts"),
        ]  # fmt: skip
        self._running.enter_context(running(command, f"{self.url}/health", self.folder / "log", **environment))

    def vanish(self):
        """End the server at once, with its workers."""
        self._running.close()


@contextmanager
def team_mlflow(folder, postgresql):
    import psycopg

    with psycopg.connect(f"host={postgresql} user=tenure dbname=postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE mlflow")
        connection.execute("CREATE DATABASE mlflow_users")
    server = TeamMlflow(folder, postgresql)
    try:
        server.start()
        yield server
    finally:
        server.vanish()


@contextmanager
def web_hook(read=str):
    """A real web server on loopback that keeps what it is sent, read by a function. => its port, the bodies so far"""
    kept = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            kept.append(read(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, kept
    server.shutdown()
