"""Idempotency keys: their claim, their replay or refusal, and their completion.

A posting claims all its keys in its first round trip. A key whose record it could insert is its own
to answer; under any other key an answer was stored before, or another transaction is about to store
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import psycopg
from django.conf import settings
from uuid_utils import uuid7

from ledger_project.database.arrays import hexes, plain, quoted, uuids, words
from ledger_project.kernel.errors import IdempotencyInProgress, IdempotencyKeyReused
from transfers.posting import sql
from transfers.posting.jobs import Answer, Key, Result
from transfers.posting.pipeline import Reply, Session

_Row = tuple[str, str, bytes, int | None, str | None]  # one row of sql.REPLAYS


class Contention(Exception):
    """Another transaction was faster, and only a new look at the database can tell what it did: the
    posting is to be tried again.
    """


def check_same(key: Key, first: bytes) -> None:
    """Raise ``IdempotencyKeyReused`` unless a request has the fingerprint that came first under its
    key.
    """
    if key.fingerprint != first:
        raise IdempotencyKeyReused


class Claims:
    """The keys of one transaction.

    ``claim`` comes first, then ``read_claims``; ``write`` is the last.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._candidates: dict[tuple[str, str], str] = {}
        self._claimed: Reply | None = None
        self._records: dict[tuple[str, str], str] = {}
        self._asked: Reply | None = None
        self._stored: dict[tuple[str, str], _Row] | None = None
        self._completed: list[tuple[str, Result]] = []
        self._released: list[str] = []

    def claim(self, keys: Iterable[Key]) -> None:
        """Send the claim of all keys.

        Waits for other transactions that have claimed one of them.
        """
        first: dict[tuple[str, str], Key] = {}
        for key in keys:
            first.setdefault((key.owner, key.key), key)
        if not first:
            return
        names = sorted(first)
        # The id of a record is text: it comes from the database and goes back there.
        self._candidates = {name: str(uuid7()) for name in names}
        parameters = [
            settings.LEDGER_IDEMPOTENCY_RETENTION,
            words(self._candidates.values()),
            quoted(owner for owner, _ in names),
            quoted(key for _, key in names),
            hexes(first[name].fingerprint for name in names),
        ]
        self._claimed = self._session.send(sql.CLAIM_KEYS, parameters)

    def candidate_id(self, key: Key) -> str:
        """Return the id that the record of a key gets if its claim is won."""
        return self._candidates[key.owner, key.key]

    def read_claims(self) -> None:
        """Read which claims were won, after the round trip of ``claim``."""
        if self._claimed is None:
            return
        won = {row[0] for row in self._claimed.fetchall()}
        self._records = {name: record_id for name, record_id in self._candidates.items() if record_id in won}

    def ours(self, key: Key | None) -> bool:
        """Whether a command is to be decided now: it has no key, or its key is this transaction's
        to answer.
        """
        return key is None or (key.owner, key.key) in self._records

    def ask_stored(self) -> None:
        """Ask for what is stored under the keys that others have claimed."""
        taken = [name for name in self._candidates if name not in self._records]
        if taken:
            self._asked = self._session.send(sql.REPLAYS, [quoted(owner for owner, _ in taken), quoted(key for _, key in taken)])

    def replay(self, key: Key) -> Result:
        """Return the answer that was stored under a key.

        Raises ``IdempotencyKeyReused`` where the key stands for another request,
        ``IdempotencyInProgress`` where its record has no answer, and ``Contention`` where the
        record was purged since the claim.
        """
        if self._stored is None:
            rows = cast("list[_Row]", self._asked.fetchall()) if self._asked is not None else []
            self._stored = {(row[0], row[1]): row for row in rows}
        row = self._stored.get((key.owner, key.key))
        if row is None:
            raise Contention("a key that was taken has just been purged")
        _, _, fingerprint, status_code, body = row
        check_same(key, bytes(fingerprint))
        if status_code is None or body is None:
            raise IdempotencyInProgress
        return Result(Answer(status_code, body.encode()), replayed=True)

    def complete(self, key: Key | None, result: Result) -> None:
        """Have a result's answer stored under its key, which is ours."""
        if key is not None:
            self._completed.append((self._records[key.owner, key.key], result))

    def release(self, keys: Iterable[Key | None]) -> None:
        """Have those of the keys that are ours freed again."""
        names = {(key.owner, key.key) for key in keys if key is not None}
        self._released.extend(self._records[name] for name in names if name in self._records)

    def write(self) -> None:
        """Send the answers of completed keys and the end of released ones."""
        if self._completed:
            parameters = [
                words(record_id for record_id, _ in self._completed),
                plain(result.answer.status_code for _, result in self._completed),
                quoted(result.answer.body.decode() for _, result in self._completed),
                uuids(result.transfer_id for _, result in self._completed),
            ]
            self._session.send(sql.COMPLETE_KEYS, parameters)
        if self._released:
            self._session.send(sql.RELEASE_KEYS, [plain(self._released)])


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
            return claims.replay(key)
    except (psycopg.errors.LockNotAvailable, Contention):
        raise IdempotencyInProgress from None
    result = Result(change())
    claims.complete(key, result)
    claims.write()
    return result
