"""The rights of the service's database role: it may post and can change nothing that was posted.

The tables belong to the role that migrates. The service connects as another role, which cannot
UPDATE, DELETE or TRUNCATE journal tables. It owns nothing, so it can neither disable a trigger nor
drop a constraint. ``CHANGING`` names each column that the service changes. A row lock (``SELECT …
FOR UPDATE``) needs UPDATE on one column at least; accounts and merchants have such columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.apps import apps
from django.db import connection
from psycopg import sql

from transfers.sql.idempotency import SLOTS

JOURNAL = (
    "transfers_transfer",
    "transfers_externalreference",
    "transfers_ledgerentry",
    "transfers_idempotencyrecord",
    "transfers_event",
    "fees_feeschedule",
    "django_admin_log",
)
"""Tables that the service only inserts into."""

CHANGING: dict[str, tuple[str, ...]] = {
    "transfers_hold": ("status", "captured_minor", "capture_id"),
    "transfers_feedmark": ("id", "settled_until", "candidate_until", "candidate_xid", "moved_at"),
    "transfers_depositrequest": ("status", "bank_reference", "transfer_id", "decided_by", "decided_at", "reason"),
    "approvals_approval": ("status", "decided_by", "decided_at", "decision_reason", "transfer_id", "failure_code", "failure_detail"),
    "transfers_requestedreconciliation": (
        "status",
        "attempt",
        "leased_by",
        "leased_until",
        "started_at",
        "finished_at",
        "stage",
        "parts",
        "parts_done",
        "entries_checked",
        "failure",
        "run_id",
    ),
    "transfers_workersign": ("seen_at",),
    "merchants_account": ("status", "overdraft_limit_minor"),
    "merchants_merchant": ("status", "metadata", "display_name", "receipt_email"),
    # When the admin saves, it writes the exponent again as it was; a guard refuses another one.
    "merchants_currency": ("name", "is_active", "exponent"),
}
"""Tables that the service inserts into, and the columns that it updates."""

LEDGER = ("merchants", "fees", "transfers", "events", "approvals")
"""The apps whose tables are the ledger."""

PURGED = dict.fromkeys(("transfers_idempotencyclaim", "transfers_refusal"), ("SELECT", "INSERT", "DELETE")) | dict.fromkeys(
    SLOTS, ("SELECT", "DELETE", "TRUNCATE")
)
"""Tables whose rows are removed when their time is over, and the rights that the service has there.

Postings insert records by the table that all slots are parts of.
"""

READ_ONLY = ("django_migrations", "django_content_type", "auth_permission")
"""Tables that only migrations write."""


POWERS = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")
"""What the service's role must not have, in the order of ``read_powers``."""


def create_role(role: str, password: str, *, powers: Mapping[str, bool] | None) -> Iterator[sql.Composable]:
    """Yield the statements that make a role, or reduce one, to logging in and nothing else.

    ``powers`` are those of a role that exists, by the words of ``CREATE ROLE``. Only what differs
    is named: an owner who is no superuser must not even repeat ``NOSUPERUSER``.
    """
    name = sql.Identifier(role)
    if powers is None:
        yield sql.SQL("CREATE ROLE {} LOGIN {}").format(name, _words(f"NO{power}" for power in POWERS))
    else:
        excess = [f"NO{power}" for power in POWERS if powers[power]]
        changes = excess if powers["LOGIN"] else ["LOGIN", *excess]
        if changes:
            yield sql.SQL("ALTER ROLE {} {}").format(name, _words(changes))
    if password:
        yield sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(password))


def read_powers(cursor: Any, role: str) -> dict[str, bool] | None:
    """Return what a role may do in the server, or None for a role that does not exist."""
    cursor.execute(
        "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = %s", [role]
    )
    row = cursor.fetchone()
    return None if row is None else dict(zip(("LOGIN", *POWERS), row, strict=True))


def _words(words: Iterable[str]) -> sql.Composable:
    return sql.SQL(" ").join(map(sql.SQL, words))


def grants(role: str, tables: Iterable[str], *, database: str, schema: str) -> Iterator[sql.Composable]:
    """Yield the statements that give the role what it needs on these tables, and nothing else."""
    to, place = sql.Identifier(role), sql.Identifier(schema)
    # A temporary table could hide a real one. The guards are not misled, and there shall be none.
    yield sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC, {}").format(sql.Identifier(database), to)
    yield sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC, {}").format(place, to)
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), to)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(place, to)
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM PUBLIC, {}").format(place, to)
    yield sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {} TO {}").format(place, to)
    for table in tables:
        yield sql.SQL("GRANT {} ON {} TO {}").format(_rights(table), sql.Identifier(schema, table), to)


_MISSING = """
SELECT n.right_needed || ' on ' || n.place
FROM unnest(%s::text[], %s::text[], %s::text[]) AS n(place, name, right_needed)
WHERE to_regclass(n.name) IS NULL OR NOT CASE n.right_needed
    WHEN 'UPDATE' THEN has_any_column_privilege(n.name, 'UPDATE') ELSE has_table_privilege(n.name, n.right_needed) END
ORDER BY n.place, n.right_needed
"""


def _needed() -> Iterator[tuple[str, str]]:
    """Yield each table of the ledger with each right that the service needs there."""
    for table in (model._meta.db_table for label in LEDGER for model in apps.get_app_config(label).get_models()):
        if table not in PURGED:
            yield from ((table, right) for right in ("SELECT", "INSERT", *(() if table in JOURNAL else ("UPDATE",))))
    yield from ((table, right) for table, rights in PURGED.items() for right in rights)


def missing_rights() -> str | None:
    """Return which rights the role lacks for postings; None if it has them all. One query."""
    needed = list(_needed())
    tables = [table for table, _ in needed]
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, [tables, [f"public.{table}" for table in tables], [right for _, right in needed]])
        missing = [row[0] for row in cursor.fetchall()]
    return f"The database role lacks {', '.join(missing[:5])}; run manage.py create_roles as the owner of the tables." if missing else None


def _rights(table: str) -> sql.Composable:
    if table in READ_ONLY:
        return sql.SQL("SELECT")
    if table in JOURNAL:
        return sql.SQL("SELECT, INSERT")
    if table in PURGED:
        return sql.SQL(", ").join(map(sql.SQL, PURGED[table]))
    if table in CHANGING:
        columns = sql.SQL(", ").join(map(sql.Identifier, CHANGING[table]))
        return sql.SQL("SELECT, INSERT, UPDATE ({})").format(columns)
    return sql.SQL("SELECT, INSERT, UPDATE, DELETE")
