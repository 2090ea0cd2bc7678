"""Transfers between merchants.

A builder turns a request into a command: names become identities, amounts become minor units. It
raises ``InvalidRequest`` for a fault of the request itself: nothing is stored under its key. A
fault that depends on stored things (an unknown merchant, say) becomes a ``Refuse`` command, so that
the key gives the same answer for good, though callers may change those things. A source that the
caller may not debit is treated as one that does not exist: in the answer, in the order of checks,
under the key.
"""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.errors import FieldError, SameAccount, ValidationFailed
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.kernel.refusals import AccountNotFound, CurrencyMismatch, MerchantNotFound
from merchants.domain import MerchantIdentity, fold, own, own_wallet
from merchants.selectors import Identities, find_currency, identify, required_currency
from transfers.domain.commands import Details, Refuse, TransferFunds
from transfers.domain.refusals import RefusedKind, Wanted
from transfers.posting.engine import submit_one
from transfers.posting.jobs import Key, Render, Result, Submit


class TransferRequest(Struct, frozen=True):
    """Move money between two merchants or between two wallets.

    Merchants are given by name, with a currency; wallets are given by id.
    """

    amount: AmountInput
    details: Details
    from_merchant: str | None = None
    to_merchant: str | None = None
    currency: str | None = None
    source_account_id: UUID | None = None
    dest_account_id: UUID | None = None

    def names(self) -> list[str]:
        """The merchants that it names."""
        return [name for name in (self.from_merchant, self.to_merchant) if name is not None]

    def wallet_ids(self) -> list[UUID]:
        """The wallets that it names."""
        return [wallet_id for wallet_id in (self.source_account_id, self.dest_account_id) if wallet_id is not None]


async def execute_transfer(
    request: TransferRequest, *, actor: Actor, key: Key | None, render: Render, submit: Submit = submit_one
) -> Result:
    """Move money from one merchant to another with the fee that applies.

    Raises ``ValidationFailed``, ``SameAccount`` and ``UnknownCurrency``, and stores none of them.
    All other refusals are results.
    """
    return await submit(await transfer_command(request, actor), key, render)


async def transfer_command(request: TransferRequest, actor: Actor) -> TransferFunds | Refuse:
    """Return the command of a transfer request. Raises what ``execute_transfer`` does."""
    check_addressing(request)
    currency = await find_currency(request.currency) if request.currency is not None else None
    identities = await identify(names=request.names(), wallet_ids=request.wallet_ids())
    return build_transfer(request, identities, currency, actor=actor)


def check_addressing(request: TransferRequest) -> None:
    """Check that a request names two merchants and a currency, or two accounts.

    Raises ``ValidationFailed`` if it does not, and ``SameAccount`` if both are the same.
    """
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


def build_transfer(
    request: TransferRequest, identities: Identities, currency: CurrencyUnit | None, *, actor: Actor
) -> TransferFunds | Refuse:
    """Return the command of a request that passed ``check_addressing``.

    ``currency`` is that of ``request.currency``, if the request has one.
    """
    if request.source_account_id is not None and request.dest_account_id is not None:
        return _between_accounts(request, (request.source_account_id, request.dest_account_id), identities, actor)
    in_currency = required_currency(request.currency or "", currency)
    amount_minor = request.amount.resolve(in_currency)
    source = own(actor, identities.merchant(request.from_merchant or ""))
    target = identities.merchant(request.to_merchant or "")
    if source is None or target is None:
        error = MerchantNotFound(request.from_merchant or "" if source is None else request.to_merchant or "")
        return Refuse(error, _wanted(request, source, target, in_currency, amount_minor))
    return TransferFunds(source, target, in_currency, amount_minor, request.details)


def _between_accounts(
    request: TransferRequest, wallet_ids: tuple[UUID, UUID], identities: Identities, actor: Actor
) -> TransferFunds | Refuse:
    source_id, target_id = wallet_ids
    source, target = own_wallet(actor, identities.wallets.get(source_id)), identities.wallets.get(target_id)
    if source is None:
        return Refuse(AccountNotFound(source_id), _wanted(request, None, target.merchant if target else None))
    currency = source.currency
    amount_minor = request.amount.resolve(currency)
    if target is None:
        return Refuse(AccountNotFound(target_id), _wanted(request, source.merchant, None, currency, amount_minor))
    if request.currency is not None and request.currency != currency.code:
        wanted = _wanted(request, source.merchant, target.merchant, currency, amount_minor)
        return Refuse(CurrencyMismatch(currency.code, request.currency), wanted)
    return TransferFunds(source.merchant, target.merchant, currency, amount_minor, request.details, target_currency=target.currency.code)


def _wanted(
    request: TransferRequest,
    source: MerchantIdentity | None,
    target: MerchantIdentity | None,
    currency: CurrencyUnit | None = None,
    amount_minor: int | None = None,
) -> Wanted:
    return Wanted(
        RefusedKind.TRANSFER,
        None if source is None else source.id,
        None if target is None else target.id,
        "" if currency is None else currency.code,
        amount_minor,
        request.details.principal,
    )
