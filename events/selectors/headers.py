"""Events as webhooks choose them: id, type and parties, without what they say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.db import connection

from events.domain.types import OF_KINDS, OF_RELEASES
from ledger_project.kernel.happenings import EventType
from transfers.sql.mark import newest_mark


class Header(NamedTuple):
    """An event's id and type, and the merchants whose event it is."""

    id: UUID
    type: str
    merchants: Sequence[UUID]


def _cases(types: Mapping[str, EventType]) -> str:
    return " ".join(f"WHEN '{word}' THEN '{type_}'" for word, type_ in types.items())


_TYPE_OF_TRANSFER = f"CASE t.kind WHEN 'hold_release' THEN CASE h.status {_cases(OF_RELEASES)} END {_cases(OF_KINDS)} END"

# A transfer of a hold is also of the receiver, whose accounts it does not touch.
_PARTIES_OF_TRANSFER = """array_remove(ARRAY[
    (SELECT a.merchant_id FROM merchants_account a WHERE a.id = t.source_id),
    (SELECT a.merchant_id FROM merchants_account a WHERE a.id = t.target_id), h.target_merchant_id], NULL)"""

_HEADERS = f"""
SELECT * FROM (
    (SELECT t.id, {_TYPE_OF_TRANSFER} AS type, {_PARTIES_OF_TRANSFER} AS merchants
     FROM transfers_transfer t LEFT JOIN transfers_hold h ON h.id = t.hold_id
     WHERE t.id > %(after)s AND t.id <= %(until)s {{of_transfer}} ORDER BY t.id {{limit}})
    UNION ALL
    (SELECT e.id, e.type, array_remove(ARRAY[e.merchant_id], NULL)
     FROM transfers_event e WHERE e.id > %(after)s AND e.id <= %(until)s {{of_event}} ORDER BY e.id {{limit}})
) f {{chosen}} ORDER BY id {{limit}}
"""
_ALL = _HEADERS.format(of_transfer="", of_event="", chosen="", limit="LIMIT %(limit)s")

_TYPES = "(%(types)s::text[] IS NULL OR f.type = ANY(%(types)s::text[]))"
_OF_ACCOUNTS = "ARRAY(SELECT id FROM merchants_account WHERE merchant_id = %(merchant)s)"
_CHOSEN = _HEADERS.format(
    of_transfer=f"""AND (%(merchant)s::uuid IS NULL OR t.source_id = ANY({_OF_ACCOUNTS}) OR t.target_id = ANY({_OF_ACCOUNTS})
        OR h.target_merchant_id = %(merchant)s)""",
    of_event="AND (%(merchant)s::uuid IS NULL OR e.merchant_id = %(merchant)s)",
    chosen=f"WHERE {_TYPES}",
    limit="",
)
_SOME = f"SELECT * FROM ({_CHOSEN}) c ORDER BY id LIMIT %(limit)s"
_COUNT = f"SELECT count(*) FROM ({_CHOSEN}) c"
_BY_IDS = f"""
SELECT * FROM (
    SELECT t.id, {_TYPE_OF_TRANSFER} AS type, {_PARTIES_OF_TRANSFER} AS merchants
    FROM transfers_transfer t LEFT JOIN transfers_hold h ON h.id = t.hold_id WHERE t.id = ANY(%(ids)s)
    UNION ALL SELECT e.id, e.type, array_remove(ARRAY[e.merchant_id], NULL) FROM transfers_event e WHERE e.id = ANY(%(ids)s)
) f WHERE (%(merchant)s::uuid IS NULL OR %(merchant)s = ANY(merchants)) ORDER BY id
"""

_LAST = UUID(int=(1 << 128) - 1)

SETTLED_ID = f"""
SELECT (replace(ledger_first_id(m.settled_until)::text, '-8000-000000000000', '-bfff-ffffffffffff'))::uuid
FROM ({newest_mark("settled_until")}) m
"""
"""The query of the largest id at or below the mark."""


def last_settled_id() -> UUID:
    """Return the largest id that is behind the mark: no event appears at or below it any more."""
    with connection.cursor() as cursor:
        cursor.execute(SETTLED_ID)
        return cast("UUID", cursor.fetchone()[0])


def headers_after(after: UUID, *, until: UUID, limit: int) -> list[Header]:
    """Return the events after one id, up to another one, oldest first. Synchronous."""
    with connection.cursor() as cursor:
        cursor.execute(_ALL, {"after": after, "until": until, "limit": limit})
        return [Header(*row) for row in cursor.fetchall()]


def chosen_headers(after: UUID, *, until: UUID, merchant_id: UUID | None, types: Collection[str] | None, limit: int) -> list[Header]:
    """Return the same, of one merchant and of some types (None: of all). Synchronous."""
    with connection.cursor() as cursor:
        cursor.execute(_SOME, _choice(after, until, merchant_id, types) | {"limit": limit})
        return [Header(*row) for row in cursor.fetchall()]


def count_headers(after: UUID, *, merchant_id: UUID | None, types: Collection[str] | None) -> int:
    """Return how many such events there are after an id, settled or not. Synchronous."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, _choice(after, _LAST, merchant_id, types))
        return int(cursor.fetchone()[0])


def headers_by_id(ids: Collection[UUID], *, merchant_id: UUID | None) -> list[Header]:
    """Return the events of these ids that are a merchant's (None: anybody's), settled or not,
    oldest first. Synchronous.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BY_IDS, {"ids": list(ids), "merchant": merchant_id})
        return [Header(*row) for row in cursor.fetchall()]


def _choice(after: UUID, until: UUID, merchant_id: UUID | None, types: Collection[str] | None) -> dict[str, Any]:
    return {"after": after, "until": until, "merchant": merchant_id, "types": None if types is None else sorted(types)}
