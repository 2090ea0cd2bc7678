"""A small history with one of everything, made through the engine from synchronous code."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity
from merchants.models import Account
from tests.support.factories import unique
from transfers.domain.commands import (
    CaptureHold,
    Command,
    Deposit,
    Details,
    PlaceHold,
    RegisterMerchant,
    ReverseTransfer,
    TransferFunds,
    VoidHold,
)
from transfers.posting.jobs import Key, Result
from transfers.posting.synchronous import post_now
from transfers.selectors import find_hold_terms, find_original_now

USD = CurrencyUnit("USD", 2)


@dataclass(frozen=True)
class Story:
    """Two merchants, and what happened between them."""

    payer: MerchantIdentity
    payee: MerchantIdentity
    transfer: UUID
    reversal: UUID
    open_hold: UUID
    captured_hold: UUID
    capture: UUID
    voided_hold: UUID
    key: str

    def account(self, merchant: MerchantIdentity, kind: str = "wallet") -> UUID:
        account_id: UUID = Account.objects.values_list("id", flat=True).get(merchant_id=merchant.id, currency_id="USD", kind=kind)
        return account_id


def post(command: Command, key: str | None = None) -> Result:
    (result,) = post_now([command], keys=None if key is None else [Key("stories", key, bytes(32))])
    assert result.outcome is None or result.outcome.refusal is None, result.outcome
    return result


def register(opening_minor: int = 0, currency: CurrencyUnit = USD) -> MerchantIdentity:
    merchant = MerchantIdentity(new_id(), unique("story"))
    post(RegisterMerchant(merchant, {}, currency, opening_minor, Details(principal="story")))
    return merchant


def hold(payer: MerchantIdentity, payee: MerchantIdentity, amount_minor: int) -> UUID:
    hold_id = new_id(place=payer.id)
    post(PlaceHold(hold_id, payer, payee, USD, amount_minor, 3600, Details()))
    return hold_id


def tell() -> Story:
    """Make it all happen."""
    payer, payee = register(1_000_00), register(0)
    post(Deposit(payer, USD, 500_00, Details(external_reference=unique("in"))))
    key = secrets.token_hex(8)
    moved = post(TransferFunds(payer, payee, USD, 100_00, Details(memo="story")), key).transfer_id
    assert moved is not None
    post(TransferFunds(payer, payee, USD, 10_00, Details()))
    original = find_original_now(moved)
    assert original is not None
    reversal = post(ReverseTransfer(original, 40_00, refund_fee=False, treasury=None, details=Details())).transfer_id
    open_hold, captured, voided = hold(payer, payee, 50_00), hold(payer, payee, 60_00), hold(payer, payee, 70_00)
    terms = find_hold_terms(captured), find_hold_terms(voided)
    assert terms[0] is not None
    assert terms[1] is not None
    capture = post(CaptureHold(terms[0], 45_00, Details())).transfer_id
    post(VoidHold(terms[1], Details()))
    post(TransferFunds(payer, payee, USD, 7_00, Details()))
    assert reversal is not None
    assert capture is not None
    return Story(payer, payee, moved, reversal, open_hold, captured, capture, voided, key)


def raw_connection() -> psycopg.Connection[Any]:
    """Return a connection beside Django's, to the same database."""
    values = connection.settings_dict
    return psycopg.connect(
        host=values["HOST"],
        port=values["PORT"] or None,
        user=values["USER"],
        password=values.get("PASSWORD") or None,
        dbname=values["NAME"],
    )
