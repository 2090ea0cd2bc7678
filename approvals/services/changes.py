"""The changes that move no money, carried out when they are approved."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Model

from approvals.domain.operations import AppendVersion, CloseMerchant, SetOverdraft
from fees.models import FeeSchedule
from fees.services import append_schedule
from ledger_project.database.clock import database_now
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.money import Money
from merchants.models import Account, Merchant
from merchants.services import set_overdraft_limit
from people.models import User
from people.operator_log import keep_api_change, keep_change
from transfers.services.merchant_closure import close_merchant

_OPERATOR = "admin:"


def carry_out_change(operation: SetOverdraft | CloseMerchant | AppendVersion, *, requested_by: str) -> None:
    """Carry a change out in the open transaction, and log it for who asked.

    Raises what the change does: ``AccountClosed``, ``AccountNotEmpty``, ``ValidationFailed``,
    ``VersionExists``, ``AccountBusy``.
    """
    match operation:
        case SetOverdraft():
            what = f"Overdraft limit {Money(operation.limit_minor, operation.currency)}"
            if set_overdraft_limit(operation.account_id, operation.limit_minor):
                _log(Account.objects.get(id=operation.account_id), what, operation.reason, requested_by)
        case CloseMerchant():
            if close_merchant(operation.merchant.id):
                _log(Merchant.objects.get(id=operation.merchant.id), "Closed", operation.reason, requested_by)
        case AppendVersion():
            schedule = append_schedule(draft_of(operation), by=_operator(requested_by))
            _log(schedule, f"Version {schedule.version} appended", operation.note, requested_by)


def draft_of(version: AppendVersion) -> FeeSchedule:
    """Return the row that a version will be."""
    return FeeSchedule(
        id=version.id,
        merchant_id=None if version.merchant is None else version.merchant.id,
        currency_id=None if version.currency is None else version.currency.code,
        kind=version.kind,
        rate=Decimal(version.rate),
        flat_minor=version.flat_minor,
        minimum_minor=version.minimum_minor,
        maximum_minor=version.maximum_minor,
        tier_mode=version.tier_mode,
        tiers=[dict(tier) for tier in version.tiers],
        rounding=version.rounding,
        payer=version.payer,
        effective_from=version.effective_from or database_now(),
        note=version.note,
    )


def _operator(principal: str) -> User | None:
    return User.objects.filter(pk=principal.removeprefix(_OPERATOR)).first() if principal.startswith(_OPERATOR) else None


def _log(obj: Model, what: str, reason: str, principal: str) -> None:
    operator = _operator(principal)
    if operator is None:
        keep_api_change(obj, what, reason, actor=Actor(principal))
    else:
        keep_change(obj, what, reason, user_id=operator.pk)
