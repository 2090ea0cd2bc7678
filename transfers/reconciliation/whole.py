"""The proof of every row: its works, which several connections share.

Two quick passes read all entries: one along each account's chain, one transfer by transfer. What is
not plainly right they hand to the checks that say what is wrong with a row. So the checks decide,
and a row that the passes take for right without cause would be the only way to miss a damage.
"""

from __future__ import annotations

from functools import partial

from ledger_project.database.snapshots import Raw, Snapshot, pages
from transfers.reconciliation.checks import (
    BALANCE_CHECK,
    ENTRY_CHECK,
    FEE_CHECK,
    HELD_CHECK,
    HOLD_CHECK,
    KEY_CHECK,
    LIMIT_CHECK,
    REFERENCE_CHECK,
    REVERSAL_CHECK,
    TRANSFER_CHECK,
)
from transfers.reconciliation.entries import UNCHAINED
from transfers.reconciliation.findings import Finding, Work, by_look_ups, judged, work_of
from transfers.reconciliation.parts import chain_ranges, id_ranges
from transfers.reconciliation.scopes import EVERYTHING, ChainRange, IdRange, some_entries, some_transfers
from transfers.reconciliation.transfers import UNLIKE

_DOUBTFUL_AT_ONCE = 1_000


def whole_works(snapshot: Snapshot, limit: int, parts: int) -> list[Work]:
    """Return the works that prove every row, the longest first.

    The passes are cut into ``parts`` parts for each connection.
    """
    pieces = snapshot.jobs * parts
    works = [
        Work(ENTRY_CHECK.name, ENTRY_CHECK.title, partial(_check_chains, part=part, limit=limit))
        for part in chain_ranges(snapshot.first, pieces)
    ]
    ids = id_ranges(snapshot.first, pieces)
    works += [Work(TRANSFER_CHECK.name, TRANSFER_CHECK.title, partial(_check_transfers, part=part, limit=limit)) for part in ids]
    works += [work_of(FEE_CHECK, part.rows(), limit) for part in ids]
    rest = (HOLD_CHECK, REVERSAL_CHECK, REFERENCE_CHECK, KEY_CHECK, HELD_CHECK, BALANCE_CHECK, LIMIT_CHECK)
    return [*works, *(work_of(check, EVERYTHING, limit) for check in rest)]


def _check_chains(raw: Raw, *, part: ChainRange, limit: int) -> list[Finding]:
    findings: list[Finding] = []
    for rows in pages(raw, UNCHAINED, part.parameters(), _DOUBTFUL_AT_ONCE):
        with by_look_ups(raw):
            findings += judged(raw, ENTRY_CHECK, some_entries([(account, sequence) for account, sequence in rows]), limit)
        if len(findings) >= limit:
            break
    return findings


def _check_transfers(raw: Raw, *, part: IdRange, limit: int) -> list[Finding]:
    findings: list[Finding] = []
    for rows in pages(raw, UNLIKE, part.parameters(), _DOUBTFUL_AT_ONCE):
        scope = some_transfers([identifier for (identifier,) in rows])
        with by_look_ups(raw):
            findings += [finding for check in (ENTRY_CHECK, TRANSFER_CHECK) for finding in judged(raw, check, scope, limit)]
        if len(findings) >= 2 * limit:
            break
    return findings
