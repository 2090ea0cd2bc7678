"""Whatever is remembered of identities may be forgotten at any moment, by another thread that has lost its connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from fees import selectors as fees
from merchants.selectors import account_parties, currencies, identities
from tests.support.factories import balance_minor, key, merchant, transfer, wallet
from transfers.posting import account_ids as directory


class Forgetful(dict[Any, Any]):
    """A memory that has forgotten everything before anybody can look."""

    def __setitem__(self, name: object, value: object) -> None:
        """Keep nothing."""

    def update(self, *_: Any, **__: Any) -> None:
        """Keep nothing."""

    def remember(self, facts: Mapping[Any, Any]) -> None:
        """Keep nothing."""


async def test_what_is_forgotten_between_two_looks_changes_no_answer(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (currencies, "_currencies"), (identities, "_merchants"), (identities, "_wallets"), (account_parties, "_parties"),
        (fees, "_parsed"), (directory, "_ids"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, Forgetful())
    source, target = await merchant(api, "100"), await merchant(api, "1")
    assert (await transfer(api, source, target, 500)).status_code == 201
    between = {"source_account_id": await wallet(api, source), "dest_account_id": await wallet(api, target), "amount": "1.00"}
    assert (await api.post("/transfers", json=between, headers=key())).status_code == 201
    assert (await api.post(f"/accounts/{between['source_account_id']}/deposit", json={"amount": "1.00"}, headers=key())).status_code == 200
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "2.00"}
    hold = (await api.post("/holds", json=body, headers=key())).json()
    assert (await api.post(f"/holds/{hold['id']}/capture", headers=key())).status_code == 201
    assert (await api.post("/transfers/quote", json=body)).status_code == 200
    assert await balance_minor(api, target) == 100 + 500 + 100 + 200
    assert len((await api.get("/transfers", params={"merchant": source})).json()["items"]) == 6
    lines = (await api.get(f"/accounts/{between['source_account_id']}/statement")).json()["items"]
    assert {line["counterparty"] for line in lines} == {target, None}
    assert (await api.get("/holds", params={"merchant": target})).json()["items"][0]["from_merchant"] == source
