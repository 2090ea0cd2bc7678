"""Holds: to place, capture and void them."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from ledger_project.database.fields import new_id
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.errors import SameAccount
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.kernel.refusals import HoldNotFound, MerchantNotFound
from merchants.domain import fold, own
from merchants.selectors import Identities, find_currency, identify, required_currency
from transfers import selectors
from transfers.domain.commands import CaptureHold, Command, Details, PlaceHold, Refuse, VoidHold
from transfers.domain.refusals import RefusedKind, Wanted
from transfers.posting.engine import submit_one
from transfers.posting.jobs import Key, Render, Result, Submit
from transfers.services import authorization


class HoldRequest(Struct, frozen=True):
    """Reserve money of one merchant for another."""

    from_merchant: str
    to_merchant: str
    currency: str
    amount: AmountInput
    expires_in_s: int
    details: Details


async def place_hold(request: HoldRequest, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Reserve an amount and the fee of its capture."""
    currency = await find_currency(request.currency)
    identities = await identify(names=[request.from_merchant, request.to_merchant])
    return await submit_one(build_hold(request, identities, currency, actor=actor), key, render)


def build_hold(request: HoldRequest, identities: Identities, currency: CurrencyUnit | None, *, actor: Actor) -> Command:
    """Return the command of a hold request.

    Raises ``SameAccount``, ``UnknownCurrency`` and ``ValidationFailed``.
    """
    if fold(request.from_merchant) == fold(request.to_merchant):
        raise SameAccount
    in_currency = required_currency(request.currency, currency)
    amount_minor = request.amount.resolve(in_currency)
    source, target = own(actor, identities.merchant(request.from_merchant)), identities.merchant(request.to_merchant)
    if source is None or target is None:
        wanted = Wanted(
            RefusedKind.HOLD,
            None if source is None else source.id,
            None if target is None else target.id,
            in_currency.code,
            amount_minor,
            request.details.principal,
        )
        return Refuse(MerchantNotFound(request.from_merchant if source is None else request.to_merchant), wanted)
    return PlaceHold(new_id(place=source.id), source, target, in_currency, amount_minor, request.expires_in_s, request.details)


async def capture_hold(
    hold_id: UUID, amount: AmountInput, details: Details, *, actor: Actor, key: Key | None, render: Render, submit: Submit = submit_one
) -> Result:
    """Pay out of a hold: all of it, or an amount. The rest is released.

    Raises ``PermissionDenied`` for the payer.
    """
    terms = authorization.terms_for(actor, await in_reader(selectors.find_hold_terms, hold_id))
    if terms is None:
        return await submit(Refuse(HoldNotFound(hold_id), Wanted(RefusedKind.CAPTURE, principal=details.principal)), key, render)
    command = CaptureHold(terms, amount.resolve_optional(terms.currency), details)
    return await submit(command, key, authorization.discreet(render, actor, terms.source))


async def void_hold(hold_id: UUID, details: Details, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Give the money of a hold back.

    Raises ``PermissionDenied`` for the payer: a hold that its payer could end would be no promise.
    """
    terms = authorization.terms_for(actor, await in_reader(selectors.find_hold_terms, hold_id))
    if terms is None:
        return await submit_one(Refuse(HoldNotFound(hold_id), Wanted(RefusedKind.VOID, principal=details.principal)), key, render)
    return await submit_one(VoidHold(terms, details), key, render)
