"""The proof of what is new since kept heads: it goes on where a clean verdict, or an anchor, ended.

An entry is new if its sequence is above the kept head of its account. So nothing depends on a
clock, and what commits late is as new as the rest. Each kept head must still be there as it was,
and the new entries continue from it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from ledger_project.database.snapshots import Raw, Snapshot, pages
from ledger_project.kernel.ids import first_uuid7_at
from transfers.reconciliation.checks import (
    BALANCE_CHECK,
    ENTRY_CHECK,
    FEE_CHECK,
    HELD_CHECK,
    HOLD_CHECK,
    LIMIT_CHECK,
    REFERENCE_CHECK,
    REVERSAL_CHECK,
    TRANSFER_CHECK,
)
from transfers.reconciliation.findings import Finding, Progress, Work, by_look_ups, do_all, found, judged, work_of
from transfers.reconciliation.heads import HEADS, Head, HeadChange, broken_heads, changes, newest_heads
from transfers.reconciliation.scopes import EVERYTHING, some_entries, some_transfers

UNSEEN = (
    "changes of rows that were proved before, unless they move an account's head; "
    "daily figures and stored answers; entries whose account does not exist"
)
"""What an incremental proof does not see, for its verdict."""

_NEW_ENTRIES = """
SELECT e.account_id, e.sequence, e.transfer_id
FROM unnest(%(accounts)s::uuid[], %(kept)s::bigint[]) n(account_id, kept)
CROSS JOIN LATERAL (
    SELECT x.account_id, x.sequence, x.transfer_id FROM transfers_ledgerentry x
    WHERE x.account_id = n.account_id AND x.sequence > n.kept ORDER BY x.sequence OFFSET 0
) e
"""

# A transfer with entries is found by them. One without is found if its id is a new one.
_BARE_TRANSFERS = """
SELECT 'transfer ' || t.id, 'it has no entries' FROM transfers_transfer t
WHERE t.id >= %(since_id)s AND NOT EXISTS (SELECT FROM transfers_ledgerentry e WHERE e.transfer_id = t.id)
ORDER BY t.id LIMIT %(limit)s
"""

_CHANGES_AT_ONCE = 20_000
_ENTRIES_AT_ONCE = 5_000


class Increment:
    """What is new since kept heads, and what is wrong with it."""

    def __init__(self, snapshot: Snapshot, limit: int, progress: Progress | None) -> None:
        self._snapshot = snapshot
        self._limit = limit
        self._progress = progress
        self._counting = threading.Lock()
        self.entries_checked = 0

    def prove(self, kept: Callable[[Raw], Iterator[Head]], since: datetime) -> list[Finding]:
        """Return what is wrong. ``kept`` reads the heads; they are of the moment ``since``."""
        findings = self._prove_whole(since)
        changed = changes(kept(self._snapshot.first), newest_heads(self._snapshot.first))
        while page := list(itertools.islice(changed, _CHANGES_AT_ONCE)):
            size = -(-len(page) // self._snapshot.jobs)
            parts = [page[start : start + size] for start in range(0, len(page), size)]
            works = [Work(ENTRY_CHECK.name, ENTRY_CHECK.title, partial(self._prove_changes, part=part)) for part in parts]
            findings += do_all(self._snapshot, works, self._progress)
        return findings

    def _prove_whole(self, since: datetime) -> list[Finding]:
        """Prove what is about all accounts. It costs their number, not the length of history."""

        def bare(raw: Raw) -> list[Finding]:
            return found(TRANSFER_CHECK.name, _bare_transfers(raw, since, self._limit))

        works = [work_of(check, EVERYTHING, self._limit) for check in (BALANCE_CHECK, HELD_CHECK, LIMIT_CHECK)]
        return do_all(self._snapshot, [*works, Work(TRANSFER_CHECK.name, TRANSFER_CHECK.title, bare)], self._progress)

    def _prove_changes(self, raw: Raw, *, part: Sequence[HeadChange]) -> list[Finding]:
        findings = found(HEADS, broken_heads(raw, part))
        longer = [(new.account, 0 if old is None else old.sequence) for old, new in part if new is not None]
        parameters = {"accounts": [account for account, _ in longer], "kept": [sequence for _, sequence in longer]}
        for rows in pages(raw, _NEW_ENTRIES, parameters, _ENTRIES_AT_ONCE):
            with self._counting:
                self.entries_checked += len(rows)
            findings += self._prove_entries(raw, rows)
        return findings

    def _prove_entries(self, raw: Raw, rows: Sequence[tuple[UUID, int, UUID]]) -> list[Finding]:
        entries = some_entries([(account, sequence) for account, sequence, _ in rows])
        transfers = some_transfers(sorted({transfer for _, _, transfer in rows}))
        checks = [
            (ENTRY_CHECK, entries),
            *((check, transfers) for check in (TRANSFER_CHECK, FEE_CHECK, REVERSAL_CHECK, REFERENCE_CHECK, HOLD_CHECK)),
        ]
        with by_look_ups(raw):
            return [finding for check, scope in checks for finding in judged(raw, check, scope, self._limit)]


def _bare_transfers(raw: Raw, since: datetime, limit: int) -> Iterator[tuple[str, str]]:
    yield from raw.execute(_BARE_TRANSFERS, {"since_id": first_uuid7_at(since), "limit": limit}).fetchall()
