"""The parties of what is listed: whose an account is, remembered because that never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from msgspec import Struct

from ledger_project.database.arrays import words
from ledger_project.database.lost_rows import identities_lost, on_forgetting
from ledger_project.database.reading_lane import Question, ask_all, ask_now
from ledger_project.kernel.bounded_cache import Remembered


class Party(Struct, frozen=True):
    """Whose an account is, and of which kind; or a merchant itself. ``merchant_id`` is the id as
    text.
    """

    merchant_id: str
    name: str
    is_outside: bool
    account_kind: str = ""


_parties: Remembered[str, Party] = Remembered(100_000)

_PARTIES = """
SELECT a.id::text, m.id::text, m.name, a.kind = 'external', a.kind
FROM merchants_account a JOIN merchants_merchant m ON m.id = a.merchant_id WHERE a.id = ANY(%s::uuid[])
UNION ALL SELECT id::text, id::text, name, false, '' FROM merchants_merchant WHERE id = ANY(%s::uuid[])
"""


PARTIES: Question[str, Party] = Question(
    _PARTIES,
    lambda keys: [words(keys)] * 2,
    lambda rows: {found: Party(*party) for found, *party in cast("Iterable[tuple[Any, ...]]", rows)},
)
"""The party behind the id of an account of any kind, or of a merchant, as text."""


def _add(found: Mapping[str, Party], left: Sequence[str], read: Mapping[str, Party]) -> Mapping[str, Party]:
    """Return what was found with what was read for the rest; keep what was read."""
    if len(read) < len(left):
        raise identities_lost()
    _parties.remember(read)
    return {**found, **read}


async def parties(ids: Iterable[str]) -> Mapping[str, Party]:
    """Return the parties behind ids of accounts of any kind, and of merchants. The ids are text.

    The database is asked only for those that this process has not seen yet.
    Raises ``IdentitiesLost`` if one is not there: rows that were read a moment ago named it.
    """
    found, left = _known_parties(ids)
    return _add(found, left, await ask_all(PARTIES, left)) if left else found


def parties_now(ids: Iterable[str]) -> Mapping[str, Party]:
    """The same from synchronous code."""
    found, left = _known_parties(ids)
    return _add(found, left, ask_now(PARTIES, left)) if left else found


def _known_parties(ids: Iterable[str]) -> tuple[dict[str, Party], list[str]]:
    found, left = {}, []
    for one in set(ids):
        party = _parties.get(one)
        if party is None:
            left.append(one)
        else:
            found[one] = party
    return found, left


on_forgetting(_parties.clear)
