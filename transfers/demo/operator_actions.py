"""Actions of an operator in the demo: fees agreed with one merchant, waived for another, and one
merchant frozen.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fees.models import FeeSchedule
from fees.services import append_schedule, waive
from merchants.domain import Status
from merchants.selectors import active_currencies_now, identify_now
from merchants.services import set_merchant_status
from transfers.demo.story import details
from transfers.domain import commands as c
from transfers.posting.synchronous import post_now

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
    euro = active_currencies_now().get("EUR")
    if frozen is None or agreed is None or euro is None:
        return {}
    set_merchant_status(frozen.id, Status.FROZEN)
    tried = [c.TransferFunds(frozen, agreed, euro, 120_00, details("freight", n)) for n in range(2)]
    refused = [result.refusal.code for result in post_now(tried) if result.refusal is not None]
    return {code: refused.count(code) for code in refused}
