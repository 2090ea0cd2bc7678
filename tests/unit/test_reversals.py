"""The table of reversals, walked through ``plan`` pair by pair, and the arithmetic of refunded fees."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fees.domain import Payer, Schedule
from ledger_project.kernel.refusals import AccountFrozen, InsufficientFunds, NotReversible
from merchants.domain import AccountKind, MerchantIdentity, Status
from tests.support.factories import USD, account_in, decide, full_book, identity, schedule
from transfers.domain.commands import Details, Original, ReverseTransfer, SettleFees, TransferFunds
from transfers.domain.facts import Book
from transfers.domain.kinds import REVERSIBLE_KINDS, TransferKind
from transfers.domain.outcome import Outcome
from transfers.domain.plan import Group, plan
from transfers.domain.reversals import REVERSAL_OUTCOMES, OriginalPhase, ReversalRequest, fee_share, original_phase

ANN, BEN, TREASURY = identity("ann"), identity("ben"), identity("treasury")
AMOUNT, FEE = 1000, 10

ALL_PAIRS = list(itertools.product(OriginalPhase, ReversalRequest))
EARLIER = {
    OriginalPhase.NOT_REVERSIBLE: [],
    OriginalPhase.UNREVERSED: [],
    OriginalPhase.PARTLY_REVERSED: [300, 100],
    OriginalPhase.FULLY_REVERSED: [400, 600],
}


def original(kind: str = "transfer", *, fee: int = FEE, payer: Payer = Payer.SENDER, outside: bool = False) -> Original:
    return Original(uuid4(), kind, ANN, None if outside else BEN, USD, AMOUNT, fee, payer)


def book_of(of: Original, earlier: list[int], *, wallets: tuple[int, int] = (0, 5000), fees: int = FEE, swept: int = 0) -> Book:
    book = full_book([ANN, BEN, TREASURY], [*wallets, swept], reversals={of.id: earlier})
    for who in (ANN, BEN):
        account_in(book, who, AccountKind.FEES).balance_minor = fees
    return book


def reverse(
    book: Book, of: Original, amount: int | None = None, *, refund_fee: bool = False, treasury: MerchantIdentity | None = None
) -> Outcome:
    command = ReverseTransfer(of, amount, refund_fee, treasury, Details())
    return decide(book, command)


def test_every_state_and_every_request_has_its_outcome() -> None:
    assert set(REVERSAL_OUTCOMES) == set(ALL_PAIRS)


@pytest.mark.parametrize(("phase", "request_"), ALL_PAIRS, ids=[f"{request}-when-{phase}" for phase, request in ALL_PAIRS])
def test_the_planner_does_what_the_table_says(phase: OriginalPhase, request_: ReversalRequest) -> None:
    of = original("reversal" if phase is OriginalPhase.NOT_REVERSIBLE else "transfer")
    earlier = EARLIER[phase]
    left = AMOUNT - sum(earlier)
    within = request_ is ReversalRequest.WITHIN
    if phase is OriginalPhase.FULLY_REVERSED:
        amounts: list[int | None] = [None] if within else [1, AMOUNT]
    else:
        amounts = [1, left, None] if within else [left + 1, AMOUNT * 10]
    for amount in amounts:
        book = book_of(of, list(earlier))
        outcome = reverse(book, of, amount)
        expected = REVERSAL_OUTCOMES[phase, request_]
        if expected is None:
            moved = left if amount is None else amount
            assert outcome.transfer is not None
            assert (outcome.transfer.reverses, outcome.transfer.amount_minor, outcome.transfer.fee_minor) == (of.id, moved, 0)
            assert (account_in(book, ANN).balance_minor, account_in(book, BEN).balance_minor) == (moved, 5000 - moved)
        else:
            assert type(outcome.refusal) is expected
            assert (account_in(book, ANN).balance_minor, account_in(book, BEN).balance_minor) == (0, 5000)


@pytest.mark.parametrize("kind", [kind for kind in TransferKind if kind not in REVERSIBLE_KINDS])
@pytest.mark.parametrize("outside", [False, True])
def test_only_transfers_and_captures_are_reversed(kind: TransferKind, outside: bool) -> None:
    of = original(kind.value, outside=outside)
    assert isinstance(reverse(book_of(of, []), of).refusal, NotReversible)
    assert original_phase(kind.value, AMOUNT, []) is OriginalPhase.NOT_REVERSIBLE


def test_a_capture_is_reversed_like_a_transfer() -> None:
    of = original("capture")
    book = book_of(of, [])
    assert reverse(book, of, refund_fee=True).refusal is None
    assert account_in(book, ANN).balance_minor == AMOUNT + FEE


def test_a_receiver_who_no_longer_has_the_money_is_short_of_it() -> None:
    of = original()
    book = book_of(of, [], wallets=(0, AMOUNT - 1))
    assert isinstance(reverse(book, of).refusal, InsufficientFunds)
    assert reverse(book, of, AMOUNT - 1).refusal is None


def test_state_comes_before_what_is_left() -> None:
    of = original()
    book = book_of(of, [AMOUNT])
    account_in(book, BEN).status = Status.FROZEN
    assert isinstance(reverse(book, of).refusal, AccountFrozen)


def test_in_one_batch_reversals_see_each_other() -> None:
    of = original()
    book = book_of(of, [])
    commands = [ReverseTransfer(of, 400, True, None, Details()) for _ in range(4)]
    outcomes = plan([Group([command]) for command in commands], book).outcomes
    assert [outcome.refusal is None for (outcome,) in outcomes if outcome] == [True, True, False, False]
    assert account_in(book, ANN).balance_minor == 800 + 8


def test_the_fee_goes_back_to_whoever_paid_it() -> None:
    sender, receiver = original(), original(payer=Payer.RECEIVER)
    book = book_of(sender, [])
    reverse(book, sender, refund_fee=True)
    assert (account_in(book, ANN).balance_minor, account_in(book, ANN, AccountKind.FEES).balance_minor) == (AMOUNT + FEE, 0)
    # The receiver got 990 and gives 1000: its fee comes back first, so that this is enough.
    book = book_of(receiver, [], wallets=(0, AMOUNT - FEE))
    assert reverse(book, receiver, refund_fee=True).refusal is None
    assert (account_in(book, ANN).balance_minor, account_in(book, BEN).balance_minor) == (AMOUNT, 0)
    assert account_in(book, BEN, AccountKind.FEES).balance_minor == 0


@pytest.mark.parametrize(("left", "treasury_left"), [(10, 100), (4, 94), (0, 90)])
def test_what_was_swept_comes_back_from_the_treasury(left: int, treasury_left: int) -> None:
    of = original()
    book = book_of(of, [], fees=left, swept=100)
    assert reverse(book, of, refund_fee=True, treasury=TREASURY).refusal is None
    assert account_in(book, ANN).balance_minor == AMOUNT + FEE
    assert account_in(book, ANN, AccountKind.FEES).balance_minor == 0
    assert account_in(book, TREASURY).balance_minor == treasury_left


def test_a_treasury_without_the_money_refuses_the_refund_but_not_the_reversal() -> None:
    of = original()
    book = book_of(of, [], fees=4, swept=5)
    assert isinstance(reverse(book, of, refund_fee=True, treasury=TREASURY).refusal, InsufficientFunds)
    assert reverse(book, of, treasury=TREASURY).refusal is None


parts_of_amount = st.lists(st.integers(1, AMOUNT), min_size=1, max_size=12).map(
    lambda cuts: [b - a for a, b in itertools.pairwise([0, *sorted({*cuts, AMOUNT})])]
)


@given(parts_of_amount, st.integers(0, 10**9))
def test_shares_of_a_full_reversal_in_parts_are_exactly_the_fee(parts: list[int], fee: int) -> None:
    shares = [fee_share(fee_minor=fee, original_minor=AMOUNT, amount_minor=part, earlier_minor=parts[:i]) for i, part in enumerate(parts)]
    assert sum(shares) == fee
    assert all(share >= 0 for share in shares)
    assert shares[:-1] == [fee * part // AMOUNT for part in parts[:-1]]


@given(parts_of_amount, st.integers(0, 10**6), st.data())
def test_parts_without_refund_keep_their_share(parts: list[int], fee: int, data: st.DataObject) -> None:
    asked = data.draw(st.lists(st.booleans(), min_size=len(parts), max_size=len(parts)))
    shares = [fee_share(fee_minor=fee, original_minor=AMOUNT, amount_minor=part, earlier_minor=parts[:i]) for i, part in enumerate(parts)]
    of = original(fee=fee)
    book = book_of(of, [], fees=fee)
    done: list[int] = []
    for part, refund in zip(parts, asked, strict=True):
        book = Book(book.now, book.entropy, book.accounts, book.schedules, reversals={of.id: list(done)})
        assert reverse(book, of, part, refund_fee=refund).refusal is None
        done.append(part)
    refunded = sum(share for share, refund in zip(shares, asked, strict=True) if refund)
    assert account_in(book, ANN).balance_minor == AMOUNT + refunded
    assert account_in(book, ANN, AccountKind.FEES).balance_minor == fee - refunded


# --- reversals of what was posted by a plan ---------------------------------------------------------------------------------


def ledger(ann: int = 10_000, ben: int = 0, **changes: Any) -> Book:
    return full_book([ANN, BEN, TREASURY], [ann, ben, 0], **changes)


def has(book: Book, merchant: Any = ANN, kind: AccountKind = AccountKind.WALLET) -> int:
    return account_in(book, merchant, kind).balance_minor


def back(what: Original, amount_minor: int | None = None, *, refund_fee: bool = False) -> ReverseTransfer:
    return ReverseTransfer(what, amount_minor, refund_fee, TREASURY if refund_fee else None, Details())


def test_a_receiver_who_spent_the_money_cannot_give_it_back() -> None:
    assert isinstance(decide(ledger(0, 999), back(original())).refusal, InsufficientFunds)


@given(amount=st.integers(1, 10**6), fee=st.integers(0, 10**6), cuts=st.lists(st.integers(1, 10**6), max_size=8))
def test_a_full_reversal_in_parts_gives_back_exactly_the_fee(amount: int, fee: int, cuts: list[int]) -> None:
    edges = sorted({cut % amount for cut in cuts} | {0, amount})
    parts = [high - low for low, high in itertools.pairwise(edges)]
    shares = [fee_share(fee_minor=fee, original_minor=amount, amount_minor=p, earlier_minor=parts[:i]) for i, p in enumerate(parts)]
    assert sum(shares) == fee
    assert all(share >= 0 for share in shares)


@pytest.mark.parametrize("payer", Payer)
def test_a_fee_goes_back_to_who_paid_it(payer: Payer) -> None:
    book = ledger(1010, schedules=[schedule(payer=payer)])
    moved = decide(book, TransferFunds(ANN, BEN, USD, 1000, Details())).transfer
    assert moved is not None
    what = replace(original(payer=payer), id=moved.id, fee_minor=moved.fee_minor)
    assert decide(book, back(what, refund_fee=True)).refusal is None
    assert (has(book), has(book, BEN)) == (1010, 0)
    assert {has(book, m, AccountKind.FEES) for m in (ANN, BEN)} == {0}


def test_a_fee_that_was_swept_comes_out_of_the_treasury() -> None:
    book = ledger(1010)
    moved = decide(book, TransferFunds(ANN, BEN, USD, 1000, Details())).transfer
    assert moved is not None
    decide(book, SettleFees(ANN, TREASURY, USD, Details()))
    assert has(book, TREASURY) == 10
    assert decide(book, back(replace(original(), id=moved.id), refund_fee=True)).refusal is None
    assert (has(book), has(book, TREASURY)) == (1010, 0)


def test_without_a_treasury_the_payers_own_fees_must_suffice() -> None:
    book = ledger(1010)
    decide(book, TransferFunds(ANN, BEN, USD, 1000, Details()))
    command = replace(back(original(), refund_fee=True), treasury=None)
    assert decide(book, command).refusal is None
    assert (has(book), has(book, kind=AccountKind.FEES)) == (1010, 0)


def test_a_fee_of_nothing_needs_no_way_back() -> None:
    free: Schedule = schedule(rate=schedule().rate * 0)
    book = ledger(1000, schedules=[free])
    decide(book, TransferFunds(ANN, BEN, USD, 1000, Details()))
    assert decide(book, back(original(fee=0), refund_fee=True)).refusal is None
    assert has(book) == 1000
