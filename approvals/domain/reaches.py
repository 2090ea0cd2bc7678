"""What an operation is about, as policies look at it, and in words."""

from __future__ import annotations

from functools import singledispatch

from approvals.domain.operations import AppendVersion, CloseMerchant, ConfirmDeposit, Operation, SetOverdraft
from approvals.domain.policies import Action, Reach
from ledger_project.kernel.money import CurrencyUnit, Money
from transfers.domain.commands import CaptureHold, Deposit, RegisterMerchant, ReverseTransfer, TransferFunds, Withdraw


@singledispatch
def reach_of(operation: object) -> Reach | None:
    """Return what policies look at; None for a command that no policy covers."""
    del operation
    return None


@reach_of.register
def _(operation: TransferFunds) -> Reach:
    return Reach(Action.TRANSFER, operation.currency.code, operation.amount_minor, operation.source.id)


@reach_of.register
def _(operation: CaptureHold) -> Reach:
    terms = operation.terms
    return Reach(Action.TRANSFER, terms.currency.code, _captured(operation), terms.source.id)


@reach_of.register(Deposit | ConfirmDeposit)
def _(operation: Deposit | ConfirmDeposit) -> Reach:
    return Reach(Action.DEPOSIT, operation.currency.code, operation.amount_minor, operation.merchant.id)


@reach_of.register
def _(operation: RegisterMerchant) -> Reach | None:
    # An opening balance is money from outside, as a deposit is.
    if operation.currency is None or not operation.opening_minor:
        return None
    return Reach(Action.DEPOSIT, operation.currency.code, operation.opening_minor)


@reach_of.register
def _(operation: Withdraw) -> Reach:
    return Reach(Action.WITHDRAWAL, operation.currency.code, operation.amount_minor, operation.merchant.id)


@reach_of.register
def _(operation: ReverseTransfer) -> Reach:
    original = operation.original
    # All that is left is the whole at most.
    amount_minor = original.amount_minor if operation.amount_minor is None else operation.amount_minor
    return Reach(Action.REVERSAL, original.currency.code, amount_minor, None if original.target is None else original.target.id)


@reach_of.register
def _(operation: SetOverdraft) -> Reach:
    return Reach(Action.OVERDRAFT, operation.currency.code, operation.limit_minor, operation.merchant.id)


@reach_of.register
def _(operation: CloseMerchant) -> Reach:
    return Reach(Action.CLOSE, merchant_id=operation.merchant.id)


@reach_of.register
def _(operation: AppendVersion) -> Reach:
    code = None if operation.currency is None else operation.currency.code
    return Reach(Action.FEE_VERSION, code, merchant_id=None if operation.merchant is None else operation.merchant.id)


def _captured(operation: CaptureHold) -> int:
    """Return what a capture takes; without an amount, all that is held."""
    return operation.terms.amount_minor if operation.amount_minor is None else operation.amount_minor


# --- in words ------------------------------------------------------------------------------------


@singledispatch
def summary_of(operation: Operation) -> str:
    """Return in words what it would do. Raises ``TypeError`` for what no policy covers."""
    raise TypeError(f"{type(operation).__name__} waits for nobody")


@summary_of.register
def _(operation: TransferFunds) -> str:
    amount = Money(operation.amount_minor, operation.currency)
    return f"Transfer {amount} from {operation.source.name} to {operation.target.name}"


@summary_of.register
def _(operation: CaptureHold) -> str:
    terms = operation.terms
    amount = Money(_captured(operation), terms.currency)
    return f"Capture {amount} of hold {terms.id}, from {terms.source.name} to {terms.target.name}"


@summary_of.register
def _(operation: Deposit) -> str:
    return f"Deposit {Money(operation.amount_minor, operation.currency)} for {operation.merchant.name}"


@summary_of.register
def _(operation: ConfirmDeposit) -> str:
    amount = Money(operation.amount_minor, operation.currency)
    return f"Confirm the deposit of {amount} for {operation.merchant.name}, bank reference {operation.bank_reference}"


@summary_of.register
def _(operation: RegisterMerchant) -> str:
    opening = Money(operation.opening_minor, operation.currency or CurrencyUnit("", 0))
    return f"Register {operation.merchant.name} with an opening balance of {opening}"


@summary_of.register
def _(operation: Withdraw) -> str:
    return f"Withdraw {Money(operation.amount_minor, operation.currency)} from {operation.merchant.name}"


@summary_of.register
def _(operation: ReverseTransfer) -> str:
    original = operation.original
    what = "all that is left" if operation.amount_minor is None else str(Money(operation.amount_minor, original.currency))
    giver, taker = (party.name if party else "outside" for party in (original.target, original.source))
    whole = Money(original.amount_minor, original.currency)
    fee = " and the fee in proportion" if operation.refund_fee else ""
    return f"Reverse {what} of {whole}{fee}, from {giver} to {taker} ({original.kind} {original.id})"


@summary_of.register
def _(operation: SetOverdraft) -> str:
    limit = Money(operation.limit_minor, operation.currency)
    return f"Let the {operation.currency.code} wallet of {operation.merchant.name} go {limit} below zero"


@summary_of.register
def _(operation: CloseMerchant) -> str:
    return f"Close {operation.merchant.name} for good"


@summary_of.register
def _(operation: AppendVersion) -> str:
    whom = "everybody" if operation.merchant is None else operation.merchant.name
    where = "every currency" if operation.currency is None else operation.currency.code
    when = "at once" if operation.effective_from is None else f"from {operation.effective_from:%Y-%m-%d %H:%M} UTC on"
    return f"New fees for {whom} in {where}, {when}: {operation.note}"
