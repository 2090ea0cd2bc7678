"""How often postings are refused, and why: counted in the transaction that stores the refusal, so that no answer is counted twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ledger_project.kernel.errors import Refusal
from ledger_project.kernel.money import Currency
from merchants.models import new_id
from transfers.domain import commands as c
from transfers.domain.outcome import Outcome
from transfers.jobs import Item
from transfers.store import sql
from transfers.store.arrays import plain, quoted
from transfers.store.session import Session

RefusalCounts = Mapping[tuple[str, str], int]
"""Times by (currency, code); the currency is empty where a request named none that exists."""


def _currency(command: c.Command) -> str:
    facts = getattr(command, "original", None) or getattr(command, "terms", None) or command
    currency = getattr(facts, "currency", None)
    return currency.code if isinstance(currency, Currency) else ""


def count_refusals(groups: Sequence[Sequence[Item]], outcomes: Iterable[Sequence[Outcome | None]]) -> RefusalCounts:
    """Return how often which refusal was decided now; replays of earlier ones are not among them."""
    return Counter(
        (_currency(item.command), outcome.refusal.code)
        for items, decided in zip(groups, outcomes, strict=True)
        for item, outcome in zip(items, decided, strict=True)
        if outcome is not None and isinstance(outcome.refusal, Refusal)
    )


def insert_refusals(session: Session, counts: RefusalCounts) -> None:
    """Store the counts as rows of their own: no row that all workers would wait for."""
    session.send(
        sql.COUNT_REFUSALS,
        [
            plain(new_id() for _ in counts),
            quoted(currency for currency, _ in counts),
            quoted(code for _, code in counts),
            plain(counts.values()),
        ],
    )
