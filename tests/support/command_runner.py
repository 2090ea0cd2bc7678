"""Runs ``manage.py`` many times at the price of one start: a process that has imported everything forks for each run.

Each run is real: ``manage.main`` with the file descriptors, signals and exit code of a process of its own. Only the settings were read
before, but for the database.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.environment import ROOT

PATIENCE_S = 120
"""How long a command may take; then it is ended."""

OUR_APPS = frozenset({"ledger_project", "merchants", "fees", "transfers", "approvals", "events"})


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: its exit code (negative: the signal that ended it), and what it wrote."""

    arguments: Sequence[str]
    code: int
    out: str
    err: str


class CommandRunner:
    """A process that runs commands one after the other."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "tests.support.command_runner"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=os.environ | env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(
        self,
        *arguments: str,
        url: str,
        out: str = "",
        err: str = "",
        meanwhile: Callable[[int], None] = lambda pid: None,
        env: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a command line on a database. ``out`` and ``err``: a path to write to, ``pipe`` that nobody reads, ``closed`` for none.

        ``meanwhile`` is called with the process's id when the command has begun. ``env`` is for what the command itself reads from its
        environment; the settings were read before.
        """
        paths = {"out": out or str(self.folder / "out"), "err": err or str(self.folder / "err")}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"arguments": arguments, "url": url, "env": dict(env or {}), **paths}) + "\n")
        self._process.stdin.flush()
        meanwhile(self._answer())
        return Run(arguments, self._answer(), self._written(paths["out"]), self._written(paths["err"]))

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def _written(self, path: str) -> str:
        return Path(path).read_text(errors="backslashreplace") if Path(path).is_file() else ""

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def _use_database(url: str) -> None:
    """Have the settings that were read before say another database, as DATABASE_URL would have."""
    from django.conf import settings
    from django.db import connections

    from ledger_project.database.url import connection_settings

    settings.DATABASES = {"default": connection_settings(url, data_dir=settings.LEDGER_DATA_DIR, pool_max_size=8)}
    settings.LEDGER_EMBEDDED = False
    connections.__dict__.pop("settings", None)
    connections._settings = None
    del connections["default"]


def _redirect(descriptor: int, stream: str, where: str) -> None:
    if where == "closed":
        os.close(descriptor)
        setattr(sys, stream, None)
    elif where == "pipe":
        reading, writing = os.pipe()
        os.close(reading)
        os.dup2(writing, descriptor)
    else:
        os.dup2(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), descriptor)
    if where != "closed":
        # As the interpreter opens it at its start.
        setattr(sys, stream, open(descriptor, "w", closefd=False))  # noqa: SIM115 - it lives as long as the process


def _become(order: dict[str, Any]) -> None:
    """Be ``manage.py`` from here on."""
    sys.argv = ["manage.py", *order["arguments"]]
    os.environ |= {"DATABASE_URL": order["url"], **order["env"]}  # for processes that the command starts
    _use_database(order["url"])
    _redirect(1, "stdout", order["out"])
    _redirect(2, "stderr", order["err"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(PATIENCE_S)
    import manage

    _end_as_interpreters_do(manage.main)


def _end_as_interpreters_do(main: Callable[[], None]) -> None:
    """Run it and end the process at once: taking down all that was imported would take ten times as long as most commands."""
    try:
        main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        code = 120
    os._exit(code)


def _serve() -> None:
    """Take orders from standard input, one JSON document a line; answer each with the id and then the exit code of its process."""
    import django
    from django.core.checks import run_checks
    from django.core.management import get_commands, load_command_class

    os.environ["DJANGO_SETTINGS_MODULE"] = "ledger_project.settings"
    os.environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
    django.setup()
    for name, app in get_commands().items():
        if app in OUR_APPS:
            load_command_class(app, name)
    run_checks()  # they import what each command would import
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        answers.write(f"{child}\n")
        answers.flush()
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
