"""Moves of one merchant's money: registering, opening, in, out, and the sweep of fees."""

from __future__ import annotations

from uuid import uuid4

import pytest

from fees.domain import Payer
from ledger_project.kernel.errors import InvalidCursor, LedgerError, UnknownCurrency
from ledger_project.kernel.money import Money
from ledger_project.kernel.refusals import (
    AccountExists,
    AccountFrozen,
    CurrencyInactive,
    InsufficientFunds,
    MerchantExists,
    MerchantNotFound,
)
from merchants.domain import AccountKind, MerchantIdentity, Status
from tests.support.factories import NOW, USD, book, decide, full_book, identity, schedule, state
from transfers.domain.commands import (
    AccountKey,
    Command,
    Deposit,
    Details,
    OpenAccount,
    PlaceHold,
    Refuse,
    RegisterMerchant,
    SettleFees,
    TransferFunds,
    Withdraw,
)
from transfers.domain.facts import AccountState, Book
from transfers.domain.kinds import TransferKind
from transfers.domain.plan import Group, plan

ANN, BEN, TREASURY = identity("ann"), identity("ben"), identity("treasury")


def unopened(merchant: MerchantIdentity, kind: AccountKind) -> AccountState:
    return state(merchant, kind, sequence=0, last_at=None, exists=False, created_at=None)


def empty_book(merchant: MerchantIdentity, **changes: object) -> Book:
    return book(*(unopened(merchant, kind) for kind in AccountKind), **changes)


def test_a_transfer_names_the_account_of_the_receivers_fees() -> None:
    payment = TransferFunds(ANN, BEN, USD, 100, Details())
    assert payment.receiver_fees() == AccountKey(BEN.id.int, "USD", AccountKind.FEES)
    assert payment.receiver_fees() not in payment.accounts()


def test_a_merchant_with_an_opening_balance_gets_it_from_outside() -> None:
    outcome = decide(empty_book(ANN, registered={ANN.id: NOW}), RegisterMerchant(ANN, {"a": 1}, USD, 500, Details()))
    assert outcome.merchant is not None
    assert outcome.transfer is not None
    assert outcome.account is not None
    assert (outcome.merchant.identity, outcome.merchant.created_at) == (ANN, NOW)
    assert (outcome.transfer.kind, outcome.transfer.source, outcome.transfer.target) == (TransferKind.OPENING, None, ANN)
    assert (outcome.account.available_minor, outcome.account.held_minor) == (500, 0)


def test_a_merchant_without_money_gets_a_wallet_and_one_without_currency_gets_none() -> None:
    within = empty_book(ANN, registered={ANN.id: NOW})
    planned = plan([Group([RegisterMerchant(ANN, {}, USD, 0, Details())])], within)
    assert ([a.key.kind for a in planned.opened], planned.transfers) == ([AccountKind.WALLET], [])
    command = RegisterMerchant(ANN, {}, None, 0, Details())
    assert command.accounts() == ()
    outcome = decide(empty_book(ANN, registered={ANN.id: NOW}), command)
    assert outcome.merchant is not None
    assert outcome.account is None


def test_a_name_that_somebody_else_got_is_taken() -> None:
    assert isinstance(decide(empty_book(ANN), RegisterMerchant(ANN, {}, USD, 500, Details())).refusal, MerchantExists)


def test_an_account_is_opened_once_and_not_for_the_frozen() -> None:
    opened = decide(empty_book(ANN), OpenAccount(ANN, USD))
    assert opened.account is not None
    assert (opened.account.available_minor, opened.account.created_at) == (0, NOW)
    assert isinstance(decide(full_book([ANN], [5]), OpenAccount(ANN, USD)).refusal, AccountExists)
    frozen = [state(ANN, kind, exists=False, status=Status.FROZEN) for kind in AccountKind]
    assert isinstance(decide(book(*frozen), OpenAccount(ANN, USD)).refusal, AccountFrozen)


def test_a_deposit_and_a_withdrawal_cross_the_border_without_a_fee() -> None:
    within = full_book([ANN], [100])
    into = decide(within, Deposit(ANN, USD, 50, Details(external_reference="in")))
    out = decide(within, Withdraw(ANN, USD, 150, Details()))
    assert into.transfer is not None
    assert out.transfer is not None
    assert out.account is not None
    assert (into.transfer.source, into.transfer.target, into.transfer.fee_minor) == (None, ANN, 0)
    assert (out.transfer.source, out.transfer.target, out.account.available_minor) == (ANN, None, 0)


