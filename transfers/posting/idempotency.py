"""One idempotency key of a change that moves no money: claimed, answered and replayed by the statements that postings use."""

from __future__ import annotations

from typing import cast

import psycopg
from django.conf import settings
from uuid_utils import uuid7

from ledger_project.kernel.errors import IdempotencyInProgress, IdempotencyKeyReused
from transfers.posting import sql
from transfers.posting.arrays import hexes, plain, quoted, words
from transfers.posting.jobs import Answer, Key, Result
from transfers.posting.pipeline import Session


def claim_key(session: Session, key: Key) -> str | Result:
    """Return the id of the key's record, which is ours to answer, or the answer that was given before.

    Waits for another transaction that has claimed the key. Raises ``IdempotencyKeyReused`` and ``IdempotencyInProgress``.
    """
    record_id = str(uuid7())
    parameters = [
        settings.LEDGER_IDEMPOTENCY_RETENTION, words([record_id]), quoted([key.owner]), quoted([key.key]), hexes([key.fingerprint]),
    ]  # fmt: skip
    try:
        if session.send(sql.CLAIM_KEYS, parameters).fetchall():
            return record_id
    except psycopg.errors.LockNotAvailable:
        raise IdempotencyInProgress from None
    rows = session.send(sql.REPLAYS, [quoted([key.owner]), quoted([key.key])]).fetchall()
    for _, _, fingerprint, status_code, body in cast("list[tuple[str, str, bytes, int | None, str | None]]", rows):
        if bytes(fingerprint) != key.fingerprint:
            raise IdempotencyKeyReused
        if status_code is not None and body is not None:
            return Result(Answer(status_code, body.encode()), replayed=True)
    raise IdempotencyInProgress


def answer_key(session: Session, record_id: str, answer: Answer) -> None:
    """Store the answer under a claimed key."""
    session.send(sql.COMPLETE_KEYS, [words([record_id]), plain([answer.status_code]), quoted([answer.body.decode()]), "{NULL}"])
