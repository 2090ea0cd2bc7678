"""Registration: new merchants, and new accounts of merchants."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct, field

from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.errors import ValidationFailed
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, parse_major
from ledger_project.kernel.refusals import MerchantNotFound
from merchants.domain import MerchantIdentity, own
from merchants.selectors import find_currency, identify, required_currency
from transfers.domain.commands import Command, Details, OpenAccount, Refuse, RegisterMerchant
from transfers.domain.refusals import RefusedKind, Wanted
from transfers.posting.engine import submit_one
from transfers.posting.jobs import Key, Render, Result, Submit
from transfers.posting.synchronous import post_or_forget


class RegistrationRequest(Struct, frozen=True):
    """Register a merchant.

    ``initial_balance`` is a decimal string in major units of ``currency``.
    """

    merchant_name: str
    currency: str | None
    initial_balance: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    details: Details = field(default_factory=Details)
    display_name: str | None = None
    receipt_email: str | None = None


async def register_merchant(
    request: RegistrationRequest, *, actor: Actor, key: Key | None, render: Render, submit: Submit = submit_one
) -> Result:
    """Register a merchant and post its opening balance, if it has one, in one transaction.

    Raises ``PermissionDenied`` for a merchant, and everything that ``build_registration`` does.
    """
    actor.require_platform("Registering a merchant")
    currency = await find_currency(request.currency) if request.currency is not None else None
    return await submit(build_registration(request, currency), key, render)


def build_registration(request: RegistrationRequest, currency: CurrencyUnit | None) -> RegisterMerchant:
    """Return the command of a registration. Raises ``UnknownCurrency`` and ``ValidationFailed``."""
    if request.currency is not None:
        currency = required_currency(request.currency, currency)
    try:
        opening_minor = parse_major(request.initial_balance, currency or CurrencyUnit("", 8))
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


def register_once(merchant_name: str, *, actor: Actor, key: str) -> None:
    """Register a merchant for a page, once for each key and name. Synchronous.

    Raises ``PermissionDenied`` for a merchant, and ``MerchantExists``, which the key forgets.
    """
    actor.require_platform("Registering a merchant")
    command = build_registration(RegistrationRequest(merchant_name, None, "0"), None)
    result = post_or_forget(command, Key(actor.owner, key, sha256(merchant_name.encode()).digest()))
    if result.refusal is not None:
        raise result.refusal


async def open_account(merchant_name: str, currency_code: str, *, actor: Actor, key: Key | None, render: Render) -> Result:
    """Open a merchant's wallet in a currency. Raises ``UnknownCurrency``."""
    currency = required_currency(currency_code, await find_currency(currency_code))
    merchant = own(actor, (await identify(names=[merchant_name])).merchant(merchant_name))
    command: Command
    if merchant is None:
        wanted = Wanted(RefusedKind.ACCOUNT, currency=currency.code, principal=actor.principal)
        command = Refuse(MerchantNotFound(merchant_name), wanted)
    else:
        command = OpenAccount(merchant, currency)
    return await submit_one(command, key, render)
