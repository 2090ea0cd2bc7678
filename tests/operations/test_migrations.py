"""Migrations beside a service that posts: none locks a table that may be large while its rows are read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddIndex
from django.db.migrations.operations.base import Operation
from django.db.models import Index

from ledger_project.management.commands import adopt_database
from tests.environment import ROOT
from tests.support.factories import unique
from tests.support.own_servers import ask
from tests.support.servers import database_url

FIRST = {"merchants": "0002_guards", "people": "0001_tables", "fees": "0002_guards", "transfers": "0003_roles"}
"""The squashed migrations: these make tables that are empty."""

LARGE = (
    "merchants_account",
    "merchants_merchant",
    "transfers_transfer",
    "transfers_ledgerentry",
    "transfers_hold",
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


# --- databases of before the squash, while money is posted ---------------------------------------------------------------------------

# What every release must be able to do before, during and after a migration: the columns are those of the first one.
OPENED = """
INSERT INTO merchants_merchant (id, name, status, metadata, created_at) VALUES (%(merchant)s, %(name)s, 'active', '{}', clock_timestamp());
"""
ACCOUNT = """
INSERT INTO merchants_account (id, merchant_id, currency_id, kind, status, overdraft_limit_minor, created_at)
VALUES (%s, %s, 'USD', %s, 'active', 0, clock_timestamp())
"""
TRANSFER = """
INSERT INTO transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, metadata, principal,
    request_id, created_at) VALUES (%s, 'deposit', %s, %s, 'USD', 1, 0, 1, '{}', 'load', '', %s)
"""
ENTRIES = """
INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash)
VALUES (%s, %s, %s, 'DEBIT', 'transfer', 1, %s, %s, %s), (%s, %s, %s, 'CREDIT', 'transfer', 1, %s, %s, %s)
"""


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


class Postings(threading.Thread):
    """Posts one small deposit after the other, as an old release would, until it is told to stop."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self.count, self.slowest_s, self.stopped = url, 0, 0.0, threading.Event()
        self.failed: Exception | None = None

    def run(self) -> None:
        """Do it."""
        try:
            with psycopg.connect(self.url) as raw:
                self._post(raw)
        except Exception as error:  # noqa: BLE001 - told to the test, which asserts that there is none
            self.failed = error

    def _post(self, raw: psycopg.Connection[Any]) -> None:
        from uuid_utils import uuid7

        merchant, outside, wallet = (str(uuid7()) for _ in range(3))
        raw.execute(OPENED, {"merchant": merchant, "name": unique()})
        raw.execute(ACCOUNT, [outside, merchant, "external"])
        raw.execute(ACCOUNT, [wallet, merchant, "wallet"])
        raw.commit()
        raw.execute("SET lock_timeout = '5s'")
        while not self.stopped.is_set():
            began = time.monotonic()
            raw.execute("SELECT id FROM merchants_account WHERE id IN (%s, %s) ORDER BY id FOR UPDATE", [outside, wallet])
            row = raw.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            transfer, now, number = str(uuid7()), row[0], self.count + 1
            raw.execute(TRANSFER, [transfer, outside, wallet, now])
            hashed = bytes(32)
            raw.execute(ENTRIES, [outside, number, transfer, -number, now, hashed, wallet, number, transfer, number, now, hashed])
            raw.commit()
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.count = number


def migrate(url: str, *target: str) -> None:
    environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": "x"}
    command = [sys.executable, "manage.py", "migrate", *target, "--no-input", "-v", "0"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def manage(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DATABASE_URL": url, "SECRET_KEY": "x"}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def database_of_before() -> Iterator[str]:
    """Have a database that the migrations of before the squash made."""
    with own_database() as url:
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute((ROOT / "tests/schemas/before_squash.sql").read_text())
            raw.execute("INSERT INTO public.merchants_currency VALUES ('USD', 2, 'US Dollar', true)")
        yield url


def test_the_schema_of_the_squashed_migrations_is_the_one_that_is_kept(ledger: None) -> None:
    del ledger
    assert dict(adopt_database.SQUASHED) == FIRST  # the last one of each app
    with own_database() as url:
        for app in ("transfers", "people"):  # they need the others'
            migrate(url, app, FIRST[app])
        says = manage(url, "shell", "-c", "from ledger_project.database.schema import differences; print(differences())", "-v", "0")
    assert says.stdout.splitlines()[-1] == "[]", says.stdout + says.stderr


def test_an_earlier_database_is_adopted_while_money_is_posted_and_is_like_a_new_one(ledger: None) -> None:
    del ledger
    with database_of_before() as url:
        early = manage(url, "migrate")
        assert early.returncode
        assert "run manage.py adopt_database once" in early.stderr
        postings = Postings(url)
        postings.start()
        try:
            while postings.count < 20 and postings.failed is None:
                time.sleep(0.005)
            adopted = manage(url, "adopt_database")
            assert "recorded; go on with manage.py migrate" in adopted.stdout, adopted.stderr
            migrate(url)
            after = postings.count
            while postings.count < after + 20 and postings.failed is None:
                time.sleep(0.005)
        finally:
            postings.stopped.set()
            postings.join()
        assert postings.failed is None, repr(postings.failed)
        assert after > 20, "nothing was posted meanwhile"
        assert postings.slowest_s < 2
        assert ask(url, "SELECT app_label FROM django_content_type WHERE model = 'apikey'") == [("people",)]
        assert "nothing to do" in manage(url, "adopt_database").stdout


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "ALTER TABLE transfers_transfer DISABLE TRIGGER ALL; DROP TRIGGER transfer_guard ON transfers_transfer",
            "- trigger CREATE TRIGGER transfer_guard",
        ),
        ("ALTER TABLE transfers_hold ADD COLUMN mine int", "+ column transfers_hold.mine integer"),
        (
            "DELETE FROM django_migrations WHERE name = '0015_overdraft_permission'",
            "transfers.0015_overdraft_permission is not applied here",
        ),
    ],
)
def test_a_database_that_differs_is_not_adopted_and_stays_as_it_was(ledger: None, change: str, says: str) -> None:
    del ledger
    with database_of_before() as url:
        recorded = "SELECT app, name FROM django_migrations ORDER BY id"
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute(change)
        before = ask(url, recorded)
        refused = manage(url, "adopt_database")
        assert refused.returncode == 1
        assert says in refused.stderr
        assert ask(url, recorded) == before
