"""Statements: an account's chain, newest first, in pages that cost the same wherever they are.

A line is read with its transfer and nothing else. The names of the parties never change, so they
come from a memory (``merchants.selectors.parties``). Columns are read as text, because answers are
text: no number or time is made of them on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any, TypeAlias, cast
from uuid import UUID

from django.db import connection
from msgspec import Struct

from ledger_project.database.clock import database_now
from ledger_project.database.prepared import positional
from ledger_project.database.reading_pages import read_page
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import WalletIdentity
from merchants.models import Account
from merchants.selectors import Party, known_currency, parties, parties_now
from transfers.domain.kinds import EntryType
from transfers.models.journal import LONG_AMOUNT_MINOR
from transfers.selectors.entries import StoredEntry, counterparty, entry_id_text
from transfers.sql.entries import newest_entry

_WHERE = "sequence, balance_after_minor, greatest(created_at, clock_timestamp())"
_NEWEST = newest_entry(_WHERE, account="%s")
_NEWEST_BEFORE = newest_entry(_WHERE, account="%s", until="< %s")

LineRow: TypeAlias = tuple[int, str, str, str, str, str, str, str, str, str | None, str | None, str | None, str]
"""A line as it is read: sequence, transfer, direction, type, amount, balance after it; the
transfer's kind, its source, its target, the merchant that its hold is for; memo, external
reference, time (UTC).
"""

_LINE = """e.sequence, e.transfer_id::text, e.direction, e.type, e.amount_minor::text, e.balance_after_minor::text,
    t.kind, t.source_id::text, t.target_id::text,
    CASE WHEN t.hold_id IS NOT NULL THEN (SELECT h.target_merchant_id::text FROM transfers_hold h WHERE h.id = t.hold_id) END,
    t.memo, t.external_reference, (e.created_at AT TIME ZONE 'UTC')::text"""
_COLUMNS = 13

_LINES = f"""
SELECT {_LINE} FROM (SELECT * FROM transfers_ledgerentry
    WHERE account_id = %(account)s AND sequence > {{after}} AND sequence <= {{until}} {{only}} ORDER BY sequence DESC LIMIT %(limit)s) e
CROSS JOIN LATERAL (SELECT kind, source_id, target_id, hold_id, memo, external_reference
    FROM transfers_transfer WHERE id = e.transfer_id OFFSET 0) t
