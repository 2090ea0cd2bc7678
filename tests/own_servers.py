"""What tests do with database servers of their own, beside the one that all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import psycopg

from ledger_project.database.embedded import EmbeddedPostgres
from tests.environment import ROOT


def run_as_owner(server: EmbeddedPostgres, *command: str) -> None:
    """Run a program as the server's own user, in its folder. Raises ``RuntimeError`` with what it said if it failed."""
    owner = server.owner
    identity: dict[str, Any] = {"user": owner.uid, "group": owner.gid, "extra_groups": []} if owner else {}
    done = subprocess.run(command, cwd=server.home, capture_output=True, text=True, check=False, **identity)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")


def manage(url: str, *arguments: str) -> str:
    """Run ``manage.py`` on a database and return its output; raises ``AssertionError`` with what it said if it failed."""
    environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": "x"}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        return connection.execute(statement).fetchall()
