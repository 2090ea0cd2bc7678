"""Real servers for tests: uvicorn in processes of its own, on loopback, on the test database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import IO
from urllib.parse import quote, urlsplit

import httpx
import psutil
from django.db import connection

from tests.environment import ROOT
from tests.support.log_secrets import LOGGING, LOGS

START_TIMEOUT_S = 120
GRACE_S = 10
"""Seconds that requests under way have to end after SIGTERM; ``manage.py serve`` gives 15."""


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(base_url: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until a service is ready."""
    deadline = time.monotonic() + timeout_s
    address = urlsplit(base_url)
    while True:
        try:
            # The attempt to connect is cheap, and refused while Python imports.
            socket.create_connection((address.hostname, address.port), timeout=5).close()
            if httpx.get(f"{base_url}/readyz", timeout=5).status_code == 200:
                return
        except (OSError, httpx.HTTPError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service does not answer after {timeout_s} s")
        time.sleep(0.05)


def database_url() -> str:
    """Return the URL of the database that this test session works on."""
    values = connection.settings_dict
    user = quote(values["USER"]) + (f":{quote(values['PASSWORD'])}" if values.get("PASSWORD") else "")
    if str(values["HOST"]).startswith("/"):
        return f"postgresql://{user}@/{values['NAME']}?host={quote(values['HOST'], safe='')}"
    port = f":{values['PORT']}" if values["PORT"] else ""
    return f"postgresql://{user}@{values['HOST']}{port}/{values['NAME']}"


class Service:
    """A running service: ``base_url``, its processes, and ways to end them."""

    def __init__(self, *, workers: int = 1, port: int | None = None, env: dict[str, str] | None = None, url: str = "") -> None:
        self.workers = workers
        self.app = "ledger_project.asgi:application"
        self.http = "ledger_project.http.protocol:BoundedProtocol"  # as manage.py serve has it
        self.options: list[str] = []
        """More of uvicorn's options."""
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.application_name = f"ledger-{self.port}"
        url = url or database_url()
        url += f"{'&' if '?' in url else '?'}application_name={self.application_name}"
        self.env = {**os.environ, "DATABASE_URL": url, **LOGGING, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.spawn()
        self.wait_ready()

    def __enter__(self) -> Service:
        """Have it run as long as the block."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def spawn(self, stderr: IO[bytes] | None = None) -> None:
        """Start it; what it says goes to a log that tests/support/log_secrets.py looks through in the end."""
        arguments = [
            "--port",
            str(self.port),
            "--workers",
            str(self.workers),
            "--no-access-log",
            "--http",
            self.http,
            "--lifespan",
            "on",
            "--log-level",
            "critical",
            "--timeout-graceful-shutdown",
            str(GRACE_S),
            *self.options,
        ]
        LOGS.mkdir(parents=True, exist_ok=True)
        with (LOGS / f"{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", self.app, *arguments],
                cwd=ROOT,
                env=self.env,
                start_new_session=True,
                stderr=stderr or log,
            )

    def wait_ready(self) -> None:
        """Wait until it answers."""
        try:
            wait_until_ready(self.base_url)
        except TimeoutError as error:
            said = (LOGS / f"{self.port}.log").read_text(errors="replace")[-2000:]
            raise TimeoutError(f"{error}; it said: {said}") from None

    def worker_pids(self) -> list[int]:
        """Return the ids of the processes that serve."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        if self.workers == 1:
            return [parent.pid]
        return [child.pid for child in parent.children() if _is_worker(child)]

    def kill_all(self) -> None:
        """End everything at once, as a power cut would."""
        assert self.process is not None
        family = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for member in family:
            with_suppressed_kill(member.pid)
        self.process.wait()

    def stop(self, timeout_s: float = 60) -> int | None:
        """Ask it to end and return its exit code."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise


def with_suppressed_kill(pid: int) -> None:
    """SIGKILL a process that may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _is_worker(process: psutil.Process) -> bool:
    """Whether a child of the supervisor serves; one that was killed a moment ago does not."""
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False
