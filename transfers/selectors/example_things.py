"""Stored things for the examples of the OpenAPI document, so that they succeed as they are.

For open mode. It takes a few look-ups by index.
"""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from django.db import connection

from merchants.domain import Status
from transfers.domain.hold_outcomes import HoldPhase
from transfers.models import Hold
from transfers.models.holds import in_phase
from transfers.sql.entries import newest_entry

_RECENT = 200

# A wallet in which money may move, its merchant's name, and its balance.
_ACTIVE_WALLET = f"""
SELECT a.id, m.name, e.balance_after_minor AS balance_minor
FROM merchants_account a JOIN merchants_merchant m ON m.id = a.merchant_id AND m.status = 'active'
CROSS JOIN LATERAL ({newest_entry("balance_after_minor", account="a.id")}) e
WHERE a.status = 'active' AND a.kind = 'wallet'
"""

# A transfer that its receiver could send back now, whose sender can pay and hold some more.
_TRANSFER = f"""
SELECT t.id, s.id, s.name, g.name, t.currency_id
FROM (SELECT * FROM transfers_transfer ORDER BY id DESC LIMIT %(recent)s) t
CROSS JOIN LATERAL ({_ACTIVE_WALLET} AND a.id = t.source_id) s
CROSS JOIN LATERAL ({_ACTIVE_WALLET} AND a.id = t.target_id) g
JOIN merchants_currency c ON c.code = t.currency_id AND c.exponent = 2 AND c.is_active
WHERE t.kind = 'transfer' AND t.amount_minor >= 50 AND s.balance_minor >= 1000 AND g.balance_minor >= 50
    AND NOT EXISTS (SELECT 1 FROM transfers_transfer r WHERE r.reverses_id = t.id)
ORDER BY t.id DESC LIMIT 1
"""
_IDLE = """
SELECT m.name FROM (SELECT * FROM merchants_merchant ORDER BY id DESC LIMIT %(recent)s) m
WHERE m.status = 'active' AND lower(m.name COLLATE "C") <> 'treasury'
    AND NOT EXISTS (SELECT 1 FROM merchants_account a WHERE a.merchant_id = m.id) LIMIT 1
"""
_NEW_CURRENCY = """
SELECT c.code FROM merchants_currency c WHERE c.is_active AND NOT EXISTS (
    SELECT 1 FROM merchants_account a JOIN merchants_merchant m ON m.id = a.merchant_id
    WHERE m.name = %(payer)s AND a.currency_id = c.code AND a.kind = 'wallet') ORDER BY c.code = 'CHF' DESC, c.code LIMIT 1
"""
# Somebody who was invited: the examples change and erase nobody who signs in.
_USER = "SELECT id FROM people_user WHERE NOT is_staff AND is_active AND activated_at IS NULL ORDER BY id DESC LIMIT 1"


def find_things(story_name: str) -> dict[str, str]:
    """Return the things that exist, by the names of ``Things`` (http/example_values.py).

    The document keeps the story's own name for each that does not exist. ``story_name`` is the
    merchant that the story registers; if it exists already, the next one gets another name.
    """
    number = secrets.token_hex(3)
    things = {"key": f"example-{number}"}
    if _first('SELECT 1 FROM merchants_merchant WHERE lower(name COLLATE "C") = %(name)s', name=story_name):
        things["new_merchant"] = f"{story_name}_{number}"
    if moved := _first(_TRANSFER, recent=_RECENT):
        things |= dict(zip(("transfer", "account", "payer", "payee", "currency"), map(str, moved), strict=True))
    if hold := _find_hold():
        things["hold"] = str(hold)
    for name, statement in (("idle", _IDLE), ("new_currency", _NEW_CURRENCY), ("user", _USER)):
        if found := _first(statement, recent=_RECENT, payer=things.get("payer", story_name)):
            things[name] = str(found[0])
    return things


def _find_hold() -> UUID | None:
    """Return a hold that could be captured now."""
    active = {"source_merchant__status": Status.ACTIVE, "target_merchant__status": Status.ACTIVE}
    found = Hold.objects.filter(in_phase(HoldPhase.OPEN), currency__exponent=2, amount_minor__gte=50, **active)
    return found.order_by("-id").values_list("id", flat=True).first()


def _first(statement: str, **parameters: str | int) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row
