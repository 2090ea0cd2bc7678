"""Migrations beside a service that posts: none locks a table that may be large while its rows are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation
from django.db.models import Index

from tests.support.factories import unique
from tests.support.own_servers import ask, run_command
from tests.support.servers import database_url

FIRST = {"merchants": "0002_guards", "people": "0001_users_and_keys", "fees": "0002_guards", "transfers": "0003_staff_roles"}
"""The squashed migrations: these make tables that are empty."""

OLDEST = {
    "merchants": ["0001_initial", "0002_guards_and_currencies", "0008_treasury"],
    "fees": ["0001_initial", "0002_guards_and_default", "0003_bounds"],
    "transfers": ["0001_initial", "0002_guards", "0004_roles", "0015_overdraft_permission"],
}
SQUASHED_ONCE = {
    "merchants": ["0001_tables", "0002_guards"],
    "people": ["0001_tables"],
    "fees": ["0001_tables", "0002_guards"],
    "transfers": ["0001_tables", "0002_journal_guards", "0003_roles"],
}
"""Names of earlier migrations. None of the journal's is used again: Django would believe that it is applied."""

LARGE = (
    "merchants_account",
    "merchants_merchant",
    "transfers_transfer",
    "transfers_ledgerentry",
    "transfers_hold",
    "transfers_idempotencyclaim",
    "transfers_idempotencyrecord",
)
BLOCKING_INDEX = re.compile(rf'CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)[^;]*ON "?({"|".join(LARGE)})"?', re.IGNORECASE)
REWRITE = re.compile(rf'ALTER TABLE "?({"|".join(LARGE)})"?[^;]*(ALTER COLUMN[^;]*TYPE|SET NOT NULL)', re.IGNORECASE)
UNIQUE = re.compile(rf'ALTER TABLE "?({"|".join(LARGE)})"?[^;]*ADD CONSTRAINT "?\w+"? UNIQUE \(', re.IGNORECASE)


def newer() -> list[tuple[str, str]]:
    """Return the migrations that meet tables with rows in them."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    first = {(app, name) for app, name in loader.graph.nodes if app in FIRST and name <= FIRST[app]}
    return sorted(node for node in loader.graph.nodes if node[0] in FIRST and node not in first)


def blocking(statements: str, operations: Sequence[Operation], app: str) -> str:
    """Return what a migration does that nobody can post beside; an empty text if there is nothing."""
    text = re.sub(r"--[^\n]*", "", statements)
    if BLOCKING_INDEX.search(text):
        return "make the index CONCURRENTLY (AddIndexConcurrently, atomic = False)"
    if UNIQUE.search(text):
        return "make a unique index CONCURRENTLY, then the constraint USING INDEX"
    if REWRITE.search(text):
        return "it reads or writes the whole table under a lock that stops everybody"
    plain = [operation for operation in operations if type(operation) is AddIndex]
    if [operation for operation in plain if apps.get_model(app, operation.model_name)._meta.db_table in LARGE]:
        return "make the index CONCURRENTLY"
    return ""


def test_no_migration_blocks_postings_for_as_long_as_a_table_is_large() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    for app, name in newer():
        out = StringIO()
        call_command("sqlmigrate", app, name, stdout=out, no_color=True)
        assert not blocking(out.getvalue(), loader.get_migration(app, name).operations, app), f"{app}.{name}"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX slow ON transfers_transfer (memo)",
        'CREATE UNIQUE INDEX "slow" ON "transfers_hold" ("memo")',
        'ALTER TABLE "transfers_idempotencyrecord" ADD CONSTRAINT slow UNIQUE (key)',
        "ALTER TABLE merchants_account ALTER COLUMN kind TYPE text",
        "ALTER TABLE transfers_ledgerentry ALTER COLUMN hash SET NOT NULL",
    ],
)
def test_what_would_block_them_is_seen(statement: str) -> None:
    assert blocking(statement, [], "transfers")
    assert blocking("", [AddIndex("transfer", Index(fields=["memo"], name="slow"))], "transfers")
    assert not blocking(statement.replace("transfers_", "other_").replace("merchants_", "other_"), [], "transfers")


@contextmanager
def own_database() -> Iterator[str]:
    """Make a database beside the one of the tests, and give its URL."""
    name = unique("migrating").replace("-", "_")
    shared = database_url()
    _do(shared, f"CREATE DATABASE {name} TEMPLATE template0")
    parts = urlsplit(shared)
    try:
        yield parts._replace(path=f"/{name}").geturl() if parts.netloc else shared.replace(f"/{parts.path.strip('/')}?", f"/{name}?")
    finally:
        _do(shared, f"DROP DATABASE {name} WITH (FORCE)")


def _do(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(statement)


@pytest.mark.parametrize(("earlier", "table"), [(OLDEST, "merchants_merchant"), (SQUASHED_ONCE, "transfers_transfer")])
def test_a_database_of_before_is_refused_and_stays_as_it_was(ledger: None, earlier: dict[str, list[str]], table: str) -> None:
    del ledger
    with own_database() as url:
        assert run_command(url, "migrate", "auth").code == 0
        _do(url, f"CREATE TABLE {table} (id uuid PRIMARY KEY)")
        applied = [(app, name) for app, names in earlier.items() for name in names]
        for app, name in applied:
            _do(url, f"INSERT INTO django_migrations (app, name, applied) VALUES ('{app}', '{name}', now())")
        refused = run_command(url, "migrate")
        assert refused.code == 2
        assert "make a new, empty database and migrate that (docs/operations.md, Upgrade)" in refused.err
        recorded = ask(url, "SELECT app, name FROM django_migrations WHERE app IN ('merchants', 'people', 'fees', 'transfers')")
        assert sorted(recorded) == sorted(applied)


def test_a_database_whose_users_were_django_s_own_is_refused_and_stays_as_it_was(ledger: None) -> None:
    del ledger
    with own_database() as url:
        assert run_command(url, "migrate", "auth").code == 0
        for app, name in (("admin", "0001_initial"), ("people", "0001_tables")):
            _do(url, f"INSERT INTO django_migrations (app, name, applied) VALUES ('{app}', '{name}', now())")
        refused = run_command(url, "migrate")
        assert refused.code == 2
        assert "make a new, empty database and migrate that (docs/operations.md, Upgrade)" in refused.err
        assert "Traceback" not in refused.err
        assert not ask(url, "SELECT 1 FROM pg_tables WHERE tablename = 'people_user'")


@pytest.mark.parametrize("app", ["merchants", "fees", "people"])
def test_an_empty_database_can_be_migrated_app_by_app(ledger: None, app: str) -> None:
    del ledger
    with own_database() as url:
        done = run_command(url, "migrate", app)
        assert done.code == 0, done.err[-2000:]
