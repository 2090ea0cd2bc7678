"""PostgreSQL servers of a test's own, which it may kill, freeze, fill and promote: TCP on loopback, data in a folder of their own."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import psycopg

from ledger_project.database.embedded import EmbeddedPostgres
from tests.support.own_servers import ask, manage, run_as_owner
from tests.support.servers import free_port, with_suppressed_kill

_CONFIGURATION = """
listen_addresses = '127.0.0.1'
shared_buffers = 64MB
max_connections = 60
min_wal_size = 4MB
max_wal_size = 48MB
log_min_messages = fatal
"""
"""Durability is as PostgreSQL ships it: fsync, full_page_writes and synchronous_commit are on."""


class Cluster:
    """A server with the database ``ledger``: ``url`` is its address, and ``home`` a folder that its user may write to."""

    def __init__(self, folder: Path, *, wal: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.binaries = EmbeddedPostgres(folder)
        self.home = self.binaries.home
        self.data = self.home / "data"
        self.port = free_port()
        self.wal = wal
        self.home.mkdir(parents=True, exist_ok=True)
        if self.binaries.owner:
            os.chown(self.home, self.binaries.owner.uid, self.binaries.owner.gid)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{self.address}/ledger"

    def run(self, binary: str, *arguments: str) -> None:
        """Run one of the server's programs as its own user."""
        run_as_owner(self.binaries, self.binaries.command(binary), *arguments)

    def initialise(self, configuration: str = "") -> None:
        """Make the cluster, start it, and give it the ledger's tables."""
        run_as_owner(self.binaries, "cp", "-a", str(_migrated()), str(self.data))
        if self.wal is not None:
            run_as_owner(self.binaries, "cp", "-a", f"{self.data}/pg_wal/.", str(self.wal))
            run_as_owner(self.binaries, "rm", "-r", f"{self.data}/pg_wal")
            run_as_owner(self.binaries, "ln", "-s", str(self.wal), f"{self.data}/pg_wal")
        self.configure(configuration)
        self.start()

    def initialise_first(self) -> None:
        """Make the cluster that all others are copies of: migrating takes seconds."""
        arguments = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--wal-segsize=1", "--data-checksums"]
        self.run("initdb", "-D", str(self.data), *arguments)
        self.configure(_CONFIGURATION)
        self.start()
        with psycopg.connect(f"postgresql://postgres@{self.address}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE ledger")
        self.manage("migrate", "--no-input", "-v", "0")
        self.run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "60")

    def clone(self, primary: Cluster, *, name: str) -> None:
        """Become a standby of another cluster, streaming under this name."""
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name={name}"
        self.run("pg_basebackup", "-D", str(self.data), "-d", source, "-R", "-X", "stream", "-c", "fast")
        self.start()

    def configure(self, lines: str) -> None:
        """Add lines to the configuration; they count from the next start or reload on."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(lines + "\n")

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        options = f"-p {self.port} -k {self.home}"
        self.run("pg_ctl", "start", "-D", str(self.data), "-l", str(self.home / "log"), "-o", options, "-w", "-t", "60")

    def stop(self) -> None:
        """Stop the server if it runs."""
        if self.is_running():
            self.run("pg_ctl", "stop", "-D", str(self.data), "-m", "immediate", "-w", "-t", "60")

    def remove(self) -> None:
        """Stop it and delete everything."""
        with contextlib.suppress(RuntimeError):
            self.thaw()
            self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def promote(self) -> None:
        """Make a standby the primary, and wait until it takes writes."""
        self.run("pg_ctl", "promote", "-D", str(self.data), "-w", "-t", "60")

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection for looking and for breaking things."""
        return psycopg.connect(self.url, autocommit=True, application_name="gremlin", connect_timeout=30)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        return ask(self.url, statement)

    def manage(self, *arguments: str) -> str:
        """Run ``manage.py`` on the database."""
        return manage(self.url, *arguments)

    # --- its processes --------------------------------------------------------------------------------------------------------

    def postmaster(self) -> int | None:
        """Return the id of the server's first process, if it lives."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            return pid if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.Error):
            return None

    def is_running(self) -> bool:
        return self.postmaster() is not None

    def processes(self) -> list[int]:
        """Return the ids of all the server's processes, the first one first."""
        pid = self.postmaster()
        try:
            return [] if pid is None else [pid, *[child.pid for child in psutil.Process(pid).children(recursive=True)]]
        except psutil.Error:
            return []

    def kill(self) -> None:
        """SIGKILL the first process, as the out-of-memory killer would, and wait until its children are gone too."""
        family = self.processes()
        with_suppressed_kill(family[0])
        psutil.wait_procs([p for pid in family if (p := _process(pid)) is not None], timeout=60)

    def lose_power(self) -> None:
        """SIGKILL every process at once."""
        family = self.processes()
        for pid in family:
            with_suppressed_kill(pid)
        psutil.wait_procs([p for pid in family if (p := _process(pid)) is not None], timeout=60)

    def freeze(self) -> None:
        """Have every process stand still, as on a disk or a host that does not answer."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have them go on."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def wait_until_up(self, *, within_s: float = 60) -> None:
        """Wait until connections are taken again (after crash recovery)."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                self.ask("SELECT 1")
            except psycopg.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return


@cache
def _migrated() -> Path:
    """Return the data of a cluster that was stopped in order; it is removed when the tests end."""
    folder = Path(tempfile.mkdtemp())
    first = Cluster(folder / "first")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(first.remove)
    first.initialise_first()
    return first.data


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


class SmallDisk:
    """A file system of a few megabytes to put the WAL on, so that it can be filled. Needs root and loop devices (or tmpfs)."""

    def __init__(self, folder: Path, *, megabytes: int = 96) -> None:
        self.path = folder / "small-disk"
        self.image = folder / "small-disk.img"
        self.megabytes = megabytes
        self.kind = ""

    def mount(self, owner: tuple[int, int]) -> bool:
        """Return whether there is one now."""
        if os.geteuid() != 0:
            return False
        self.path.mkdir(parents=True)
        self.image.write_bytes(b"")
        os.truncate(self.image, self.megabytes << 20)
        attempts = {
            "ext4": [["mkfs.ext4", "-q", str(self.image)], ["mount", "-o", "loop", str(self.image), str(self.path)]],
            "tmpfs": [["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "tmpfs", str(self.path)]],
        }
        for kind, commands in attempts.items():
            with contextlib.suppress(OSError):
                if all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands):
                    self.kind = kind
                    os.chown(self.path, *owner)
                    return True
        return False

    def unmount(self) -> None:
        if self.kind:
            subprocess.run(["umount", "-l", str(self.path)], check=True)
        self.image.unlink(missing_ok=True)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Leave no room in this block."""
        ballast = self.path / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        try:
            yield
        finally:
            ballast.unlink()
