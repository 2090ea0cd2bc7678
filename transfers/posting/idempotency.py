"""Idempotency keys: their claim, their replay or refusal, and their completion.

A posting claims all its keys in its first round trip. A key whose claim it could insert is its own
to answer, and it inserts the answer last. Under any other key an answer was stored before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast
from uuid import UUID

import psycopg

from ledger_project.database.arrays import plain, quoted, uuids, words
from ledger_project.kernel.errors import IdempotencyInProgress, IdempotencyKeyReused
from transfers.domain.idempotency import record_id
from transfers.posting import sql
from transfers.posting.jobs import Answer, Key, Result
from transfers.posting.pipeline import Reply, Session

_Row = tuple[str, UUID, int, str]  # one row of sql.REPLAYS
_Name = tuple[str, str]  # owner and key

_STORED = 16
"""The bytes of a fingerprint that are stored: two of one caller's requests never have them in
common by chance."""


class Contention(Exception):
    """Another transaction was faster, and only a new look at the database can tell what it did: the
    posting is to be tried again.
    """


def check_same(key: Key, first: bytes) -> None:
    """Raise ``IdempotencyKeyReused`` unless a request has the fingerprint that came first under its
    key. Of a fingerprint, only the part that is stored counts.
    """
    if key.fingerprint[:_STORED] != first[:_STORED]:
        raise IdempotencyKeyReused


class Claims:
    """The keys of one transaction.

    ``claim`` comes first, then ``read_claims``, ``ask_stored`` and ``read_stored``; the last one is
    ``write``.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._first: dict[_Name, Key] = {}
        # The id of a record is text: it goes to the database, and comes from there.
        self._ids: dict[_Name, str] = {}
        self._claimed: Reply | None = None
        self._ours: dict[_Name, int] = {}
        self._asked: Reply | None = None
        self._stored: dict[str, _Row] = {}
        self._completed: dict[_Name, Result] = {}
        self._released: set[_Name] = set()

    def claim(self, keys: Iterable[Key]) -> None:
        """Send the claim of all keys.

        Waits for other transactions that have claimed one of them.
        """
        for key in keys:
            self._first.setdefault((key.owner, key.key), key)
        if not self._first:
            return
        self._ids = {name: record_id(*name) for name in self._first}
        self._claimed = self._session.send(sql.CLAIM_KEYS, [words(self._ids.values())])

    def read_claims(self) -> None:
        """Read which claims were won, after the round trip of ``claim``."""
        if self._claimed is None:
            return
        won = {row[0] for row in self._claimed.fetchall()}
        self._ours = {name: place for place, (name, found) in enumerate(self._ids.items(), 1) if found in won}

    def ours(self, key: Key | None) -> bool:
        """Whether a command is to be decided now: it has no key, or its key is this transaction's
        to answer.
        """
        return key is None or (key.owner, key.key) in self._ours

    def ask_stored(self) -> None:
        """Ask where the answers are that are stored under the keys that others have claimed."""
        taken = [found for name, found in self._ids.items() if name not in self._ours]
        if taken:
            self._asked = self._session.send(sql.TAKEN_KEYS, [words(taken)])

    def read_stored(self) -> None:
        """Read those answers, after the round trip of ``ask_stored``, in one more.

        Without such keys there is none.
        """
        slots: dict[int, list[tuple[str, str]]] = {}
        places = cast("list[tuple[str, str, int]]", self._asked.fetchall()) if self._asked else []
        for found, moment, slot in places:
            slots.setdefault(slot, []).append((found, moment))
        if not slots:
            return
        with self._session.round_trip():
            replies = [
                self._session.send(sql.REPLAYS, [words(found for found, _ in rows), quoted(moment for _, moment in rows), slot])
                for slot, rows in slots.items()
            ]
        self._stored = {row[0]: row for reply in replies for row in cast("list[_Row]", reply.fetchall())}

    def replay(self, key: Key) -> Result:
        """Return the answer that was stored under a key.

        Raises ``IdempotencyKeyReused`` where the key stands for another request, and ``Contention``
        where the key was purged since the claim.
        """
        row = self._stored.get(self._ids[key.owner, key.key])
        if row is None:
            raise Contention("a key that was taken has just been purged")
        _, fingerprint, status_code, body = row
        check_same(key, fingerprint.bytes)
        return Result(Answer(status_code, body.encode()), replayed=True)

    def complete(self, key: Key | None, result: Result) -> None:
        """Have a result's answer stored under its key, which is ours."""
        if key is not None:
            self._completed[key.owner, key.key] = result

    def release(self, keys: Iterable[Key | None]) -> None:
        """Have those of the keys that are ours freed again, without an answer."""
        names = {(key.owner, key.key) for key in keys if key is not None}
        self._released |= names & self._ours.keys()

    def write(self) -> None:
        """Send the answers of completed keys and the end of released ones."""
        completed = {name: result for name, result in self._completed.items() if name not in self._released}
        if completed:
            parameters = [
                words(self._ids[name] for name in completed),
                plain(self._ours[name] for name in completed),
                quoted(owner for owner, _ in completed),
                quoted(key for _, key in completed),
                words(self._first[name].fingerprint[:_STORED].hex() for name in completed),
                plain(result.answer.status_code for result in completed.values()),
                quoted(result.answer.body.decode() for result in completed.values()),
                uuids(result.transfer_id for result in completed.values()),
            ]
            self._session.send(sql.COMPLETE_KEYS, parameters)
        if self._released:
            self._session.send(sql.RELEASE_KEYS, [words(sorted(self._ids[name] for name in self._released))])


def answer_once(key: Key | None, change: Callable[[], Answer]) -> Result:
    """Make a change that moves no money, in the transaction that is open, and return its answer;
    under a key at most once.

    Raises ``IdempotencyKeyReused`` and ``IdempotencyInProgress``.
    """
    if key is None:
        return Result(change())
    claims = Claims(Session())
    try:
        claims.claim([key])
        claims.read_claims()
        if not claims.ours(key):
            claims.ask_stored()
            claims.read_stored()
            return claims.replay(key)
    except (psycopg.errors.LockNotAvailable, Contention):
        raise IdempotencyInProgress from None
    result = Result(change())
    claims.complete(key, result)
    claims.write()
    return result
