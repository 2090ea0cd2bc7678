"""From requests to commands: names become identities, amounts become minor units, what is unknown becomes a refusal to remember.

Raises what is wrong with the request itself (``InvalidRequest``: nothing is stored under its key). What depends on stored things that
callers can change (an unknown merchant, say) becomes a ``Refuse`` command, so that its key gives the same answer for good. A source
that is not the caller's to debit is treated as one that does not exist, in everything: the answer, its order, and that it is kept.
"""

from __future__ import annotations

from uuid import UUID

from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.errors import FieldError, SameAccount, UnknownCurrency, ValidationFailed
from ledger_project.kernel.money import Currency, InvalidAmount, parse_major
from ledger_project.kernel.refusals import AccountNotFound, CurrencyMismatch, MerchantNotFound
from merchants.domain import MerchantIdentity, fold, own
from merchants.selectors import Identities
from transfers.domain.commands import Command, PlaceHold, Refuse, RegisterMerchant, TransferFunds
from transfers.services.requests import HoldRequest, RegistrationRequest, TransferRequest


def check_addressing(request: TransferRequest) -> None:
    """Raise ``ValidationFailed`` unless the request names two merchants and a currency, or two accounts; ``SameAccount`` if equal."""
    if request.from_merchant and request.to_merchant and request.currency and not (request.source_account_id or request.dest_account_id):
        if fold(request.from_merchant) == fold(request.to_merchant):
            raise SameAccount
        return
    by_name = {"from_merchant": request.from_merchant, "to_merchant": request.to_merchant}
    by_account = {"source_account_id": request.source_account_id, "dest_account_id": request.dest_account_id}
    if any(by_account.values()) and any(by_name.values()):
        detail = "name two merchants and a currency, or two accounts, not both"
        raise ValidationFailed([FieldError(name, "conflict", detail) for name, value in by_account.items() if value])
    wanted: dict[str, object] = dict(by_account) if any(by_account.values()) else {**by_name, "currency": request.currency}
    missing = [FieldError(name, "required", "this field is required") for name, value in wanted.items() if value is None]
    if missing:
        raise ValidationFailed(missing)
    if request.source_account_id is not None and request.source_account_id == request.dest_account_id:
        raise SameAccount


def required_currency(code: str, currency: Currency | None) -> Currency:
    """Return the currency. Raises ``UnknownCurrency`` if there never was one of that code."""
    if currency is None:
        raise UnknownCurrency(code)
    return currency


def build_transfer(request: TransferRequest, identities: Identities, currency: Currency | None, *, actor: Actor) -> Command:
    """Return the command of a transfer request whose addressing was checked. ``currency`` is that of ``request.currency``, if any."""
    if request.source_account_id is not None and request.dest_account_id is not None:
        return _between_accounts(request, (request.source_account_id, request.dest_account_id), identities, actor)
    in_currency = required_currency(request.currency or "", currency)
    amount_minor = request.amount.resolve(in_currency)
    source = own(actor, identities.merchant(request.from_merchant or ""))
    target = identities.merchant(request.to_merchant or "")
    if source is None or target is None:
        return Refuse(MerchantNotFound(request.from_merchant or "" if source is None else request.to_merchant or ""))
    return TransferFunds(source, target, in_currency, amount_minor, request.details)


def _between_accounts(request: TransferRequest, wallet_ids: tuple[UUID, UUID], identities: Identities, actor: Actor) -> Command:
    source_id, target_id = wallet_ids
    source, target = identities.wallets.get(source_id), identities.wallets.get(target_id)
    if source is None or not actor.acts_for(source.merchant.id):
        return Refuse(AccountNotFound(source_id))
    currency = source.currency
    amount_minor = request.amount.resolve(currency)
    if target is None:
        return Refuse(AccountNotFound(target_id))
    if request.currency is not None and request.currency != currency.code:
        return Refuse(CurrencyMismatch(currency.code, request.currency))
    return TransferFunds(source.merchant, target.merchant, currency, amount_minor, request.details, target_currency=target.currency.code)


def build_registration(request: RegistrationRequest, currency: Currency | None) -> RegisterMerchant:
    """Return the command of a registration. Raises ``UnknownCurrency`` and ``ValidationFailed``."""
    if request.currency is not None:
        currency = required_currency(request.currency, currency)
    try:
        opening_minor = parse_major(request.initial_balance, currency or Currency("", 8))
    except InvalidAmount as error:
        raise ValidationFailed.of("initial_balance", error.code, str(error)) from None
    if opening_minor and currency is None:
        raise ValidationFailed.of("currency", "required", "an initial balance needs a currency")
    return RegisterMerchant(
        MerchantIdentity(new_id(), request.merchant_name),
        request.metadata,
        currency,
        opening_minor,
        request.details,
        display_name=request.display_name,
        receipt_email=request.receipt_email,
    )


def build_hold(request: HoldRequest, identities: Identities, currency: Currency | None, *, actor: Actor) -> Command:
    """Return the command of a hold request. Raises ``SameAccount``, ``UnknownCurrency`` and ``ValidationFailed``."""
    if fold(request.from_merchant) == fold(request.to_merchant):
        raise SameAccount
    in_currency = required_currency(request.currency, currency)
    amount_minor = request.amount.resolve(in_currency)
    source, target = own(actor, identities.merchant(request.from_merchant)), identities.merchant(request.to_merchant)
    if source is None or target is None:
        return Refuse(MerchantNotFound(request.from_merchant if source is None else request.to_merchant))
    return PlaceHold(new_id(), source, target, in_currency, amount_minor, request.expires_in_s, request.details)
