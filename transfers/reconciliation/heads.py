"""Heads: where the chain of each account ends. A clean verdict keeps those of its moment.

They are one row for each account, and the verdict has a SHA-256 over all of them, in the order of
accounts. So a change of a kept head shows, unless the verdict was changed with it; against that,
keep an anchor elsewhere.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import psycopg

from ledger_project.database.snapshots import Raw, pages
from transfers.sql.entries import newest_entry


class Head(NamedTuple):
    """The newest entry of an account at some moment.

    ``hash`` is hexadecimal. The balance is text: one that is no number must not stop a proof.
    """

    account: str
    sequence: int
    hash: str
    balance_minor: str

    def packed(self) -> bytes:
        """Return its bytes for a digest: one line, whose parts have no tabulator."""
        return "\t".join((self.account, str(self.sequence), self.hash, self.balance_minor, "\n")).encode()


class HeadChange(NamedTuple):
    """An account whose head is not the kept one. ``kept`` or ``newest`` is None if it has none."""

    kept: Head | None
    newest: Head | None


_NEWEST = f"""
SELECT a.id::text, e.sequence, encode(e.hash, 'hex'), e.balance_after_minor::text
FROM merchants_account a
JOIN LATERAL ({newest_entry("sequence, hash, balance_after_minor", account="a.id")}) e ON true
ORDER BY a.id
"""

_KEPT = "SELECT account_id::text, sequence, encode(hash, 'hex'), balance_minor::text FROM transfers_reconciliationhead ORDER BY account_id"

# Two runs that end at once keep their heads one after the other. Readers do not wait.
_LOCK = "LOCK TABLE transfers_reconciliationhead IN SHARE ROW EXCLUSIVE MODE"
_KEEP = """
INSERT INTO transfers_reconciliationhead (account_id, sequence, hash, balance_minor)
SELECT n.account_id, n.sequence, decode(n.hash, 'hex'), n.balance_minor
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::numeric[]) n(account_id, sequence, hash, balance_minor)
ON CONFLICT (account_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash, balance_minor = excluded.balance_minor
"""
_FORGET = "DELETE FROM transfers_reconciliationhead WHERE account_id = ANY(%s::uuid[])"

_KEPT_ROWS = """
SELECT w.account_id::text, encode(e.hash, 'hex'), e.balance_after_minor::text
FROM unnest(%s::uuid[], %s::bigint[]) w(account_id, sequence)
LEFT JOIN transfers_ledgerentry e ON e.account_id = w.account_id AND e.sequence = w.sequence
"""

_PAGE = 2_000

HEADS = "heads"
"""The name of the check of kept heads, as stored verdicts have it."""


def newest_heads(raw: Raw) -> Iterator[Head]:
    """Yield the head of each account that has entries, in the order of accounts."""
    return _heads(raw, _NEWEST)


def kept_heads(raw: Raw) -> Iterator[Head]:
    """Yield the heads that are kept, in the order of accounts."""
    return _heads(raw, _KEPT)


def _heads(raw: Raw, statement: str) -> Iterator[Head]:
    for rows in pages(raw, statement, {}, _PAGE):
        yield from itertools.starmap(Head, rows)


def digest_of(heads: Iterable[Head]) -> bytes:
    """Return the SHA-256 over heads."""
    digest = hashlib.sha256()
    for head in heads:
        digest.update(head.packed())
    return digest.digest()


def changes(kept: Iterator[Head], newest: Iterator[Head]) -> Iterator[HeadChange]:
    """Yield the accounts whose heads differ, from two sequences in the order of accounts."""
    old, new = next(kept, None), next(newest, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.account < new.account):
            yield HeadChange(old, None)
            old = next(kept, None)
        elif old is None or new.account < old.account:
            yield HeadChange(None, new)
            new = next(newest, None)
        else:
            if old != new:
                yield HeadChange(old, new)
            old, new = next(kept, None), next(newest, None)


def broken_heads(raw: Raw, changed: Sequence[HeadChange]) -> Iterator[tuple[str, str]]:
    """Yield the accounts that are not what they were when their heads were kept."""
    kept = [(change.kept, change.newest is None) for change in changed if change.kept is not None]
    rows = raw.execute(_KEPT_ROWS, [[head.account for head, _ in kept], [head.sequence for head, _ in kept]]).fetchall()
    now = {account: (digest, balance) for account, digest, balance in rows}
    for head, gone in kept:
        reason = _difference(head, *now[head.account], gone=gone)
        if reason is not None:
            yield f"account {head.account}", reason


def _difference(head: Head, digest: str | None, balance: str, *, gone: bool) -> str | None:
    if digest is None:
        return f"entry {head.sequence} was proved and does not exist any more"
    if digest != head.hash:
        return f"the hash of entry {head.sequence} is not the proved one: history up to it was rewritten"
    if balance != head.balance_minor:
        return f"balance_after of entry {head.sequence} is {balance}, proved was {head.balance_minor}"
    return "it was proved and does not exist any more" if gone else None


def all_broken_heads(raw: Raw, kept: Iterator[Head]) -> Iterator[tuple[str, str]]:
    """Yield the accounts that are not what they were, of all whose heads were kept."""
    changed = changes(kept, newest_heads(raw))
    while page := list(itertools.islice(changed, _PAGE)):
        yield from broken_heads(raw, page)


def keep_heads(writer: Raw, reader: Raw) -> bytes:
    """Keep the newest heads that ``reader`` sees; return the SHA-256 over them.

    ``writer`` is in a transaction. No other run keeps heads until it ends.
    """
    writer.execute(_LOCK)
    digest = hashlib.sha256()
    newest = _digesting(newest_heads(reader), digest)
    changed = changes(kept_heads(writer), newest)
    while page := list(itertools.islice(changed, _PAGE)):
        heads = [change.newest for change in page if change.newest is not None]
        if heads:
            columns: list[list[Any]] = [list(column) for column in zip(*heads, strict=True)]
            psycopg.Cursor(writer).execute(_KEEP, columns)
        gone = [change.kept.account for change in page if change.newest is None and change.kept is not None]
        if gone:
            psycopg.Cursor(writer).execute(_FORGET, [gone])
    return digest.digest()


def _digesting(heads: Iterator[Head], digest: hashlib._Hash) -> Iterator[Head]:
    for head in heads:
        digest.update(head.packed())
        yield head
