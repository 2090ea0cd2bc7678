"""The table of what may become of a hold, walked through ``plan`` pair by pair: the table is complete, and the planner obeys it."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fees.domain import Payer, Rounding, Schedule, Tier, TierMode
from ledger_project.kernel.refusals import AccountFrozen, CaptureExceedsHold, FeeExceedsAmount, HoldExpired, InsufficientFunds, Refusal
from merchants.domain import AccountKind, Status
from tests.support.factories import NOW, USD, full_book, identity, plan_one, schedule
from transfers.domain.commands import AccountKey, CaptureHold, Details, ExpireHold, HoldTerms, PlaceHold, VoidHold
from transfers.domain.facts import Book, HoldState
from transfers.domain.hold_outcomes import HOLD_OUTCOMES, HoldAction, HoldPhase, HoldStatus, capture_action, phase_of, share_reserve
from transfers.domain.outcome import Outcome
from transfers.domain.plan import Group, Plan, plan

ANN, BEN = identity("ann"), identity("ben")
AMOUNT, FEE = 1000, 10
RESERVED = AMOUNT + FEE
CAPTURE_ID = uuid4()


def terms(*, expires_in_s: int = 60, amount: int = AMOUNT, reserved: int = RESERVED, charged_by: Schedule | None = None) -> HoldTerms:
    return HoldTerms(
        uuid4(), ANN, BEN, USD, amount, reserved, charged_by or schedule(), NOW + timedelta(seconds=expires_in_s), None, {}, NOW
    )


def stored(phase: HoldPhase) -> HoldState:
    """Return a hold that is in this phase at NOW."""
    agreed = terms(expires_in_s=0 if phase is HoldPhase.LAPSED else 60)
    status = HoldStatus.OPEN if phase is HoldPhase.LAPSED else HoldStatus(phase.value)
    captured = status is HoldStatus.CAPTURED
    return HoldState(agreed, status, captured_minor=AMOUNT if captured else 0, transfer_id=CAPTURE_ID if captured else None)


def book_of(hold: HoldState, *, wallet: int = 0) -> Book:
    book = full_book([ANN, BEN], [wallet, 0], holds={hold.terms.id: hold})
    if hold.status is HoldStatus.OPEN:
        book.accounts[AccountKey(ANN.id.int, "USD", AccountKind.HELD)].balance_minor = hold.terms.reserved_minor
    return book


def balances(book: Book) -> tuple[int, int, int]:
    """What ann can spend, what is held of it, and what ben can spend."""
    keys = [(ANN, AccountKind.WALLET), (ANN, AccountKind.HELD), (BEN, AccountKind.WALLET)]
    wallet, held, receiver = (book.accounts[AccountKey(who.id.int, "USD", kind)].balance_minor for who, kind in keys)
    return wallet, held, receiver


COMMANDS = {
    HoldAction.CAPTURE: lambda agreed: CaptureHold(agreed, None, Details()),
    HoldAction.CAPTURE_BEYOND: lambda agreed: CaptureHold(agreed, agreed.amount_minor + 1, Details()),
    HoldAction.VOID: lambda agreed: VoidHold(agreed, Details()),
    HoldAction.EXPIRE: lambda agreed: ExpireHold(agreed, Details()),
}
AFTER = {
    HoldStatus.OPEN: (0, RESERVED, 0),
    HoldStatus.CAPTURED: (0, 0, AMOUNT),
    HoldStatus.VOIDED: (RESERVED, 0, 0),
    HoldStatus.EXPIRED: (RESERVED, 0, 0),
}

ALL_PAIRS = list(itertools.product(HoldPhase, HoldAction))
POSSIBLE = [action for action in HoldAction if isinstance(HOLD_OUTCOMES[HoldPhase.OPEN, action], HoldStatus)]


def test_every_state_and_every_action_has_its_outcome() -> None:
    assert set(HOLD_OUTCOMES) == set(ALL_PAIRS)
    assert set(COMMANDS) == set(HoldAction)


@pytest.mark.parametrize(("phase", "action"), ALL_PAIRS, ids=[f"{action}-when-{phase}" for phase, action in ALL_PAIRS])
def test_the_planner_does_what_the_table_says(phase: HoldPhase, action: HoldAction) -> None:
    hold = stored(phase)
    book = book_of(hold)
    before = balances(book)
    outcome, planned = plan_one(book, COMMANDS[action](hold.terms))
    expected = HOLD_OUTCOMES[phase, action]
    if isinstance(expected, HoldStatus):
        assert outcome.refusal is None
        assert outcome.hold is not None
        assert outcome.hold.status is expected
        assert balances(book) == AFTER[expected]
        assert len(planned.transfers) == (expected is not HoldStatus.OPEN)
    else:
        assert issubclass(expected, Refusal)
        assert type(outcome.refusal) is expected
        assert (list(planned.transfers), list(planned.entries), list(planned.holds)) == ([], [], [])
        assert balances(book) == before


@pytest.mark.parametrize(("first", "second"), list(itertools.product(POSSIBLE, HoldAction)))
def test_within_one_batch_the_second_sees_what_the_first_did(first: HoldAction, second: HoldAction) -> None:
    hold = stored(HoldPhase.OPEN)
    book = book_of(hold)
    planned = plan([Group([COMMANDS[first](hold.terms)]), Group([COMMANDS[second](hold.terms)])], book)
    reached = HOLD_OUTCOMES[HoldPhase.OPEN, first]
    assert isinstance(reached, HoldStatus)
    expected = HOLD_OUTCOMES[HoldPhase(reached.value), second]
    outcome = planned.outcomes[1][0]
    assert outcome is not None
    if isinstance(expected, HoldStatus):
        assert outcome.refusal is None
    else:
        assert type(outcome.refusal) is expected
    fees = book.accounts[AccountKey(ANN.id.int, "USD", AccountKind.FEES)].balance_minor
    assert sum(balances(book)) + fees == RESERVED


@pytest.mark.parametrize(("microseconds", "phase"), [(-1, HoldPhase.OPEN), (0, HoldPhase.LAPSED), (1, HoldPhase.LAPSED)])
def test_a_hold_lapses_at_its_moment_exactly(microseconds: int, phase: HoldPhase) -> None:
    assert phase_of(HoldStatus.OPEN, NOW, NOW + timedelta(microseconds=microseconds)) is phase


@pytest.mark.parametrize("status", [status for status in HoldStatus if status is not HoldStatus.OPEN])
def test_time_changes_nothing_about_a_hold_that_has_ended(status: HoldStatus) -> None:
    assert phase_of(status, NOW, NOW - timedelta(days=1)) is phase_of(status, NOW, NOW + timedelta(days=1)) is HoldPhase(status.value)


@pytest.mark.parametrize(("requested", "action"), [(1, "capture"), (AMOUNT, "capture"), (AMOUNT + 1, "capture_beyond")])
def test_a_capture_is_measured_by_its_hold(requested: int, action: str) -> None:
    assert capture_action(AMOUNT, requested) is HoldAction(action)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**7))
def test_the_shares_of_a_reserve_add_up_to_it(captured: int, rest: int, fee: int) -> None:
    reserved = captured + rest
    shares = share_reserve(reserved, captured_minor=captured, fee_minor=fee)
    assert sum(shares) == reserved
    assert (shares.receiver_minor, shares.fees_minor) == (captured, min(fee, rest))
    assert share_reserve(reserved) == (0, 0, reserved)


@given(st.integers(1, AMOUNT), st.sampled_from(Payer))
def test_the_planner_moves_the_shares_of_a_reserve(amount: int, payer: Payer) -> None:
    fee = amount // 100 if payer is Payer.SENDER else 0
    agreed = terms(reserved=RESERVED, charged_by=schedule(payer=payer, rounding=Rounding.DOWN))
    hold = HoldState(agreed, HoldStatus.OPEN, captured_minor=0, transfer_id=None)
    _, planned = plan_one(book_of(hold), CaptureHold(agreed, amount, Details()))
    out_of_reserve = {e.type: e.amount_minor for e in planned.entries if e.account.key.kind is AccountKind.HELD}
    shares = share_reserve(RESERVED, captured_minor=amount, fee_minor=fee)
    expected = {"capture": shares.receiver_minor, "fee": shares.fees_minor, "hold_release": shares.payer_minor}
    assert out_of_reserve == {kind: moved for kind, moved in expected.items() if moved}


def place(book: Book, amount: int = AMOUNT, hold_id: UUID | None = None) -> tuple[Outcome, Plan]:
    return plan_one(book, PlaceHold(hold_id or uuid4(), ANN, BEN, USD, amount, 60, Details()))


def test_a_hold_reserves_the_amount_and_the_fee() -> None:
    book = full_book([ANN, BEN], [RESERVED + 5, 0])
    outcome, _ = place(book)
    assert outcome.hold is not None
    assert (outcome.hold.terms.reserved_minor, outcome.hold.terms.schedule) == (RESERVED, schedule())
    assert balances(book) == (5, RESERVED, 0)


def test_the_fee_must_be_there_too() -> None:
    outcome, planned = place(full_book([ANN, BEN], [RESERVED - 1, 0]))
    assert isinstance(outcome.refusal, InsufficientFunds)
    assert not planned.holds


def test_where_the_receiver_pays_no_fee_is_reserved() -> None:
    book = full_book([ANN, BEN], [AMOUNT, 0], schedules=[schedule(payer=Payer.RECEIVER)])
    outcome, _ = place(book)
    assert outcome.hold is not None
    assert outcome.hold.terms.reserved_minor == AMOUNT
    captured, _ = plan_one(book_of(outcome.hold), CaptureHold(outcome.hold.terms, None, Details()))
    assert captured.transfer is not None
    assert (captured.transfer.fee_minor, captured.transfer.total_debit_minor) == (FEE, AMOUNT)


@pytest.mark.parametrize(("amount", "fee", "released"), [(1000, 10, 0), (500, 5, 505), (1, 0, 1009), (999, 10, 1)])
def test_what_a_capture_leaves_is_released(amount: int, fee: int, released: int) -> None:
    hold = stored(HoldPhase.OPEN)
    book = book_of(hold)
    outcome, planned = plan_one(book, CaptureHold(hold.terms, amount, Details()))
    assert outcome.transfer is not None
    assert (outcome.transfer.fee_minor, outcome.transfer.total_debit_minor) == (fee, amount + fee)
    assert balances(book) == (released, 0, amount)
    assert {e.amount_minor for e in planned.entries if e.type == "hold_release"} == ({released} if released else set())


def test_more_than_was_held_is_not_captured() -> None:
    hold = stored(HoldPhase.OPEN)
    outcome, _ = plan_one(book_of(hold), CaptureHold(hold.terms, AMOUNT + 1, Details()))
    assert isinstance(outcome.refusal, CaptureExceedsHold)


def test_the_schedule_that_was_pinned_counts_whatever_is_in_force() -> None:
    hold = stored(HoldPhase.OPEN)
    dear = replace(book_of(hold), schedules=[schedule(currency="USD", flat_minor=500)])
    outcome, _ = plan_one(dear, CaptureHold(hold.terms, None, Details()))
    assert outcome.transfer is not None
    assert (outcome.transfer.fee_minor, outcome.transfer.schedule_version) == (FEE, 1)


def falling_fee() -> Schedule:
    """At least 50, but nothing from 1000 on: a smaller amount costs more."""
    tiers = (Tier(999, Decimal(0), 50), Tier(None, Decimal(0), 0))
    return schedule(currency="USD", rate=Decimal(0), tier_mode=TierMode.VOLUME, tiers=tiers)


@pytest.mark.parametrize(
    ("amount", "wallet", "expected"),
    [
        (990, 100, (60, 0, 990)),  # 10 of the fee from what was left of the reserve, 40 from the wallet
        (990, 40, (0, 0, 990)),
        (950, 0, (0, 0, 950)),  # all of the fee from the reserve
        (900, 7, (57, 0, 900)),
    ],
)
def test_a_dearer_fee_is_paid_from_the_reserve_and_then_from_the_wallet(amount: int, wallet: int, expected: tuple[int, ...]) -> None:
    hold = HoldState(terms(reserved=AMOUNT, charged_by=falling_fee()), HoldStatus.OPEN, captured_minor=0, transfer_id=None)
    book = book_of(hold, wallet=wallet)
    outcome, _ = plan_one(book, CaptureHold(hold.terms, amount, Details()))
    assert outcome.transfer is not None
    assert outcome.transfer.fee_minor == 50
    assert balances(book) == expected


def test_a_dearer_fee_that_nobody_has_refuses_the_capture_and_leaves_the_hold_open() -> None:
    hold = HoldState(terms(reserved=AMOUNT, charged_by=falling_fee()), HoldStatus.OPEN, captured_minor=0, transfer_id=None)
    book = book_of(hold, wallet=39)
    outcome, planned = plan_one(book, CaptureHold(hold.terms, 990, Details()))
    assert isinstance(outcome.refusal, InsufficientFunds)
    assert (planned.holds, balances(book)) == ([], (39, AMOUNT, 0))


def test_a_receiver_who_pays_never_pays_more_than_is_captured() -> None:
    agreed = terms(reserved=AMOUNT, charged_by=schedule(payer=Payer.RECEIVER, currency="USD", flat_minor=20))
    hold = HoldState(agreed, HoldStatus.OPEN, captured_minor=0, transfer_id=None)
    outcome, _ = plan_one(book_of(hold), CaptureHold(agreed, 19, Details()))
    assert isinstance(outcome.refusal, FeeExceedsAmount)


@pytest.mark.parametrize("kind", [ANN, BEN])
def test_the_state_of_an_account_comes_before_the_terms_of_the_hold(kind: object) -> None:
    hold = stored(HoldPhase.CAPTURED)
    book = book_of(hold)
    book.accounts[AccountKey(kind.id.int, "USD", AccountKind.WALLET)].status = Status.FROZEN
    outcome, _ = plan_one(book, CaptureHold(hold.terms, None, Details()))
    assert isinstance(outcome.refusal, AccountFrozen)


@pytest.mark.parametrize("command", [VoidHold, ExpireHold])
def test_a_frozen_merchant_still_gets_its_reserved_money_back(command: type[VoidHold] | type[ExpireHold]) -> None:
    """What is held is the payer's own: giving it back moves nothing out of the merchant, and expiry must not hang on a freeze."""
    hold = stored(HoldPhase.OPEN if command is VoidHold else HoldPhase.LAPSED)
    book = book_of(hold)
    for kind in AccountKind:
        book.accounts[AccountKey(ANN.id.int, "USD", kind)].status = Status.FROZEN
    outcome, _ = plan_one(book, command(hold.terms, Details()))
    assert outcome.refusal is None
    assert balances(book) == (RESERVED, 0, 0)


def test_a_lapsed_hold_is_not_captured_before_the_sweep_has_met_it() -> None:
    hold = stored(HoldPhase.LAPSED)
    outcome, _ = plan_one(book_of(hold), CaptureHold(hold.terms, 1, Details()))
    assert isinstance(outcome.refusal, HoldExpired)
