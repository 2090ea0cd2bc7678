"""Events that are not transfers, written in the transaction of what happened.

An event has its time by the rule of a posting: the transaction gets its number first, and reads the
time in a later statement, after the feed's candidate (transfers/services/mark.py). So both kinds of
events have one order. Along a merchant, and along an account with its entries, time never runs
backwards.
"""

from __future__ import annotations

import secrets
from typing import Any, cast
from uuid import UUID

from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from ledger_project.database.reading_lane import ask_now
from ledger_project.kernel.happenings import Happening
from ledger_project.kernel.ids import uuid7_at
from ledger_project.kernel.metadata import stored_json
from ledger_project.process.wakeups import POSTED
from transfers.domain.events import Facts, account_facts, merchant_facts
from transfers.selectors.accounts import ACCOUNTS
from transfers.selectors.merchants import get_merchant_now
from transfers.sql.mark import EVENT_TIME

_INSERT = """
INSERT INTO transfers_event (id, type, merchant_id, account_id, data, created_at) VALUES (%s, %s, %s, %s, %s::jsonb, %s)
"""


def record_event(happening: Happening) -> UUID:
    """Write an event in the open transaction, and return its id.

    The caller holds the lock of what it happened to. Raises ``TransactionManagementError`` outside
    of a transaction: an event is there if what it tells is, and not otherwise.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an event is written in the transaction of what happened")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        facts = _facts(happening)
        cursor.execute(EVENT_TIME, {"merchant": happening.merchant_id, "account": happening.account_id})
        (moment,) = cast("tuple[Any]", cursor.fetchone())
        place = happening.account_id or happening.merchant_id or UUID(int=secrets.randbits(10))
        event_id = uuid7_at(moment, position=0, entropy=secrets.randbits(62), place=place)
        cursor.execute(
            _INSERT,
            [event_id, happening.type.value, happening.merchant_id, happening.account_id, stored_json(facts), moment],
        )
    transaction.on_commit(POSTED.happen)
    return event_id


def _facts(happening: Happening) -> Facts:
    """Return the facts to keep. Those of an account or of a merchant are read here."""
    if happening.facts:
        return dict(happening.facts)
    if happening.account_id is not None:
        return {"account": _account(happening.account_id)}
    if happening.merchant_id is not None:
        return {"merchant": _merchant(happening.merchant_id)}
    return {}


def _account(account_id: UUID) -> Facts:
    account = ask_now(ACCOUNTS, [account_id])[account_id].account
    return account_facts(
        account_id=account.id,
        merchant_name=account.merchant_name,
        currency=account.currency.code,
        status=account.status.value,
        created_at=account.created_at,
        amounts_minor=(account.available_minor, account.held_minor, account.overdraft_minor),
    )


def _merchant(merchant_id: UUID) -> Facts:
    merchant = get_merchant_now(merchant_id)
    return merchant_facts(
        merchant_id=merchant.id,
        name=merchant.name,
        display_name=merchant.display_name,
        status=merchant.status,
        metadata=merchant.metadata,
        created_at=merchant.created_at,
        balances=[(row.account_id, row.currency, row.available_minor, row.held_minor) for row in merchant.balances],
    )
