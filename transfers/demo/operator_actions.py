"""Actions of an operator in the demo: fees agreed with one merchant, waived for another, and one
merchant frozen. Two requests to add money wait for the operator.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fees.models import FeeSchedule
from fees.services import append_schedule, waive
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.amount_input import AmountInput
from merchants.domain import Status
from merchants.selectors import active_currencies_now, identify_now
from merchants.services import set_merchant_status
from transfers.demo.story import PRINCIPAL, details
from transfers.domain import commands as c
from transfers.posting.synchronous import post_now
from transfers.services.deposit_requests import NewDepositRequest, request_deposit

AGREED, WAIVED, FROZEN = "delta-freight", "fjord.coffee", "elan_fit"


def take_actions() -> dict[str, int]:
    """Do them for those of the merchants that take part; return how many of the transfers that
    follow were refused, by code.
    """
    known = identify_now(names=[AGREED, WAIVED, FROZEN])
    agreed, waived, frozen = known.merchant(AGREED), known.merchant(WAIVED), known.merchant(FROZEN)
    if agreed is not None:
        now = datetime.now(UTC)
        for rate, since, note in (
            ("0.008", now, "Freight contract"),
            ("0.0065", now + timedelta(days=30), "Contract renewed for more volume"),
        ):
            append_schedule(FeeSchedule(merchant_id=agreed.id, rate=Decimal(rate), effective_from=since, note=note), by=None)
    if waived is not None:
        waive(merchant_id=waived.id, currency="EUR", by=None, note="No fees in the first year")
    active = active_currencies_now()
    for merchant, currency, amount, memo in ((agreed, "USD", "4800.00", "April freight"), (waived, "EUR", "650.00", None)):
        if merchant is not None and currency in active:
            request_deposit(
                NewDepositRequest(merchant.name, currency, AmountInput(amount), memo), actor=Actor(PRINCIPAL, merchant.id), key=None
            )
    euro = active.get("EUR")
    if frozen is None or agreed is None or euro is None:
        return {}
    set_merchant_status(frozen.id, Status.FROZEN)
    tried = [c.TransferFunds(frozen, agreed, euro, 120_00, details("freight", n)) for n in range(2)]
    refused = [result.refusal.code for result in post_now(tried) if result.refusal is not None]
    return {code: refused.count(code) for code in refused}
