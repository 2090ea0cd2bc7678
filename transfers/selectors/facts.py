"""What services need to know before they can build a command: facts that never change once they are stored."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from fees.domain import Payer, Schedule, choose_schedule
from fees.selectors import get_schedule, load_schedules
from merchants.domain import AccountKind, MerchantIdentity
from merchants.selectors import known_currency
from transfers.domain.commands import HoldTerms, Original
from transfers.domain.facts import HoldState
from transfers.domain.hold_outcomes import HoldStatus
from transfers.domain.kinds import TransferKind
from transfers.models import Hold, Transfer


def applicable_schedule(merchant_id: UUID, currency: str, kind: TransferKind = TransferKind.TRANSFER) -> Schedule | None:
    """Return the fee schedule that a movement of this merchant would be charged by now."""
    schedules = load_schedules(merchant_ids=[merchant_id], currencies=[currency])
    return choose_schedule(schedules, merchant_id=merchant_id, currency=currency, kind=kind.value, at=datetime.now(UTC))


def find_original(transfer_id: UUID) -> Original | None:
    """Return a posted transfer that somebody wants reversed."""
    transfer = Transfer.objects.select_related("source__merchant", "target__merchant", "fee_schedule").filter(id=transfer_id).first()
    if transfer is None:
        return None
    source, target = (
        None if account.kind == AccountKind.EXTERNAL else MerchantIdentity(account.merchant_id, account.merchant.name)
        for account in (transfer.source, transfer.target)
    )
    return Original(
        id=transfer.id,
        kind=transfer.kind,
        source=source,
        target=target,
        currency=known_currency(transfer.currency_id),
        amount_minor=transfer.amount_minor,
        fee_minor=transfer.fee_minor,
        payer=Payer.SENDER if transfer.fee_schedule is None else Payer(transfer.fee_schedule.payer),
    )


def hold_state(hold: Hold) -> HoldState:
    """Return a stored hold (with its merchants selected) as the domain knows it."""
    return HoldState(
        terms=HoldTerms(
            id=hold.id,
            source=MerchantIdentity(hold.source_merchant_id, hold.source_merchant.name),
            target=MerchantIdentity(hold.target_merchant_id, hold.target_merchant.name),
            currency=known_currency(hold.currency_id),
            amount_minor=hold.amount_minor,
            reserved_minor=hold.reserved_minor,
            schedule=get_schedule(hold.fee_schedule_id),
            expires_at=hold.expires_at,
            memo=hold.memo,
            metadata=hold.metadata,
            created_at=hold.created_at,
        ),
        status=HoldStatus(hold.status),
        captured_minor=hold.captured_minor,
        transfer_id=hold.capture_id,
    )


def find_hold_terms(hold_id: UUID) -> HoldTerms | None:
    """Return what was agreed when a hold was placed."""
    hold = Hold.objects.select_related("source_merchant", "target_merchant").filter(id=hold_id).first()
    return None if hold is None else hold_state(hold).terms
