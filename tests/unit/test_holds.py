"""Holds and their captures: what is reserved is paid out or goes back, and no part of a fee is lost or paid twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from msgspec.structs import replace

from fees.domain import Payer
from ledger_project.kernel.refusals import AccountFrozen, CaptureExceedsHold, FeeExceedsAmount, InsufficientFunds
from merchants.domain import AccountKind, Status
from tests.support.factories import USD, account_in, decide, full_book, identity, schedule
from transfers.domain.commands import (
    AccountKey,
    CaptureHold,
    Details,
    HoldTerms,
    PlaceHold,
)
from transfers.domain.facts import Book, HoldState
from transfers.domain.hold_outcomes import HoldStatus
from transfers.domain.kinds import TransferKind

ANN, BEN, TREASURY = identity("ann"), identity("ben"), identity("treasury")


def ledger(ann: int = 10_000, ben: int = 0, **changes: Any) -> Book:
    return full_book([ANN, BEN, TREASURY], [ann, ben, 0], **changes)


def has(book: Book, merchant: Any = ANN, kind: AccountKind = AccountKind.WALLET) -> int:
    return account_in(book, merchant, kind).balance_minor


def placed(book: Book, amount_minor: int = 1000, expires_in_s: int = 60) -> HoldTerms:
    outcome = decide(book, PlaceHold(uuid4(), ANN, BEN, USD, amount_minor, expires_in_s, Details(memo="m", metadata={"a": 1})))
    assert outcome.hold is not None, outcome.refusal
    return outcome.hold.terms


def with_hold(book: Book, terms: HoldTerms, status: HoldStatus = HoldStatus.OPEN, **changes: Any) -> Book:
    return replace(book, holds={terms.id: HoldState(terms, status, captured_minor=0, transfer_id=None)}, **changes)


def test_a_hold_takes_amount_and_fee_out_of_what_can_be_spent() -> None:
    book = ledger(1010)
    terms = placed(book)
    assert (terms.amount_minor, terms.reserved_minor, terms.memo) == (1000, 1010, "m")
    assert terms.expires_at - terms.created_at == timedelta(seconds=60)
    assert (has(book), has(book, kind=AccountKind.HELD)) == (0, 1010)
    short = decide(ledger(1009), PlaceHold(uuid4(), ANN, BEN, USD, 1000, 60, Details()))
    assert isinstance(short.refusal, InsufficientFunds)


def test_a_capture_in_full_costs_what_was_reserved() -> None:
    book = ledger(1010)
    terms = placed(book)
    captured = decide(with_hold(book, terms), CaptureHold(terms, None, Details()))
    assert captured.transfer is not None
    assert captured.hold is not None
    assert (captured.transfer.kind, captured.transfer.fee_minor, captured.transfer.total_debit_minor) == (TransferKind.CAPTURE, 10, 1010)
    assert (captured.hold.captured_minor, captured.hold.transfer_id) == (1000, captured.transfer.id)
    assert (has(book), has(book, BEN), has(book, kind=AccountKind.FEES), has(book, kind=AccountKind.HELD)) == (0, 1000, 10, 0)


def test_what_a_partial_capture_leaves_goes_back_with_its_part_of_the_fee() -> None:
    book = ledger(1010)
    terms = placed(book)
    decide(with_hold(book, terms), CaptureHold(terms, 300, Details()))
    assert (has(book), has(book, BEN), has(book, kind=AccountKind.FEES), has(book, kind=AccountKind.HELD)) == (707, 300, 3, 0)


def test_more_than_was_held_cannot_be_captured() -> None:
    book = ledger()
    terms = placed(book)
    assert isinstance(decide(with_hold(book, terms), CaptureHold(terms, 1001, Details())).refusal, CaptureExceedsHold)


def test_a_capture_is_charged_by_the_schedule_of_the_day_it_was_held() -> None:
    book = ledger()
    terms = placed(book)
    dearer = with_hold(book, terms, schedules=[schedule(id=UUID(int=2), version=2, flat_minor=500)])
    captured = decide(dearer, CaptureHold(terms, None, Details()))
    assert captured.transfer is not None
    assert (captured.transfer.fee_minor, captured.transfer.schedule_version) == (10, 1)


def test_a_fee_that_the_receiver_pays_is_not_reserved() -> None:
    book = ledger(1000, schedules=[schedule(payer=Payer.RECEIVER)])
    terms = placed(book)
    assert terms.reserved_minor == 1000
    decide(with_hold(book, terms), CaptureHold(terms, None, Details()))
    assert (has(book), has(book, BEN), has(book, BEN, AccountKind.FEES)) == (0, 990, 10)
    small = placed(ledger(1000, schedules=[schedule(payer=Payer.RECEIVER, minimum_minor=5)]))
    refused = decide(with_hold(ledger(1000), small), CaptureHold(small, 3, Details())).refusal
    assert isinstance(refused, FeeExceedsAmount)


def test_a_smaller_amount_that_costs_more_is_paid_from_what_can_be_spent() -> None:
    """A cap on large amounts may make a part dearer than the whole: tiers of the whole amount do it."""
    from decimal import Decimal

    from fees.domain import Tier, TierMode

    tiers = (Tier(500, Decimal("0.5"), 0), Tier(None, Decimal(0), 0))
    book = ledger(1100, schedules=[schedule(tier_mode=TierMode.VOLUME, tiers=tiers, currency="USD")])
    terms = placed(book)
    assert terms.reserved_minor == 1000
    captured = decide(with_hold(book, terms), CaptureHold(terms, 500, Details()))
    assert captured.transfer is not None
    assert (captured.transfer.fee_minor, has(book), has(book, BEN)) == (250, 1100 - 750, 500)


def test_a_frozen_party_stops_a_hold_and_its_capture() -> None:
    book = ledger()
    terms = placed(book)
    book.accounts[AccountKey(BEN.id.int, "USD", AccountKind.WALLET)].status = Status.FROZEN
    assert isinstance(decide(with_hold(book, terms), CaptureHold(terms, None, Details())).refusal, AccountFrozen)
    assert isinstance(decide(book, PlaceHold(uuid4(), ANN, BEN, USD, 1, 60, Details())).refusal, AccountFrozen)