ORDER BY e.sequence DESC
"""
# OFFSET 0 keeps the look-up of a transfer a look-up, whatever the planner knows of the tables.

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


def get_period(account: Account, *, start: datetime | None, end: datetime | None) -> Period:
    """Return the period ``start`` ≤ time < ``end`` of an account."""
    until, closing_minor, read_at = _entry(_NEWEST, account.id) if end is None else _entry(_NEWEST_BEFORE, account.id, account.id, end)
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


MOVED = "moved"
"""Stands for the types of all entries but those of holds and releases."""

_NOT_OF_HOLDS = f"AND type NOT IN ('{EntryType.HOLD}', '{EntryType.HOLD_RELEASE}')"


def period_lines(period: Period, *, before: int | None, limit: int, entry_type: str | None = None) -> list[StoredEntry]:
    """Return lines of a period newest first, those before a sequence, perhaps of one type.

    One round trip, from the primary key; one more for parties that this process has not seen.
    """
    until = period.until if before is None else min(period.until, before - 1)
    # Sequences have no gaps, so a page of all types is exactly this range. It costs the same
    # whatever the planner expects.
    after = period.after if entry_type is not None else max(period.after, until - limit)
    values: dict[str, Any] = {"account": period.account_id, "after": after, "until": until, "limit": limit, "type": entry_type}
    only = "" if entry_type is None else _NOT_OF_HOLDS if entry_type == MOVED else "AND type = %(type)s"
    with connection.cursor() as cursor:
        cursor.execute(_LINES.format(after="%(after)s", until="%(until)s", only=only), values)
        rows = cast("list[LineRow]", cursor.fetchall())
    named = parties_now(_party_ids(rows))
    own_id = str(period.merchant_id)
    return [_stored(row, period, counterparty_of(row, named, own_id)) for row in rows]


class StatementPage(Struct, frozen=True):
    """Lines of a wallet newest first, the parties that they name, and the period that they are of.

    ``until`` is the sequence of the last entry. ``ends_minor`` are the balances at the start and
    the end of a period.
    """

    wallet: WalletIdentity
    rows: list[LineRow]
    parties: Mapping[str, Party]
    until: int
    ends_minor: tuple[int, int] | None


_NEWEST_OF = "sequence, balance_after_minor::text AS balance"
_ENDS = {
    "newest": newest_entry(_NEWEST_OF, account="%(account)s"),
    "before": newest_entry(_NEWEST_OF, account="%(account)s", until="< %(end)s"),
    "sequence": f"SELECT {_NEWEST_OF} FROM transfers_ledgerentry WHERE account_id = %(account)s AND sequence = %(until)s",
}
_START = newest_entry(_NEWEST_OF, account="%(account)s", until="< %(start)s")
_NO_START = "SELECT 0::bigint AS sequence, '0' AS balance"


@cache
def _page_text(end: str, *, is_period: bool, has_start: bool, has_before: bool) -> str:
    """Return the SQL of a page: its lines in any order.

    In a period each is beside the entries at the period's ends; without lines there is one row with
    NULL in their place.
    """
    last = "least(c.sequence, %(before)s - 1)" if has_before else "c.sequence"
    if not is_period:
        lines = _LINES.format(after=f"{last} - %(limit)s", until=last, only="")
        return f"SELECT l.* FROM ({_ENDS[end]}) c CROSS JOIN LATERAL ({lines}) l"
    after = f"greatest(coalesce(o.sequence, 0), {last} - %(limit)s)"
    return f"""
    SELECT l.*, coalesce(o.sequence, 0), coalesce(o.balance, '0'), coalesce(c.sequence, 0), coalesce(c.balance, '0')
    FROM (SELECT) AS one
    LEFT JOIN LATERAL ({_ENDS[end]}) c ON true
    LEFT JOIN LATERAL ({_START if has_start else _NO_START}) o ON true
    LEFT JOIN LATERAL ({_LINES.format(after=after, until=last, only="")}) l ON true
    """


@dataclass(frozen=True, slots=True)
class StatementRequest:
    """Which page of a statement: of the period ``start`` ≤ time < ``end``, the lines before the
    sequence ``before``.

    ``until`` is the sequence at which an earlier page had its end.
    """

    wallet: WalletIdentity
    start: datetime | None
    end: datetime | None
    before: int | None
    until: int | None
    limit: int

    @property
    def is_period(self) -> bool:
        """Whether the page is of a period, and so is shown with the balances at its ends."""
        return self.start is not None or self.end is not None


def page_statement(wanted: StatementRequest) -> tuple[str, list[object]]:
    """Return the SQL of a page and its parameters."""
    end = "sequence" if wanted.until is not None else "newest" if wanted.end is None else "before"
    text = _page_text(end, is_period=wanted.is_period, has_start=wanted.start is not None, has_before=wanted.before is not None)
    values = {
        "account": wanted.wallet.id,
        "start": wanted.start,
        "end": wanted.end,
        "before": wanted.before,
        "until": wanted.until,
        "limit": wanted.limit,
    }
    return positional(text, values)


async def read_statement(wanted: StatementRequest) -> StatementPage:
    """Return a page of a statement. One round trip; one more for parties that this process has not
    seen.
    """
    rows = await read_page(*page_statement(wanted))
    if wanted.is_period:
        after, opening, until, closing = cast("tuple[int, str, int, str]", rows[0][_COLUMNS:])
        ends = int(opening if after <= until else closing), int(closing)
        lines = [] if rows[0][0] is None else cast("list[LineRow]", [row[:_COLUMNS] for row in rows])
    else:
        lines, ends = cast("list[LineRow]", rows), None
        until = wanted.until or 0
    lines.sort(key=itemgetter(0), reverse=True)
    until = until or (lines[0][0] if lines else 0)
    return StatementPage(wanted.wallet, lines, await parties(_party_ids(lines)), until, ends)


def _party_ids(rows: Sequence[LineRow]) -> set[str]:
    ids = {row[7] for row in rows}
    ids.update([row[8] for row in rows])
    ids.update([row[9] for row in rows if row[9] is not None])
    return ids


def counterparty_of(row: LineRow, named: Mapping[str, Party], merchant_id: str) -> str | None:
    """Return the counterparty of a line of a merchant's account."""
    hold_for = None if row[9] is None else named[row[9]].name
    return counterparty(row[3], row[6], named[row[7]], named[row[8]], hold_for=hold_for, owner_id=merchant_id)


def _stored(row: LineRow, period: Period, counterparty: str | None) -> StoredEntry:
    sequence, transfer_id, direction, type_, amount, balance, _, _, _, _, memo, reference, at = row
    return StoredEntry(
        id=UUID(entry_id_text(period.account_id, sequence)),
        account_id=period.account_id,
        account_kind=period.account_kind,
        transfer_id=UUID(transfer_id),
        sequence=sequence,
        direction=direction,
        type=type_,
        amount_minor=int(amount),
        balance_after_minor=int(balance),
        currency=period.currency,
        counterparty=counterparty,
        memo=memo,
        external_reference=reference,
        created_at=datetime.fromisoformat(at).replace(tzinfo=UTC),
    )


def find_wallet_account(account_id: UUID) -> Account | None:
    """Return the wallet of that id, with its merchant."""
    return Account.objects.select_related("merchant").filter(id=account_id, kind="wallet").first()
