"""What tests do with database servers of their own, beside the one that all tests share."""

from __future__ import annotations

import atexit
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from ledger_project.database.embedded import EmbeddedPostgres
from tests.support.command_runner import CommandRunner, Run


def run_as_owner(server: EmbeddedPostgres, *command: str) -> None:
    """Run a program as the server's own user, in its folder. Raises ``RuntimeError`` with what it said if it failed."""
    owner = server.owner
    identity: dict[str, Any] = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}
    done = subprocess.run(command, cwd=server.home, capture_output=True, text=True, check=False, **identity)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")


@cache
def shared_runner() -> CommandRunner:
    """Return what runs the commands: one for all tests, since importing Django takes a second."""
    folder = tempfile.TemporaryDirectory()
    runner = CommandRunner(Path(folder.name), SECRET_KEY="x")

    def end() -> None:
        runner.close()
        folder.cleanup()

    atexit.register(end)
    return runner


def run_command(url: str, *arguments: str) -> Run:
    """Run ``manage.py`` on a database and return how it ended."""
    return shared_runner().run(*arguments, url=url)


def manage(url: str, *arguments: str) -> str:
    """Run ``manage.py`` on a database and return its output.

    Raises ``AssertionError`` with what it said if it failed.
    """
    done = run_command(url, *arguments)
    assert done.code == 0, f"{done.out}\n{done.err}"
    return done.out


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    with psycopg.connect(url, autocommit=True, connect_timeout=30) as connection:
        return connection.execute(statement).fetchall()
