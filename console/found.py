"""What a search found, as rows: the kind, the name, a few facts, and the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from approvals.models import Approval
from console.amounts import shown
from merchants.domain import AccountKind
from merchants.models import Account, Merchant
from merchants.selectors import known_currency
from people.models import User
from people.selectors.users import known_users
from transfers.domain.kinds import TransferKind
from transfers.models import DepositRequest, Hold, IdempotencyRecord, Refusal, Transfer


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was found: its kind, its name, its page, and facts to tell it from others."""

    what: str
    name: str
    url: str
    facts: str = ""


_NAMED: dict[type[Model], tuple[str, ...]] = {
    Transfer: ("source__merchant", "target__merchant"),
    Hold: ("source_merchant", "target_merchant"),
    Account: ("merchant",),
    DepositRequest: ("merchant",),
    Refusal: ("source", "target"),
}
"""What a line about an object names besides it."""


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    """Whether the user may see objects of a kind."""
    return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def listed(model: type[Model]) -> Any:
    """Return the rows of a model that pages show, each with what its line names."""
    return known_users() if model is User else model._default_manager.select_related(*_NAMED.get(model, ()))


def found(obj: Model, name: str = "") -> Found:
    """Return an object as it is listed; ``name`` takes the place of its own one."""
    meta = obj._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[obj.pk])
    return Found(str(meta.verbose_name), name or str(obj), url, _facts(obj))


def found_transfer(transfer: Transfer) -> Found:
    """Return a transfer as it is listed; one that began a hold leads to the hold."""
    if transfer.kind == TransferKind.HOLD and transfer.hold is not None:
        return found(transfer.hold)
    return found(transfer)


def _facts(obj: Model) -> str:
    match obj:
        case Transfer() | Hold() | DepositRequest() | Refusal():
            facts = [f"{obj.created_at:%Y-%m-%d %H:%M:%S}", *_movement_facts(obj)]
        case Approval():
            facts = [f"{obj.created_at:%Y-%m-%d %H:%M:%S}", obj.summary, "waits or expired" if obj.decided_at is None else obj.status]
        case Merchant():
            facts = [obj.display_name or "", obj.status]
        case Account():
            facts = [str(obj), obj.status]
        case User():
            facts = [obj.name, obj.email, obj.status]
        case IdempotencyRecord():
            facts = [f"{obj.created_at:%Y-%m-%d %H:%M:%S}", f"answered {obj.status_code}", _refusal_code(obj)]
        case _:
            facts = []
    return " · ".join(fact for fact in facts if fact)


def _movement_facts(obj: Transfer | Hold | DepositRequest | Refusal) -> list[str]:
    """Return the parties, the amount, and more of what moved money or would have."""
    if isinstance(obj, Refusal):
        amount = shown(obj.amount_minor, known_currency(obj.currency)) if obj.currency and obj.amount_minor else ""
        return [f"{obj.source or '—'} → {obj.target or '—'}", amount, obj.words]
    amount = shown(obj.amount_minor, known_currency(obj.currency_id))
    if isinstance(obj, Transfer):
        return [_parties(obj), amount, obj.kind.replace("_", " "), obj.external_reference or "", obj.memo or ""]
    parties = f"{obj.source_merchant} → {obj.target_merchant}" if isinstance(obj, Hold) else obj.merchant.name
    return [parties, amount, obj.status]


def _parties(transfer: Transfer) -> str:
    names = ["outside" if account.kind == AccountKind.EXTERNAL else account.merchant.name for account in (transfer.source, transfer.target)]
    return " → ".join(names)


def _refusal_code(record: IdempotencyRecord) -> str:
    try:
        answer = json.loads(record.body)
    except ValueError:
        return ""
    return str(answer.get("code", "")) if isinstance(answer, dict) and record.status_code >= 400 else ""
