"""Hold expiry: sweeps that give back the money of holds whose time ran out.

Several processes may sweep at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from ledger_project.kernel.refusals import HoldExpired, HoldNotOpen
from transfers.domain.commands import Details, ExpireHold, HoldTerms
from transfers.domain.hold_outcomes import HoldStatus
from transfers.posting.jobs import Answer, Item, Job, Result
from transfers.posting.synchronous import submit_all_now
from transfers.selectors.holds import due_holds, unreadable_due_holds

log = structlog.get_logger(__name__)

SWEEP_SIZE = 200
"""The largest number of holds that one posting releases."""

LOCK_WAIT_S = 1.0
"""How long a batch waits for accounts that are locked: longer than another sweep's batch takes."""

_NOTHING = Answer(200, b"")
_DETAILS = Details(principal="expiry")


@dataclass(frozen=True, slots=True)
class Sweep:
    """The numbers of one batch of holds: due, released by this sweep, and failed."""

    due: int
    released: int
    failed: int


def _release(terms: list[HoldTerms]) -> Sweep:
    """Release holds in one posting. If one fails, it fails alone.

    Two processes that sweep the same hold meet at its accounts' locks: the second one finds the
    hold expired and leaves it. The next sweep releases a hold whose accounts are locked for longer.
    """
    jobs = [Job([Item(ExpireHold(term, _DETAILS), lambda _outcome: _NOTHING)]) for term in terms]
    outcomes = submit_all_now(jobs, wait_s=LOCK_WAIT_S)
    released = failed = 0
    for term, outcome in zip(terms, outcomes, strict=True):
        if not isinstance(outcome, Result):
            failed += 1
            log.error("hold.expiry_failed", hold_id=str(term.id), error=type(outcome).__name__, detail=str(outcome)[:200])
            continue
        decided = outcome.decided
        if decided.transfer is not None and decided.hold is not None and decided.hold.status is HoldStatus.EXPIRED:
            released += 1
        elif decided.refusal is not None and not isinstance(decided.refusal, HoldExpired | HoldNotOpen):
            failed += 1
            log.error("hold.expiry_refused", hold_id=str(term.id), code=decided.refusal.code)
    return Sweep(len(terms), released, failed)


def sweep_due_holds() -> Iterator[Sweep]:
    """Release all due holds, the longest overdue first, batch by batch. Synchronous.

    A sweep passes over a hold that cannot be released, so that no other hold waits for it; the next
    sweep tries it again. A hold whose amounts are no numbers is logged, and counts as failed.
    """
    after = None
    while terms := due_holds(after=after, limit=SWEEP_SIZE):
        yield _release(terms)
        after = terms[-1]
    if unreadable := unreadable_due_holds(limit=SWEEP_SIZE):
        for hold_id in unreadable:
            log.error("hold.unreadable", hold_id=str(hold_id), detail="its amounts are no numbers; see reconcile")
        yield Sweep(len(unreadable), 0, len(unreadable))
