"""The service tells how it is."""

import httpx


async def test_a_live_process_says_so(api: httpx.AsyncClient) -> None:
    response = await api.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_a_migrated_database_makes_it_ready(api: httpx.AsyncClient) -> None:
    response = await api.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})
