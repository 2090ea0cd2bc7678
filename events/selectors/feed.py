"""The feed: everything that happened, in order, up to the mark behind which nothing can appear.

Whoever reads on with ``next_after`` misses nothing and finds nothing put in behind it. Columns are
read as text, because answers are text; names come from a memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias, cast
from uuid import UUID

from django.db import connection
from msgspec import Struct
from msgspec.structs import replace

from events.domain.types import type_of
from events.selectors.feed_sql import OF_IDS, Filters, page_statement
from ledger_project.database.arrays import uuids
from ledger_project.database.loop_connection import Row
from ledger_project.database.prepared import positional
from ledger_project.database.reading_pages import read_page
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.happenings import EventType
from ledger_project.kernel.ids import last_uuid7_at, time_of
from ledger_project.kernel.money import CurrencyUnit
from merchants.selectors import Party, parties, parties_now, units_of, units_of_now
from transfers.selectors.holds import HoldRow
from transfers.selectors.transfer_lists import TransferRow

BEGINNING = UUID(int=0)
"""The cursor before the first event."""


EntryLine: TypeAlias = list[str]
"""An entry of a transfer as the feed reads it: account, sequence, direction, type, amount, balance
after it.
"""


class FeedItem(Struct, frozen=True):
    """An event as it was read: a transfer with its entries, and with its hold if it moved the money
    of one; or the facts of something else. ``created_at`` is a time in UTC, as text.
    """

    id: str
    type: str
    created_at: str
    transfer: TransferRow | None = None
    entries: Sequence[EntryLine] = ()
    hold: HoldRow | None = None
    facts: Mapping[str, Any] = {}
    merchant_id: str | None = None


class FeedPage(Struct, frozen=True):
    """Events in their order, with the parties and the currencies that they name.

    ``next_after`` is the cursor to read on with. What has a time before ``settled_until`` is in the
    feed.
    """

    items: list[FeedItem]
    next_after: UUID
    settled_until: datetime
    parties: Mapping[str, Party]
    units: Mapping[str, CurrencyUnit]


_FIXED = 8
"""Columns before those of the transfer: mark, newest, id, type, facts, time, merchant, entries."""
_TRANSFER = 15


def _items(rows: Iterable[Row]) -> Iterator[FeedItem]:
    for row in cast("Iterable[tuple[Any, ...]]", rows):
        id_, type_, facts, at, merchant_id, lines = row[2:_FIXED]
        if row[_FIXED] is not None:
            transfer, hold = cast("TransferRow", row[_FIXED : _FIXED + _TRANSFER]), None
            if row[_FIXED + _TRANSFER] is not None:
                hold = cast("HoldRow", row[_FIXED + _TRANSFER :])
            entries = [line.split(",") for line in lines.split(";")] if lines else []
            kind = type_of(transfer[1], None if hold is None else hold[1])
            yield FeedItem(id_, kind.value, transfer[-1], transfer, entries, hold)
        elif type_ is not None:
            yield FeedItem(id_, type_, at, facts=json.loads(facts), merchant_id=merchant_id)


def _named(items: Iterable[FeedItem]) -> tuple[set[str], set[str]]:
    """Return the accounts and merchants whose names are shown, and the currencies."""
    ids: set[str] = set()
    codes: set[str] = set()
    for item in items:
        if item.transfer is not None:
            ids.update(item.transfer[2:4])
            codes.add(item.transfer[4])
            ids.update([line[0] for line in item.entries])
        if item.hold is not None:
            ids.update(item.hold[2:4])
        if item.merchant_id is not None:
            ids.add(item.merchant_id)
        codes.update(_currencies(item.facts))
    return ids, codes


def _currencies(facts: Mapping[str, Any]) -> Iterator[str]:
    for thing in facts.values():
        if isinstance(thing, Mapping):
            yield from (part["currency"] for part in (thing, *thing.get("balances", ())) if part.get("currency"))


def _of_viewer(items: Iterable[FeedItem], merchant_id: UUID, known: Mapping[str, Party]) -> Iterator[FeedItem]:
    """Yield what a merchant may see: events of its accounts, or of holds that are for it, with the
    entries of its accounts.
    """
    mine = str(merchant_id)
    for item in items:
        entries = [line for line in item.entries if known[line[0]].merchant_id == mine]
        owners = {item.merchant_id}
        if item.transfer is not None:
            owners.update(known[account_id].merchant_id for account_id in item.transfer[2:4])
        if item.hold is not None:
            owners.update(item.hold[2:4])
        if entries or mine in owners:
            yield replace(item, entries=entries)


# --- pages ----------------------------------------------------------------------------------------


class FeedRequest(Struct, frozen=True):
    """A page of the feed: what comes after an event, of these types (None: all), of a merchant, of
    an account, as the viewer may see it. ``after`` is None for what comes from now on.
    """

    viewer: Actor
    after: UUID | None = BEGINNING
    limit: int = 100
    types: frozenset[EventType] | None = None
    merchant_id: UUID | None = None
    account_id: UUID | None = None

    def statement(self) -> tuple[str, list[object]]:
        """Return the SQL of the page and its parameters."""
        mine = self.viewer.merchant_id
        is_nothing = self.after is None or (mine is not None and self.merchant_id not in {None, mine})
        filters = Filters(frozenset() if is_nothing else self.types, mine or self.merchant_id, self.account_id)
        after = self.after or BEGINNING
        values = {
            "after": after,
            "since": time_of(after) - timedelta(microseconds=1),
            "limit": self.limit,
            "merchant": filters.merchant_id,
            "account": filters.account_id,
        }
        return positional(page_statement(filters, with_newest=mine is None), values)

    def next_after(self, rows: Sequence[Row]) -> UUID:
        """Return the cursor to read on with.

        A page that is not full has all that is settled. So the next one goes on after the newest
        event of all, whatever the filters are. A merchant is not told the ids of others: its cursor
        is that of the moment.
        """
        found = [UUID(cast("str", row[2])) for row in rows if row[2] is not None]
        if len(found) == self.limit:
            return found[-1]
        settled_until, newest = cast("tuple[datetime, str | None]", rows[0][:2])
        if self.viewer.merchant_id is not None:
            newest = str(last_uuid7_at(settled_until))
        return max([self.after or BEGINNING, *found, UUID(newest or BEGINNING.hex)])


def is_moment(cursor: UUID) -> bool:
    """Whether a cursor is that of a moment, and not an event's id."""
    return cursor == last_uuid7_at(time_of(cursor))


