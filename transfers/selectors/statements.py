"""Statements: an account's chain, newest first, in pages that cost the same wherever they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from ledger_project.database.clock import database_now
from ledger_project.kernel.money import CurrencyUnit
from merchants.models import Account
from merchants.selectors import known_currency
from transfers.models.journal import LONG_AMOUNT_MINOR
from transfers.selectors.entries import StoredEntry, read_entries
from transfers.sql.entries import newest_entry

_WHERE = "sequence, balance_after_minor, greatest(created_at, clock_timestamp())"
_NEWEST = newest_entry(_WHERE, account="%s")
_NEWEST_BEFORE = newest_entry(_WHERE, account="%s", until="< %s")
_AT_SEQUENCE = f"SELECT {_WHERE} FROM transfers_ledgerentry WHERE account_id = %s AND sequence = %s"

_LINES = """
SELECT *, %(kind)s AS account_kind, %(merchant)s::uuid AS merchant_id FROM transfers_ledgerentry
WHERE account_id = %(account)s AND sequence > %(after)s AND sequence <= %(until)s {only} ORDER BY sequence DESC LIMIT %(limit)s
"""

_LONG = f"""
SELECT EXISTS (SELECT 1 FROM transfers_ledgerentry
    WHERE account_id = %s AND sequence > %s AND sequence <= %s AND amount_minor >= {LONG_AMOUNT_MINOR})
"""  # a constant, so that the planner finds the index of long amounts


@dataclass(frozen=True, slots=True)
class Period:
    """The part of an account's chain that a statement shows.

    It has the entries after one sequence until another, and the balances there.

    ``opened_at`` is when the account came to be, ``read_at`` the moment of reading by the
    database's clock, no entry is later. Entries are only ever added after the last one, so a period
    stays what it is while money moves.
    """

    account_id: UUID
    account_kind: str
    merchant_id: UUID
    merchant_name: str
    currency: CurrencyUnit
    after: int
    until: int
    opening_minor: int
    closing_minor: int
    opened_at: datetime
    read_at: datetime


def _entry(statement: str, *parameters: UUID | datetime | int) -> tuple[int, int, datetime | None]:
    """Return the sequence of an entry, the balance after it, and the moment of reading.

    Zeros and None if there is no such entry.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
    return (0, 0, None) if row is None else (row[0], int(row[1]), row[2])


def get_period(account: Account, *, start: datetime | None, end: datetime | None, until: int | None = None) -> Period:
    """Return the period ``start`` ≤ time < ``end`` of an account.

    ``until`` is the sequence at which an earlier page had its end.
    """
    if until is not None:
        until, closing_minor, read_at = _entry(_AT_SEQUENCE, account.id, until)
    elif end is not None:
        until, closing_minor, read_at = _entry(_NEWEST_BEFORE, account.id, account.id, end)
    else:
        until, closing_minor, read_at = _entry(_NEWEST, account.id)
    after, opening_minor, _ = (0, 0, None) if start is None else _entry(_NEWEST_BEFORE, account.id, account.id, start)
    return Period(
        account_id=account.id,
        account_kind=account.kind,
        merchant_id=account.merchant_id,
        merchant_name=account.merchant.name,
        currency=known_currency(account.currency_id),
        after=min(after, until),
        until=until,
        opening_minor=opening_minor if after <= until else closing_minor,
        closing_minor=closing_minor,
        opened_at=account.created_at,
        read_at=read_at or database_now(),
    )


def has_long_amounts(period: Period) -> bool:
    """Return whether a period has an amount of more than 18 digits, or such a balance at its ends.

    One look into the index of such entries.
    """
    if max(abs(period.opening_minor), abs(period.closing_minor)) >= LONG_AMOUNT_MINOR:
        return True
    with connection.cursor() as cursor:
        cursor.execute(_LONG, [period.account_id, period.after, period.until])
        return bool(cursor.fetchone()[0])


def period_lines(period: Period, *, before: int | None, limit: int, entry_type: str | None = None) -> list[StoredEntry]:
    """Return lines of a period newest first, those before a sequence, perhaps of one type.

    One round trip, from the primary key.
    """
    until = period.until if before is None else min(period.until, before - 1)
    # Sequences have no gaps, so a page of all types is exactly this range. It costs the same
    # whatever the planner expects.
    after = period.after if entry_type is not None else max(period.after, until - limit)
    parameters: dict[str, Any] = {
        "merchant": period.merchant_id,
        "kind": period.account_kind,
        "account": period.account_id,
        "after": after,
        "until": until,
        "limit": limit,
        "type": entry_type,
    }
    lines = _LINES.format(only="" if entry_type is None else "AND type = %(type)s")
    return read_entries(lines, parameters, order="e.sequence DESC", currency=period.currency)


def find_wallet_account(account_id: UUID) -> Account | None:
    """Return the wallet of that id, with its merchant."""
    return Account.objects.select_related("merchant").filter(id=account_id, kind="wallet").first()
