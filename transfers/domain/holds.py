"""Holds: money that is reserved, paid out or given back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from ledger_project.kernel.money import Money
from ledger_project.kernel.refusals import CaptureExceedsHold, HoldExpired, HoldNotOpen
from merchants.domain import AccountKind, MerchantIdentity
from transfers.domain.charges import Charge, charge_by, charge_for, fee_legs
from transfers.domain.commands import CaptureHold, Details, ExpireHold, HoldTerms, PlaceHold, VoidHold
from transfers.domain.drafts import Draft, post_draft
from transfers.domain.facts import HoldState
from transfers.domain.hold_outcomes import HOLD_OUTCOMES, HoldAction, HoldStatus, capture_action, phase_of, share_reserve
from transfers.domain.kinds import EntryType, TransferKind
from transfers.domain.ledger import Ledger, Leg, PostedTransfer
from transfers.domain.outcome import Posted


def place_hold(command: PlaceHold, ledger: Ledger) -> Posted:
    """Wallet DEBIT amount and fee, held CREDIT the same.

    The hold keeps the schedule in force, so the fee of its capture is known.
    """
    currency, amount_minor = command.currency, command.amount_minor
    wallet = ledger.account(command.source, currency, AccountKind.WALLET)
    held = ledger.account(command.source, currency, AccountKind.HELD)
    ledger.check_open(wallet, ledger.account(command.target, currency, AccountKind.WALLET))
    ledger.check_in_use(currency)
    charge = charge_for(ledger, command.source, currency, TransferKind.CAPTURE, amount_minor)
    reserved_minor = amount_minor + charge.sender_fee_minor
    reserved = Money(reserved_minor, currency)
    transfer = _move_reserve(ledger, TransferKind.HOLD, command.source, reserved, hold_id=command.hold_id, details=command.details)
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


def _move_reserve(
    ledger: Ledger, kind: TransferKind, payer: MerchantIdentity, reserved: Money, *, hold_id: UUID, details: Details
) -> PostedTransfer:
    """Move a hold's reserve between the payer's wallet and held account: into the hold, or back."""
    wallet = ledger.account(payer, reserved.currency, AccountKind.WALLET)
    held = ledger.account(payer, reserved.currency, AccountKind.HELD)
    source, target = (wallet, held) if kind is TransferKind.HOLD else (held, wallet)
    entry_type = EntryType(kind.value)
    draft = Draft(kind, payer, payer, source, target, reserved.currency, reserved.minor, details, hold_id=hold_id)
    return post_draft(ledger, draft, [Leg(source, entry_type, -reserved.minor), Leg(target, entry_type, reserved.minor)])


def _status_after(ledger: Ledger, terms: HoldTerms, action: HoldAction, requested_minor: int = 0) -> HoldStatus:
    """Return the status that an action leads to by ``HOLD_OUTCOMES``, or raise its refusal."""
    hold = ledger.holds[terms.id]
    outcome = HOLD_OUTCOMES[phase_of(hold.status, terms.expires_at, ledger.now), action]
    if isinstance(outcome, HoldStatus):
        return outcome
    if outcome is CaptureExceedsHold:
        raise CaptureExceedsHold(held=Money(terms.amount_minor, terms.currency), requested=Money(requested_minor, terms.currency))
    if outcome is HoldExpired:
        raise HoldExpired(terms.id, terms.expires_at.isoformat())
    raise HoldNotOpen(terms.id, hold.status.value)


def capture_hold(command: CaptureHold, ledger: Ledger) -> Posted:
    """Held DEBIT amount, receiver CREDIT amount; ``share_reserve`` says where the rest goes."""
    terms = command.terms
    wallet = ledger.account(terms.source, terms.currency, AccountKind.WALLET)
    target = ledger.account(terms.target, terms.currency, AccountKind.WALLET)
    amount_minor = terms.amount_minor if command.amount_minor is None else command.amount_minor
    ledger.check_open(wallet, target)
    status = _status_after(ledger, terms, capture_action(terms.amount_minor, amount_minor), amount_minor)
    charge = charge_by(terms.schedule, terms.currency, amount_minor)
    draft = Draft(
        TransferKind.CAPTURE,
        terms.source,
        terms.target,
        wallet,
        target,
        terms.currency,
        amount_minor,
        command.details,
        charge,
        hold_id=terms.id,
    )
    transfer = post_draft(ledger, draft, _capture_legs(ledger, terms, amount_minor, charge))
    hold = HoldState(terms, status, captured_minor=amount_minor, transfer_id=transfer.id)
    ledger.set_hold(hold)
    return Posted(transfer=transfer, hold=hold)


def _capture_legs(ledger: Ledger, terms: HoldTerms, amount_minor: int, charge: Charge) -> list[Leg]:
    wallet = ledger.account(terms.source, terms.currency, AccountKind.WALLET)
    held = ledger.account(terms.source, terms.currency, AccountKind.HELD)
    target = ledger.account(terms.target, terms.currency, AccountKind.WALLET)
    shares = share_reserve(terms.reserved_minor, captured_minor=amount_minor, fee_minor=charge.sender_fee_minor)
    legs = [Leg(held, EntryType.CAPTURE, -shares.receiver_minor), Leg(target, EntryType.CAPTURE, shares.receiver_minor)]
    payer_fees = ledger.account(terms.source, terms.currency, AccountKind.FEES)
    legs += fee_legs(held, payer_fees, shares.fees_minor)
    legs += fee_legs(wallet, payer_fees, charge.sender_fee_minor - shares.fees_minor)
    legs += fee_legs(target, ledger.account(terms.target, terms.currency, AccountKind.FEES), charge.receiver_fee_minor)
    if shares.payer_minor:
        legs += [Leg(held, EntryType.HOLD_RELEASE, -shares.payer_minor), Leg(wallet, EntryType.HOLD_RELEASE, shares.payer_minor)]
    return legs


def void_hold(command: VoidHold, ledger: Ledger) -> Posted:
    """Held DEBIT the whole reserve, wallet CREDIT the same."""
    return _release(ledger, command.terms, HoldAction.VOID, command.details)


def expire_hold(command: ExpireHold, ledger: Ledger) -> Posted:
    """The same as a void if the hold's time ran out, otherwise nothing."""
    return _release(ledger, command.terms, HoldAction.EXPIRE, command.details)


def _release(ledger: Ledger, terms: HoldTerms, action: HoldAction, details: Details) -> Posted:
    status = _status_after(ledger, terms, action)
    if status is HoldStatus.OPEN:
        return Posted(hold=ledger.holds[terms.id])
    released = Money(share_reserve(terms.reserved_minor).payer_minor, terms.currency)
    transfer = _move_reserve(ledger, TransferKind.HOLD_RELEASE, terms.source, released, hold_id=terms.id, details=details)
    hold = HoldState(terms, status, captured_minor=0, transfer_id=None)
    ledger.set_hold(hold)
    return Posted(transfer=transfer, hold=hold)
