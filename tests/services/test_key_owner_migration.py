"""Keys that were claimed when a key belonged to a credential: the migration gives each to its owner. It needs the tables' owner."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from ledger_project.readers import in_reader
from merchants.models import new_id
from tests.api.test_authorization import new_key
from tests.api.test_key_owners import World, issuer, world
from tests.factories import key

__all__ = ["issuer", "world"]


async def test_keys_of_before_are_carried_over_to_their_owners(api: httpx.AsyncClient, world: World) -> None:
    ours, theirs = f"merchant:{world.ids[world.alice]}", f"merchant:{world.ids[world.bob]}"
    api_key = (await new_key(world.alice)).id
    platform_key = (await new_key()).id
    body = {"from_merchant": world.alice, "to_merchant": world.bob, "currency": "USD", "amount_minor": 9}
    paid = (await api.post("/transfers", json=body, headers={**world.ours[2], **key()})).json()["id"]
    hold = (await api.post("/holds", json=body, headers={**world.ours[2], **key()})).json()["id"]
    captured = (await api.post(f"/holds/{hold}/capture", json={}, headers={**world.theirs[2], **key()})).json()["id"]
    rows = [
        # (key, principal, transfer, age) and whose it becomes, the platform's but for:
        ("a", "anonymous", None, 1), ("b", f"key:{platform_key}", None, 1), ("c", f"key:{api_key}", None, 1),
        ("d", f"key:{UUID(int=7)}", None, 1), ("e", "jwt:user-7", None, 1), ("f", "jwt:till-7", None, 1), ("g", "jwt:till-7", paid, 1),
        ("h", "jwt:till-7", captured, 1), ("i", "admin:3", None, 1),
        # Two of one owner's credentials used the same key: the older one stays.
        ("twice", "anonymous", None, 2), ("twice", "admin:3", None, 1), ("twice", f"key:{api_key}", None, 1),
    ]  # fmt: skip
    found = await in_reader(_carried_over, rows)
    assert found == [
        ("a", "platform", 1), ("b", "platform", 1), ("c", ours, 1), ("d", "platform", 1), ("e", "platform", 1), ("f", "platform", 1),
        ("g", ours, 1), ("g", "platform", 1), ("h", theirs, 1), ("h", "platform", 1), ("i", "platform", 1),
        ("twice", ours, 1), ("twice", "platform", 2),
    ]  # fmt: skip


def _carried_over(rows: list[tuple[str, str, str | None, int]]) -> list[tuple[str, str, int]]:
    """Go back before the migration, put these rows in, go forward, and return (key, owner, age); then undo all of it."""
    loader = MigrationExecutor(connection).loader
    name = next(name for app, name in loader.disk_migrations if app == "transfers" and name.endswith("_idempotency_owner"))
    mark = f"{new_id()}-"

    def state() -> Any:
        return loader.project_state(("transfers", name), at_end=False)

    with transaction.atomic():
        with connection.schema_editor() as editor:
            loader.get_migration("transfers", name).unapply(state(), editor)
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO transfers_idempotencyrecord (id, principal, key, fingerprint, status_code, body, transfer_id, created_at, "
                "expires_at) VALUES (%s, %s, %s, '\\x00', 201, '{}', %s, now() - %s * interval '1 minute', now() + interval '1 day')",
                [(new_id(), principal, mark + text, transfer_id, age) for text, principal, transfer_id, age in rows],
            )
        with connection.schema_editor() as editor:
            loader.get_migration("transfers", name).apply(state(), editor)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT key, owner, (extract(epoch FROM now() - created_at) / 60)::int FROM transfers_idempotencyrecord "
                'WHERE starts_with(key, %s) ORDER BY key COLLATE "C", owner COLLATE "C"',
                [mark],
            )
            found = [(text.removeprefix(mark), owner, age) for text, owner, age in cursor.fetchall()]
        transaction.set_rollback(True)
    return found