def test_a_withdrawal_of_more_than_there_is_says_so_without_speaking_of_a_fee() -> None:
    refusal = decide(full_book([ANN], [100]), Withdraw(ANN, USD, 101, Details())).refusal
    assert isinstance(refusal, InsufficientFunds)
    assert str(refusal) == "ann holds 1.00 USD; 1.01 is needed."
    assert refusal.extra() == {"currency": "USD", "available": Money(100, USD), "required": Money(101, USD), "fee": Money(0, USD)}


def test_fees_are_swept_whole_and_an_empty_account_is_left() -> None:
    within = full_book([ANN, BEN, TREASURY], [10_000, 0, 0])
    sweep = SettleFees(ANN, TREASURY, USD, Details())
    assert decide(within, sweep).transfer is None
    decide(within, TransferFunds(ANN, BEN, USD, 1000, Details()))
    swept = decide(within, sweep).transfer
    assert swept is not None
    assert (swept.kind, swept.amount_minor, swept.target) == (TransferKind.FEE_SETTLEMENT, 10, TREASURY)
    assert decide(within, sweep).transfer is None


def test_what_the_receiver_pays_is_not_asked_of_the_sender() -> None:
    within = full_book([ANN, BEN], [100, 0], schedules=[schedule(payer=Payer.RECEIVER)])
    made = decide(within, TransferFunds(ANN, BEN, USD, 100, Details())).transfer
    assert made is not None
    assert (made.total_debit_minor, made.fee_minor) == (100, 1)


BEGINNINGS = [
    TransferFunds(ANN, BEN, USD, 100, Details()),
    Deposit(ANN, USD, 100, Details()),
    PlaceHold(uuid4(), ANN, BEN, USD, 100, 60, Details()),
]


@pytest.mark.parametrize("command", BEGINNINGS, ids=lambda command: type(command).__name__)
def test_nothing_new_begins_in_a_currency_that_is_switched_off(command: Command) -> None:
    assert decide(full_book([ANN, BEN], [1000, 0], inactive={"EUR"}), command).refusal is None
    refusal = decide(full_book([ANN, BEN], [1000, 0], inactive={"USD"}), command).refusal
    assert isinstance(refusal, CurrencyInactive)
    frozen = [state(merchant, kind, 1000, status=Status.FROZEN) for merchant in (ANN, BEN) for kind in AccountKind]
    assert isinstance(decide(book(*frozen, inactive={"USD"}), command).refusal, AccountFrozen)


def test_no_account_is_opened_in_a_currency_that_is_switched_off_and_none_is_registered() -> None:
    assert isinstance(decide(empty_book(ANN, inactive={"USD"}), OpenAccount(ANN, USD)).refusal, CurrencyInactive)
    assert isinstance(decide(full_book([ANN], [0], inactive={"USD"}), OpenAccount(ANN, USD)).refusal, AccountExists)
    outcome = decide(empty_book(ANN, registered={ANN.id: None}), RegisterMerchant(ANN, {}, USD, 500, Details()))
    assert isinstance(outcome.refusal, CurrencyInactive)


def test_what_a_currency_that_is_switched_off_holds_can_leave_it() -> None:
    within = full_book([ANN, TREASURY], [1000, 0], inactive={"USD"})
    assert decide(within, Withdraw(ANN, USD, 5, Details())).refusal is None
    fees = book(state(ANN, AccountKind.FEES, 10), state(TREASURY), inactive={"USD"})
    assert decide(fees, SettleFees(ANN, TREASURY, USD, Details())).transfer is not None


def test_a_refusal_known_beforehand_is_only_remembered() -> None:
    command = Refuse(MerchantNotFound("zoe"))
    assert command.accounts() == ()
    assert decide(book(), command).refusal is command.error
    invalid = Refuse(UnknownCurrency("zzz"))
    assert decide(book(), invalid).refusal is invalid.error


def test_an_invalid_request_that_gets_as_far_as_the_plan_is_a_mistake_of_ours() -> None:
    class Careless(dict):
        def __missing__(self, _key: object) -> AccountState:
            raise InvalidCursor

    with pytest.raises(LedgerError):
        plan([Group([Deposit(ANN, USD, 1, Details())])], book(accounts=Careless()))


def test_an_atomic_group_takes_back_what_it_opened() -> None:
    within = book(*(unopened(m, kind) for m in (ANN, BEN) for kind in AccountKind))
    commands = [Deposit(ANN, USD, 5, Details()), Withdraw(BEN, USD, 1, Details()), Deposit(ANN, USD, 1, Details(memo=str(uuid4())))]
    planned = plan([Group(commands, atomic=True)], within)
    assert [o is not None for o in planned.outcomes[0]] == [False, True, False]
    assert (planned.opened, planned.entries, planned.transfers) == ([], [], [])
    assert not any(account.exists for account in within.accounts.values())
