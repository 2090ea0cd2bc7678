"""Holds: money that is reserved, paid out or given back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from fees.domain import Payer
from ledger_project.kernel.money import Currency, Money
from ledger_project.kernel.refusals import CaptureExceedsHold, HoldExpired, HoldNotOpen
from merchants.domain import AccountKind, MerchantIdentity
from transfers.domain.charges import charge_by, charge_for, fee_legs
from transfers.domain.commands import CaptureHold, Details, ExpireHold, HoldTerms, PlaceHold, VoidHold
from transfers.domain.drafts import Draft, post_draft
from transfers.domain.facts import HoldState
from transfers.domain.hold_outcomes import HOLD_OUTCOMES, HoldAction, HoldStatus, phase_of
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg, PostedTransfer
from transfers.domain.outcome import Posted


class HoldMove(Struct, frozen=True):
    """An amount that goes into a hold or comes back from it."""

    hold_id: UUID
    merchant: MerchantIdentity
    currency: Currency
    amount_minor: int
    details: Details


def place_hold(command: PlaceHold, ledger: Ledger) -> Posted:
    """Wallet DEBIT amount + fee, held CREDIT the same; the schedule is pinned, so the capture's fee is known."""
    currency, amount_minor = command.currency, command.amount_minor
    wallet = ledger.account(command.source, currency, AccountKind.WALLET)
    held = ledger.account(command.source, currency, AccountKind.HELD)
    ledger.check_open(wallet, ledger.account(command.target, currency, AccountKind.WALLET))
    ledger.check_in_use(currency)
    charge = charge_for(ledger, command.source, currency, TransferKind.CAPTURE, amount_minor)
    reserved_minor = amount_minor + (charge.fee_minor if charge.payer is Payer.SENDER else 0)
    transfer = _move_hold(ledger, HoldMove(command.hold_id, command.source, currency, reserved_minor, command.details), TransferKind.HOLD)
    terms = HoldTerms(
        id=command.hold_id,
        source=command.source,
        target=command.target,
        currency=currency,
        amount_minor=amount_minor,
        reserved_minor=reserved_minor,
        schedule=charge.schedule,
        expires_at=transfer.created_at + timedelta(seconds=command.expires_in_s),
        memo=command.details.memo,
        metadata=command.details.metadata,
        created_at=transfer.created_at,
    )
    hold = HoldState(terms, HoldStatus.OPEN, captured_minor=0, transfer_id=None)
    ledger.set_hold(hold)
    return Posted(hold=hold, transfer=transfer, account=ledger.snapshot(wallet, held, currency))


def _move_hold(ledger: Ledger, draft_of: HoldMove, kind: TransferKind) -> PostedTransfer:
    """Move money between the payer's wallet and held account: into the hold, or back."""
    source, currency, amount_minor = draft_of.merchant, draft_of.currency, draft_of.amount_minor
    wallet = ledger.account(source, currency, AccountKind.WALLET)
    held = ledger.account(source, currency, AccountKind.HELD)
    giver, taker = (wallet, held) if kind is TransferKind.HOLD else (held, wallet)
    entry_type = EntryType(kind.value)
    draft = Draft(kind, source, source, giver, taker, currency, amount_minor, draft_of.details, hold_id=draft_of.hold_id)
    return post_draft(ledger, draft, [Leg(giver, entry_type, -amount_minor), Leg(taker, entry_type, amount_minor)])


def _decide(ledger: Ledger, terms: HoldTerms, action: HoldAction) -> HoldStatus:
    """Return the status that the action leads to; raises what the table of outcomes says."""
    hold = ledger.holds[terms.id]
    outcome = HOLD_OUTCOMES[phase_of(hold.status, terms.expires_at, ledger.now), action]
    if isinstance(outcome, HoldStatus):
        return outcome
    if outcome is HoldExpired:
        raise HoldExpired(terms.id, terms.expires_at.isoformat())
    raise HoldNotOpen(terms.id, hold.status.value)


def capture_hold(command: CaptureHold, ledger: Ledger) -> Posted:
    """Held DEBIT amount, receiver CREDIT amount; the fee from what was reserved for it; the rest back to the wallet."""
    terms = command.terms
    currency = terms.currency
    wallet = ledger.account(terms.source, currency, AccountKind.WALLET)
    held = ledger.account(terms.source, currency, AccountKind.HELD)
    target = ledger.account(terms.target, currency, AccountKind.WALLET)
    amount_minor = terms.amount_minor if command.amount_minor is None else command.amount_minor
    ledger.check_open(wallet, target)
    status = _decide(ledger, terms, HoldAction.CAPTURE)
    if amount_minor > terms.amount_minor:
        raise CaptureExceedsHold(held=Money(terms.amount_minor, currency), requested=Money(amount_minor, currency))
    charge = charge_by(terms.schedule, currency, amount_minor)
    legs = [Leg(held, EntryType.CAPTURE, -amount_minor), Leg(target, EntryType.CAPTURE, amount_minor)]
    rest_minor = terms.reserved_minor - amount_minor
    if charge.payer is Payer.RECEIVER:
        legs += fee_legs(target, ledger.account(terms.target, currency, AccountKind.FEES), charge.fee_minor)
    else:
        fees = ledger.account(terms.source, currency, AccountKind.FEES)
        from_reserve_minor = min(rest_minor, charge.fee_minor)
        rest_minor -= from_reserve_minor
        legs += fee_legs(held, fees, from_reserve_minor)
        legs += fee_legs(wallet, fees, charge.fee_minor - from_reserve_minor)
    if rest_minor:
        legs += [Leg(held, EntryType.HOLD_RELEASE, -rest_minor), Leg(wallet, EntryType.HOLD_RELEASE, rest_minor)]
    draft = Draft(
        TransferKind.CAPTURE,
        terms.source,
        terms.target,
        wallet,
        target,
        currency,
        amount_minor,
        command.details,
        charge,
        hold_id=terms.id,
    )
    transfer = post_draft(ledger, draft, legs)
    hold = HoldState(terms, status, captured_minor=amount_minor, transfer_id=transfer.id)
    ledger.set_hold(hold)
    return Posted(transfer=transfer, hold=hold)


def void_hold(command: VoidHold, ledger: Ledger) -> Posted:
    """Held DEBIT all that was reserved, wallet CREDIT the same."""
    return _release(ledger, command.terms, HoldAction.VOID, command.details)


def expire_hold(command: ExpireHold, ledger: Ledger) -> Posted:
    """The same, if the hold's time ran out; else nothing."""
    return _release(ledger, command.terms, HoldAction.EXPIRE, command.details)


def _release(ledger: Ledger, terms: HoldTerms, action: HoldAction, details: Details) -> Posted:
    status = _decide(ledger, terms, action)
    if status is HoldStatus.OPEN:
        return Posted(hold=ledger.holds[terms.id])
    transfer = _move_hold(
        ledger, HoldMove(terms.id, terms.source, terms.currency, terms.reserved_minor, details), TransferKind.HOLD_RELEASE
    )
    hold = HoldState(terms, status, captured_minor=0, transfer_id=None)
    ledger.set_hold(hold)
    return Posted(transfer=transfer, hold=hold)
