"""How often postings are refused, and why.

Counted in the transaction that stores the refusal, so that no answer is counted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest

from ledger_project.database.arrays import plain, quoted
from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.kernel.refusals import Refusal
from transfers.domain import commands as c
from transfers.domain.outcome import Outcome
from transfers.posting import sql
from transfers.posting.pipeline import Session
from transfers.posting.results import JobDecisions

RefusalCounts = Mapping[tuple[str, str, datetime | None], int]
"""Counts by (currency, code, moment). The currency is empty where a request named none that exists;
the moment is None for now."""


def count_refusals(decisions: Iterable[JobDecisions], outcomes: Iterable[Sequence[Outcome | None]]) -> RefusalCounts:
    """Return how often which refusal was decided now; replays of earlier ones are not counted."""
    return Counter(
        (_currency(item.command), outcome.refusal.code, moment)
        for decision, decided in zip(decisions, outcomes, strict=True)
        for item, outcome, moment in zip_longest(decision.fresh, decided, decision.job.moments)
        if outcome is not None and isinstance(outcome.refusal, Refusal)
    )


def _currency(command: c.Command) -> str:
    facts = getattr(command, "original", None) or getattr(command, "terms", None) or command
    currency = getattr(facts, "currency", None)
    return currency.code if isinstance(currency, CurrencyUnit) else ""


def insert_refusals(session: Session, counts: RefusalCounts) -> None:
    """Store the counts as new rows, in the round trip that is open.

    Updates of one row would have all workers wait for it.
    """
    if not counts:
        return
    session.send(
        sql.COUNT_REFUSALS,
        [
            plain(new_id() for _ in counts),
            quoted(currency for currency, _, _ in counts),
            quoted(code for _, code, _ in counts),
            quoted(None if moment is None else str(moment) for _, _, moment in counts),
            plain(counts.values()),
        ],
    )
