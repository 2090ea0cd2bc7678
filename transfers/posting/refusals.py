"""Refused postings: how often, and a row for each.

Both are written in the transaction that stores the refusal, so that no answer is counted or shown
twice. A posting that refuses nothing writes and reads nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from msgspec import DecodeError, Struct
from msgspec.json import Decoder

from ledger_project.database.arrays import plain, quoted, uuids, words
from ledger_project.database.fields import new_id
from ledger_project.kernel.refusals import Refusal
from transfers.domain import commands as c
from transfers.domain.outcome import Outcome
from transfers.domain.refusals import RefusedKind, Wanted
from transfers.posting import sql
from transfers.posting.jobs import Item, Job, Key
from transfers.posting.pipeline import Session
from transfers.posting.results import JobDecisions


class DecidedRefusal(NamedTuple):
    """One refusal: its code, what was wanted, the words and the request id of its answer, the key
    that keeps that answer, and when it was decided; None: now.
    """

    code: str
    wanted: Wanted | None
    answer: _Problem
    key: Key | None
    moment: datetime | None

    @property
    def currency(self) -> str:
        """The currency; empty where the request named none that exists."""
        return "" if self.wanted is None else self.wanted.currency


class _Problem(Struct):
    """What a row takes from an answer."""

    detail: str
    request_id: str = ""


_read_problem = Decoder(_Problem).decode

_WANTED: Mapping[type, Callable[[Any], Wanted]] = {
    c.RegisterMerchant: lambda f: Wanted(
        RefusedKind.REGISTRATION,
        currency="" if f.currency is None else f.currency.code,
        amount_minor=f.opening_minor or None,
        principal=f.details.principal,
    ),
    c.OpenAccount: lambda f: Wanted(RefusedKind.ACCOUNT, target_id=f.merchant.id, currency=f.currency.code),
    c.TransferFunds: lambda f: _between(RefusedKind.TRANSFER, f, f.amount_minor, f.details),
    c.PlaceHold: lambda f: _between(RefusedKind.HOLD, f, f.amount_minor, f.details),
    c.CaptureHold: lambda f: _between(
        RefusedKind.CAPTURE, f.terms, f.terms.amount_minor if f.amount_minor is None else f.amount_minor, f.details
    ),
    c.VoidHold: lambda f: _between(RefusedKind.VOID, f.terms, f.terms.amount_minor, f.details),
    c.ExpireHold: lambda f: _between(RefusedKind.EXPIRY, f.terms, f.terms.amount_minor, f.details),
    c.Deposit: lambda f: Wanted(RefusedKind.DEPOSIT, None, f.merchant.id, f.currency.code, f.amount_minor, f.details.principal),
    c.Withdraw: lambda f: Wanted(RefusedKind.WITHDRAWAL, f.merchant.id, None, f.currency.code, f.amount_minor, f.details.principal),
    c.ReverseTransfer: lambda f: Wanted(
        RefusedKind.REVERSAL,
        f.original.target and f.original.target.id,
        f.original.source and f.original.source.id,
        f.original.currency.code,
        f.amount_minor,
        f.details.principal,
    ),
    c.SettleFees: lambda f: Wanted(
        RefusedKind.FEE_SETTLEMENT, f.merchant.id, f.treasury.id, f.currency.code, principal=f.details.principal
    ),
    c.Refuse: lambda f: f.wanted,
}


def _between(kind: RefusedKind, parties: Any, amount_minor: int, details: c.Details) -> Wanted:
    return Wanted(kind, parties.source.id, parties.target.id, parties.currency.code, amount_minor, details.principal)


def decided_refusals(decisions: Iterable[JobDecisions], outcomes: Iterable[Sequence[Outcome | None]]) -> Sequence[DecidedRefusal]:
    """Return the refusals that were decided now; replays of earlier ones are not among them."""
    return [
        DecidedRefusal(
            outcome.refusal.code,
            _WANTED[type(item.command)](item.command),
            _answer(item, outcome, str(outcome.refusal)),
            _key(decision.job, item),
            moment,
        )
        for decision, decided in zip(decisions, outcomes, strict=True)
        for item, outcome, moment in zip_longest(decision.fresh, decided, decision.job.moments)
        if outcome is not None and isinstance(outcome.refusal, Refusal)
    ]


def _answer(item: Item, outcome: Outcome, said: str) -> _Problem:
    """Return the words and the request id that the caller got.

    The caller may have got fewer words than the refusal has: a receiver is not told what a payer
    has. The answer to a page or a file is no problem document; then the words are the refusal's.
    """
    try:
        problem = _read_problem(item.render(outcome).body)
    except DecodeError:
        details = getattr(item.command, "details", None)
        problem = _Problem(said, "" if details is None else details.request_id)
    problem.detail = problem.detail.replace("\x00", "\ufffd")  # PostgreSQL's text has no NUL
    return problem


def _key(job: Job, item: Item) -> Key | None:
    """Return the key that keeps the answer: a batch that is all or nothing has one for all."""
    envelope = job.envelope
    if envelope is None:
        return item.key
    return envelope.key or item.key if envelope.atomic else item.key or envelope.key


def insert_refusals(session: Session, refusals: Sequence[DecidedRefusal]) -> None:
    """Store the refusals and their counts, in the round trip that is open."""
    if refusals:
        _insert_rows(session, refusals)
        _insert_counts(session, Counter((refusal.currency, refusal.code, refusal.moment) for refusal in refusals))


def _insert_rows(session: Session, refusals: Sequence[DecidedRefusal]) -> None:
    wanted = [refusal.wanted for refusal in refusals]
    session.send(
        sql.INSERT_REFUSALS,
        [
            plain(new_id() for _ in refusals),
            quoted("" if w is None else w.kind.value for w in wanted),
            words(refusal.code for refusal in refusals),
            quoted(refusal.answer.detail for refusal in refusals),
            uuids(None if w is None else w.source_id for w in wanted),
            uuids(None if w is None else w.target_id for w in wanted),
            quoted(refusal.currency for refusal in refusals),
            plain(None if w is None else w.amount_minor for w in wanted),
            quoted("" if w is None else w.principal for w in wanted),
            quoted(refusal.answer.request_id for refusal in refusals),
            quoted("" if refusal.key is None else refusal.key.owner for refusal in refusals),
            quoted("" if refusal.key is None else refusal.key.key for refusal in refusals),
            quoted(None if refusal.moment is None else str(refusal.moment) for refusal in refusals),
        ],
    )


def _insert_counts(session: Session, counts: Mapping[tuple[str, str, datetime | None], int]) -> None:
    """Store the counts as new rows: updates of one row would have all workers wait for it."""
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
