"""The service's database role can post, and can do nothing to what was posted, whatever SQL it sends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import errors as pg

from tests.support.factories import merchant, transfer

ROLE = "ledger_attacked"

pytestmark = pytest.mark.skipif(os.environ.get("TEST_AS_SERVICE_ROLE") == "1", reason="makes the role itself, as the owner")


@pytest.fixture(scope="module")
def role(ledger: None) -> Iterator[str]:
    del ledger
    call_command("create_roles", role=ROLE, stdout=StringIO())
    yield ROLE
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")
    connection.close()


@pytest.fixture
def attacker(role: str) -> Iterator[psycopg.Connection[Any]]:
    values = connection.settings_dict
    raw = psycopg.connect(host=values["HOST"], port=values["PORT"] or None, dbname=values["NAME"], user=role, autocommit=True)
    yield raw
    raw.close()


@pytest.fixture(scope="module")
async def journal(api: httpx.AsyncClient) -> str:
    """Have something posted that is worth attacking."""
    answer = await transfer(api, await merchant(api, "10"), await merchant(api), 100)
    return str(answer.json()["id"])


ATTACKS = [
    "UPDATE transfers_ledgerentry SET amount_minor = 1",
    "UPDATE transfers_ledgerentry SET balance_after_minor = balance_after_minor + 1",
    "DELETE FROM transfers_ledgerentry",
    "TRUNCATE transfers_ledgerentry",
    "UPDATE transfers_transfer SET amount_minor = 1",
    "DELETE FROM transfers_transfer",
    "TRUNCATE transfers_transfer CASCADE",
    "UPDATE transfers_externalreference SET reference = 'mine'",
    "DELETE FROM transfers_externalreference",
    "UPDATE fees_feeschedule SET rate = 0",
    "DELETE FROM fees_feeschedule",
    "UPDATE transfers_hold SET amount_minor = 1",
    "UPDATE transfers_hold SET expires_at = now()",
    "DELETE FROM transfers_hold",
    "UPDATE transfers_idempotencyrecord SET fingerprint = id",
    "DELETE FROM transfers_idempotencyrecord",
    "TRUNCATE transfers_idempotencyrecord",
    "UPDATE transfers_idempotencyrecord_00 SET fingerprint = id",
    "DROP TABLE transfers_idempotencyrecord_00",
    "ALTER TABLE transfers_idempotencyrecord DETACH PARTITION transfers_idempotencyrecord_00",
    "UPDATE transfers_idempotencyclaim SET created_at = now()",
    "TRUNCATE transfers_idempotencyclaim",
    "UPDATE merchants_account SET merchant_id = gen_random_uuid()",
    "UPDATE merchants_account SET kind = 'external'",
    "DELETE FROM merchants_account",
    "UPDATE merchants_merchant SET name = 'mine'",
    "DELETE FROM merchants_merchant",
    "DELETE FROM merchants_currency",
    "DELETE FROM django_migrations",
    "DELETE FROM django_admin_log",
    "ALTER TABLE transfers_ledgerentry DISABLE TRIGGER ALL",
    "ALTER TABLE transfers_ledgerentry DISABLE TRIGGER entry_guard",
    "ALTER TABLE transfers_ledgerentry DROP CONSTRAINT entry_amount_positive",
    "DROP TRIGGER entry_guard ON transfers_ledgerentry",
    "DROP TABLE transfers_ledgerentry",
    "CREATE OR REPLACE FUNCTION ledger_check_entries() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "ALTER FUNCTION ledger_check_entries() SET search_path = pg_temp",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE mine (id int)",
    "CREATE TEMPORARY TABLE merchants_account (id uuid)",
    "SET session_replication_role = replica",
    "ALTER SYSTEM SET fsync = off",
    "CREATE ROLE mine SUPERUSER",
    f"ALTER ROLE {ROLE} SUPERUSER",
    "SET ROLE postgres",
    "COPY merchants_merchant TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_the_role_is_refused(attacker: psycopg.Connection[Any], journal: str, attack: str) -> None:
    assert journal
    with pytest.raises(pg.InsufficientPrivilege):
        attacker.execute(attack)


async def test_it_cannot_add_entries_that_do_not_balance(attacker: psycopg.Connection[Any], journal: str) -> None:
    """What it may do, inserting, stays under the guards, which run with its rights."""
    with pytest.raises(pg.CheckViolation, match="ledger"):
        attacker.execute(
            "INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, "
            "created_at, hash) SELECT account_id, sequence + 100, transfer_id, direction, type, amount_minor, balance_after_minor, "
            "created_at, hash FROM transfers_ledgerentry WHERE transfer_id = %s",
            [journal],
        )


def test_a_temporary_table_does_not_deceive_the_guards(ledger: None) -> None:
    """Even who may make one: the guards' own names are looked up in the ledger's schema alone."""
    del ledger
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname, array_to_string(proconfig, ';') FROM pg_proc WHERE proname LIKE 'ledger_check%'")
        settings = dict(cursor.fetchall())
    connection.close()
    assert len(settings) >= 3
    assert all("search_path=public, pg_temp" in value for value in settings.values()), settings


def test_the_statements_can_be_printed_without_changing_anything(ledger: None) -> None:
    del ledger
    out = StringIO()
    call_command("create_roles", "--print", role="never_made", stdout=out)
    assert "GRANT SELECT, INSERT ON" in out.getvalue()
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = 'never_made'")
        assert cursor.fetchone() is None
    connection.close()


def test_the_owner_cannot_confine_itself(ledger: None) -> None:
    del ledger
    with pytest.raises(CommandError, match="owner"):
        call_command("create_roles", role=connection.settings_dict["USER"], stdout=StringIO())
    connection.close()


async def test_locks_need_a_column_that_may_change(attacker: psycopg.Connection[Any], journal: str) -> None:
    assert journal
    assert attacker.execute("SELECT id FROM merchants_account ORDER BY id LIMIT 1 FOR UPDATE").fetchone()
