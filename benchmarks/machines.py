"""Processes that are measured: the service, its peers, PostgreSQL; and what they cost."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from benchmarks.requests import MERCHANTS
from ledger_project.database.embedded import EmbeddedPostgres

HERE = Path(__file__).parent
ROOT = HERE.parent
PEERS = HERE / "peers"
PEER_VENV = ROOT / ".venv-bench"


@dataclass(slots=True)
class Served:
    """A service that runs: its port, and the processes whose time and memory are counted."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def worker_memory(self) -> float:
        """Resident MiB of the largest process: a worker."""
        return max(member.memory_info().rss for member in self.family()) / 2**20


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    """Seconds of processor time that processes, and their children that ended, have used."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
            if process is processes[0]:
                total += times.children_user + times.children_system
    return total


class Database:
    """The PostgreSQL server of a run, in a folder of its own, started empty."""

    def __init__(self, data_dir: Path) -> None:
        self.server = EmbeddedPostgres(data_dir)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have it run, with room for everybody's connections."""
        with self.server.running():
            with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET max_connections = 250")
            self.server.stop()
            self.server.start()
            yield

    def url(self, name: str, scheme: str = "postgresql") -> str:
        """The URL of one of its databases."""
        return f"{scheme}://postgres@/{name}?host={self.server.socket_dir}"

    def create(self, name: str) -> str:
        """Make an empty database and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def family(self) -> list[psutil.Process]:
        """Its processes, the postmaster first."""
        pid = int((self.server.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        postmaster = psutil.Process(pid)
        return [postmaster, *postmaster.children()]


def settle(url: str) -> None:
    """Have a database do now what it would do some time after it was filled."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serve(name: str, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], port: int, ready: str) -> Iterator[Served]:
    """Run a server until the block ends; wait until ``ready`` answers anything."""
    with (HERE / "servers.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=cwd, env=os.environ | environment, stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}{ready}", process)
            yield Served(name, port, process)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers anything but that it is not ready (503)."""
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=30).close()
        except urllib.error.HTTPError as answered:
            answered.close()
            if answered.code != 503:
                return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{url} does not answer; see benchmarks/servers.log") from None
        else:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} is not ready; see benchmarks/servers.log")
        time.sleep(0.01)


def ledger(url: str, workers: int, *, folder: Path = ROOT) -> contextlib.AbstractContextManager[Served]:
    """The service as production runs it, on this database; ``folder`` is the checkout that it is of."""
    port = free_port()
    environment = {
        "DATABASE_URL": url,
        "SECRET_KEY": secrets.token_hex(),
        "LEDGER_AUTH": "open",
        "LEDGER_LOG_LEVEL": "INFO",
        "LEDGER_LOG_FORMAT": "json",
        "WORKERS": str(workers),
        "PORT": str(port),
    }
    command = [sys.executable, "manage.py", "serve"]
    return serve(f"ledger, {workers} workers", command, cwd=folder, environment=environment, port=port, ready="/readyz")


# --- peers ------------------------------------------------------------------------------------------------------------------


def install_peers() -> None:
    """Make the peers' environment from their lock, unless it is there and the lock is the same."""
    lock = PEERS / "requirements.txt"
    mark = PEER_VENV / ".installed"
    if mark.exists() and mark.read_text() == lock.read_text():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(PEER_VENV)], check=True)
    pip = [str(PEER_VENV / "bin/python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "-r", str(lock)], check=True, timeout=600)
    mark.write_text(lock.read_text())


_GUNICORN = ["--worker-class", "gthread", "--workers", "2", "--threads", "8", "--keep-alive", "75", "--log-level", "warning"]
_UVICORN = ["--workers", "2", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]


def peer(database: Database, module: str, merchants: int = MERCHANTS) -> contextlib.AbstractContextManager[Served]:
    """A peer with two workers and so many merchants, on a new database of its own, as its users would run it."""
    url = database.create(f"peer_{module}")
    port = free_port()
    environment = {
        "PEER_DSN": url,
        "PEER_DSN_ASYNCPG": url.replace("postgresql://", "postgresql+asyncpg://"),
        "PEER_MERCHANTS": str(merchants),
    }
    binaries = PEER_VENV / "bin"
    setup = [str(binaries / "python"), f"{module}.py"]
    subprocess.run(setup, cwd=PEERS, env=os.environ | environment, check=True, timeout=300, capture_output=True)
    if module == "fastapi_app":
        command = [str(binaries / "uvicorn"), "fastapi_app:app", "--port", str(port), *_UVICORN]
    else:
        command = [str(binaries / "gunicorn"), f"{module}:application", "--bind", f"127.0.0.1:{port}", *_GUNICORN]
    return serve(module, command, cwd=PEERS, environment=environment, port=port, ready="/")
