"""Quotes: the price of a transfer, and the refusals that need no look at the money."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import httpx

from fees.models import FeeSchedule
from ledger_project.database.readers import in_reader
from merchants.models import Merchant
from tests.factories import merchant, wallet


async def test_accounts_of_two_currencies_have_no_quote(api: httpx.AsyncClient) -> None:
    dollars, euros = await wallet(api, await merchant(api, "5")), await wallet(api, await merchant(api, "5", "EUR"), "EUR")
    response = await api.post("/transfers/quote", json={"source_account_id": dollars, "dest_account_id": euros, "amount": "1"})
    assert (response.status_code, response.json()["code"]) == (422, "currency_mismatch")


async def test_a_quote_needs_no_funds(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api), await merchant(api)
    response = await api.post(
        "/transfers/quote", json={"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "1000"}
    )
    assert (response.status_code, response.json()["total_debit"], response.json()["receiver_gets"]) == (200, "1010.00", "1000.00")


async def test_where_the_receiver_pays_it_gets_the_rest(api: httpx.AsyncClient) -> None:
    source, target = await merchant(api, "100"), await merchant(api)

    def receiver_pays() -> None:
        FeeSchedule.objects.create(
            merchant=Merchant.objects.get(name=source), currency_id="USD", version=1, rate=Decimal("0.05"), payer="receiver",
            effective_from=datetime.now(UTC), note="test",
        )  # fmt: skip

    await in_reader(receiver_pays)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "10"}
    quote = (await api.post("/transfers/quote", json=body)).json()
    assert (quote["fee"], quote["total_debit"], quote["receiver_gets"]) == ("0.50", "10.00", "9.50")
