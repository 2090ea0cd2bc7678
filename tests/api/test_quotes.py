"""Quotes: the price of a transfer, and the refusals that need no look at the money."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from fees.models import FeeSchedule
from ledger_project.database.clock import database_now
from ledger_project.database.readers import in_reader
from merchants.models import Merchant
from tests.api.test_balances_at import SKEW
from tests.support.factories import merchant, transfer, wallet
from tests.support.servers import Service


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


@pytest.mark.parametrize("skew_s", ["-3", "3"])
async def test_a_quote_is_by_the_version_that_a_transfer_would_be_charged_by(
    serve: Any, api: httpx.AsyncClient, tmp_path: Any, skew_s: str
) -> None:
    """The database's clock says which version is in force; that of the process that answers may be behind it or ahead."""
    (tmp_path / "sitecustomize.py").write_text(SKEW)
    skewed: Service = serve(env={"PYTHONPATH": str(tmp_path), "CLOCK_SKEW_S": skew_s})
    source, target = await merchant(api, "100"), await merchant(api)

    def charge_more_from_now_on() -> None:
        FeeSchedule.objects.create(
            merchant=Merchant.objects.get(name=source), currency_id="USD", version=1, rate=Decimal("0.05"),
            effective_from=database_now(), note="test",
        )  # fmt: skip

    await in_reader(charge_more_from_now_on)
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": 10_00}
    async with httpx.AsyncClient(base_url=skewed.base_url, timeout=30) as client:
        quote = (await client.post("/transfers/quote", json=body)).json()
        charged = (await transfer(client, source, target, 10_00)).json()
    assert (quote["fee"], quote["fee_schedule"]) == (charged["fee"], charged["fee_schedule"])
    assert charged["fee"] == "0.50"
