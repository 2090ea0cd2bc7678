"""A key that stands for another request registers nobody. Found by the state machine."""

from __future__ import annotations

import httpx

from tests.support.factories import key, unique


async def test_a_registration_under_a_key_of_another_request_registers_nobody(api: httpx.AsyncClient) -> None:
    first, second, headers = unique(), unique(), key()
    assert (await api.post("/merchants", json={"merchant_name": first}, headers=headers)).status_code == 201

    refused = await api.post("/merchants", json={"merchant_name": second}, headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")
    assert (await api.get(f"/merchants/{second}")).status_code == 404
    assert (await api.post("/merchants", json={"merchant_name": second}, headers=key())).status_code == 201
