"""A database with the ledger's tables that others are copied from: migrating takes seconds of CPU time, a copy takes a moment.

It stays on the embedded server from one run to the next, and is made again when any file that could change it has changed. On a server
of somebody else nothing is left behind, so there it does not exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from django.test.utils import setup_databases, teardown_databases
from psycopg import sql

from tests.environment import ROOT
from tests.support.foreign_databases import foreign_database
from tests.support.own_servers import manage
from tests.support.service_role import owner_connection
from tests.support.waiting import until

_OTHER_SESSIONS = """
SELECT application_name, usename, state, backend_start, left(query, 200) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_PREFIX = "migrated_"
_OTHERS = frozenset({"tests", "benchmarks", "docs", "clients", "deploy"})
"""Folders without anything that a migration reads."""

DatabasesBefore = list[tuple[Any, str, bool]]
"""What Django calls the old configuration: the connection, the name of its database, whether to destroy that of the tests."""


@cache
def template_name() -> str:
    """Return the name of the template for the files as they are."""
    files = [ROOT / "requirements.txt"]
    for folder in sorted(ROOT.iterdir()):
        if folder.is_dir() and folder.name not in _OTHERS and (folder / "__init__.py").exists():
            files += sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".sql"})
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
    return _PREFIX + digest.hexdigest()[:16]


def _connect_beside(values: dict[str, Any]) -> psycopg.Connection[Any]:
    return psycopg.connect(host=values["HOST"], user=values["USER"], password=values["PASSWORD"], dbname="postgres", autocommit=True)


def _has(raw: psycopg.Connection[Any], name: str) -> bool:
    return raw.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _copy(raw: psycopg.Connection[Any], name: str, template: str) -> None:
    raw.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))


def _make_template(raw: psycopg.Connection[Any], migrated: str) -> None:
    for (old,) in raw.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [_PREFIX + "%"]).fetchall():
        raw.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(old)))
    _copy(raw, "unfinished", migrated)
    raw.execute("ALTER DATABASE unfinished ALLOW_CONNECTIONS false")
    raw.execute(sql.SQL("ALTER DATABASE unfinished RENAME TO {}").format(sql.Identifier(template_name())))


def set_up_databases() -> DatabasesBefore:
    """Make the database of the tests and connect to it: as Django does, or as a copy where there is a template."""
    default = connections["default"]
    values = default.settings_dict
    if not settings.LEDGER_EMBEDDED:
        return setup_databases(verbosity=0, interactive=False)
    with _connect_beside(values) as raw:
        raw.execute("DROP DATABASE IF EXISTS unfinished WITH (FORCE)")
        if not _has(raw, template_name()):
            before: DatabasesBefore = setup_databases(verbosity=0, interactive=False)
            connections.close_all()
            default.close_pool()
            _make_template(raw, values["NAME"])
            return before
        name, tests_name = values["NAME"], values["TEST"]["NAME"] or f"test_{values['NAME']}"
        raw.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(tests_name)))
        _copy(raw, tests_name, template_name())
    default.close()
    values["NAME"] = settings.DATABASES["default"]["NAME"] = tests_name
    return [(default, name, True)]


def tear_down_databases(before: DatabasesBefore) -> None:
    """Delete the database of the tests. Sessions of processes that have just ended are waited for; one that stays is a leak."""

    def others() -> list[tuple[object, ...]]:
        with owner_connection() as raw:
            return raw.execute(_OTHER_SESSIONS).fetchall()

    connections.close_all()
    connections["default"].close_pool()
    with suppress(AssertionError):  # then the deletion says so, with the number of sessions
        until(lambda: not others(), "sessions stay")
    for session in others():
        print("session:", *session)
    teardown_databases(before, verbosity=0)


@contextmanager
def migrated_database() -> Iterator[str]:
    """Have another database with the ledger's tables, and return its URL for the owner of the tables."""
    with owner_connection() as server:
        is_there = _has(server, template_name())
    with foreign_database((f"TEMPLATE {template_name()}" if is_there else "TEMPLATE template0 ENCODING 'UTF8'",)) as url:
        if not is_there:
            manage(url, "migrate", "-v", "0")
        yield url