async def read_feed(request: FeedRequest) -> FeedPage:
    """Return a page of the feed. One round trip; one more for names that this process has not seen.

    Raises what ``read_page`` does.
    """
    rows = await read_page(*request.statement())
    items = list(_items(rows))
    ids, codes = _named(items)
    return _page(request, rows, items, await parties(ids), await units_of(codes))


def read_feed_now(request: FeedRequest) -> FeedPage:
    """The same from synchronous code, inside the transaction of who reads in the background."""
    rows = _rows_now(*request.statement())
    items = list(_items(rows))
    ids, codes = _named(items)
    return _page(request, rows, items, parties_now(ids), units_of_now(codes))


def _page(
    request: FeedRequest, rows: Sequence[Row], items: list[FeedItem], known: Mapping[str, Party], units: Mapping[str, CurrencyUnit]
) -> FeedPage:
    shown = items if request.viewer.merchant_id is None else list(_of_viewer(items, request.viewer.merchant_id, known))
    return FeedPage(shown, request.next_after(rows), cast("datetime", rows[0][0]), known, units)


# --- certain events -------------------------------------------------------------------------------


async def read_events(ids: Sequence[UUID], *, viewer: Actor) -> FeedPage:
    """Return those of the events that exist and that the viewer may see, in their order, settled or
    not. Raises what ``read_page`` does.
    """
    rows = await read_page(OF_IDS, [uuids(ids)])
    items = list(_items(rows))
    names, codes = _named(items)
    return _page(FeedRequest(viewer), rows, items, await parties(names), await units_of(codes))


# As on the connections for pages (reading_pages.py), until the transaction ends.
_LOOK_UPS = "SELECT " + ", ".join(
    f"set_config('enable_{plan}', 'off', true)" for plan in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")
)


def _rows_now(statement: str, parameters: Sequence[object]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UPS)
        cursor.execute(statement, cast("list[str]", parameters))
        return cast("list[Row]", cursor.fetchall())
