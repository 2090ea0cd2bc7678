"""Giving back the money of holds whose time ran out, in batches, safely from several processes at once."""

from __future__ import annotations

from transfers import engine
from transfers.domain.commands import Details, ExpireHold
from transfers.domain.holds import HoldStatus
from transfers.domain.outcome import Outcome
from transfers.jobs import Answer, Envelope, Item, Job
from transfers.selectors.holds import due_holds

SWEEP_SIZE = 200
"""Holds that one posting releases at most."""

_NOTHING = Answer(200, b"")


def _silent(_outcome: Outcome) -> Answer:
    return _NOTHING


def expire_due_holds() -> int:
    """Release one batch of holds whose time ran out; return how many were released here. Synchronous.

    Two processes that sweep the same hold meet at its accounts' locks: the second finds it expired and leaves it.
    """
    terms = due_holds(limit=SWEEP_SIZE)
    if not terms:
        return 0
    details = Details(principal="expiry")
    items = [Item(ExpireHold(term, details), _silent) for term in terms]
    envelope = Envelope(render=lambda _results: _NOTHING, render_failure=lambda _index, _result: _NOTHING)
    results = engine.submit_now(Job(items, envelope)).items
    return sum(1 for r in results if r.outcome and r.outcome.transfer and r.outcome.hold and r.outcome.hold.status is HoldStatus.EXPIRED)
