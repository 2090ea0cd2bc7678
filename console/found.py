"""What a search found, as rows: the kind, the name, a few facts, and the page."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.db.models import Model
from django.urls import reverse

from console.amounts import shown
from merchants.domain import AccountKind
from merchants.models import Account, Merchant
from merchants.selectors import known_currency
from people.models import User
from transfers.domain.kinds import TransferKind
from transfers.models import Hold, IdempotencyRecord, Refusal, Transfer


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was found: its kind, its name, its page, and facts to tell it from others."""

    what: str
    name: str
    url: str
    facts: str = ""


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
        case Transfer():
            facts = [f"{obj.created_at:%Y-%m-%d %H:%M:%S}", _parties(obj), shown(obj.amount_minor, known_currency(obj.currency_id))]
            facts += [obj.kind.replace("_", " "), obj.external_reference or "", obj.memo or ""]
        case Hold():
            amount = shown(obj.amount_minor, known_currency(obj.currency_id))
            facts = [f"{obj.created_at:%Y-%m-%d %H:%M:%S}", f"{obj.source_merchant} → {obj.target_merchant}", amount, obj.status]
        case Merchant():
            facts = [obj.display_name or "", obj.status]
        case Account():
            facts = [obj.status]
        case User():
            facts = [obj.name, obj.email, obj.status]
        case Refusal():
            parties = f"{obj.source or '—'} → {obj.target or '—'}"
            facts = [
                f"{obj.created_at:%Y-%m-%d %H:%M:%S}",
                parties,
                shown(obj.amount_minor, known_currency(obj.currency)) if obj.currency and obj.amount_minor else "",
                obj.words,
            ]
        case IdempotencyRecord():
            facts = [f"{obj.created_at:%Y-%m-%d %H:%M:%S}", f"answered {obj.status_code}", _refusal_code(obj)]
        case _:
            facts = []
    return " · ".join(fact for fact in facts if fact)


def _parties(transfer: Transfer) -> str:
    names = ["outside" if account.kind == AccountKind.EXTERNAL else account.merchant.name for account in (transfer.source, transfer.target)]
    return " → ".join(names)


def _refusal_code(record: IdempotencyRecord) -> str:
    try:
        answer = json.loads(record.body)
    except ValueError:
        return ""
    return str(answer.get("code", "")) if isinstance(answer, dict) and record.status_code >= 400 else ""
