"""``/webhooks``: what is accepted, what is shown, and what is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.conf import settings as configured

from events.models import Webhook
from events.sending import trials
from events.sending.client import Client
from events.services.secrets import unsealed
from ledger_project.database.readers import in_reader
from people.access.authentication import forget_credentials
from tests.api.test_authorization import bearer, new_key
from tests.support.factories import key, merchant, transfer
from tests.support.receivers import receiving

NOBODY = "http://127.0.0.1:9/hooks"
"""Nobody listens on the discard port."""


@pytest.fixture(autouse=True)
async def nothing_is_left(api: httpx.AsyncClient) -> AsyncIterator[None]:
    await in_reader(lambda: Webhook.objects.update(status="deleted"))
    yield
    await in_reader(lambda: Webhook.objects.update(status="deleted"))


async def made(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await api.post("/webhooks", json={"url": NOBODY, **body})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_webhook_is_shown_as_it_was_registered_without_its_secret(api: httpx.AsyncClient) -> None:
    new = await made(api, types=["transfer.posted", "hold.*"], ordered=True, description="Orders")
    secret = new.pop("secret")
    assert secret.startswith("whsec_")
    assert set(new) == {"id", "url", "types", "ordered", "description", "status", "created_at", "last_delivery_at", "pending"}
    assert (new["url"], new["types"], new["ordered"], new["description"]) == (NOBODY, ["transfer.posted", "hold.*"], True, "Orders")
    assert (new["status"], new["last_delivery_at"], new["pending"]) == ("enabled", None, 0)
    assert (await api.get(f"/webhooks/{new['id']}")).json() == new
    assert (await api.get("/webhooks")).json() == {"items": [new], "next_cursor": None}
    defaults = await made(api)
    assert (defaults["types"], defaults["ordered"], defaults["description"]) == (["*"], False, None)


async def test_a_secret_is_encrypted_at_rest(api: httpx.AsyncClient, settings: Any) -> None:
    new = await made(api)
    row = await in_reader(Webhook.objects.get, id=UUID(new["id"]))
    assert new["secret"].removeprefix("whsec_") not in row.secret
    assert unsealed(row.secret) == new["secret"]
    former = configured.SECRET_KEY
    settings.SECRET_KEY = "another key"
    assert unsealed(row.secret) is None
    settings.SECRET_KEY_FALLBACKS = [former]
    assert unsealed(row.secret) == new["secret"]


async def test_an_unreadable_secret_sends_nothing(api: httpx.AsyncClient, settings: Any) -> None:
    async with receiving() as receiver:
        new = await made(api, url=receiver.url)
        settings.SECRET_KEY = "another key"
        answer = (await api.post(f"/webhooks/{new['id']}/test", json={})).json()
        assert (answer["status_code"], answer["error"]) == (None, "the service cannot read the secret; rotate it")
        assert not receiver.received


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "url", "required"),
        ({"url": 5}, "url", "invalid"),
        ({"url": NOBODY, "types": []}, "types", "empty"),
        ({"url": NOBODY, "types": "hold.*"}, "types", "not_a_list"),
        ({"url": NOBODY, "types": ["hold"]}, "types", "invalid_choice"),
        ({"url": NOBODY, "types": ["hold.placed,hold.voided"]}, "types", "invalid_choice"),
        ({"url": NOBODY, "types": ["webhook.test"]}, "types", "invalid_choice"),
        ({"url": NOBODY, "types": [5]}, "types.0", "invalid"),
        ({"url": NOBODY, "ordered": "yes"}, "ordered", "invalid"),
        ({"url": NOBODY, "description": "x" * 501}, "description", "max_length"),
        ({"url": NOBODY, "secret": "whsec_mine"}, "secret", "unknown_field"),
        ({"url": NOBODY, "status": "paused"}, "status", "unknown_field"),
    ],
)
async def test_what_is_wrong_with_a_registration_is_named(api: httpx.AsyncClient, body: dict[str, Any], field: str, code: str) -> None:
    response = await api.post("/webhooks", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")
    assert [(error["field"], error["code"]) for error in response.json()["errors"]] == [(field, code)]


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/",
        "https://10.0.0.1/",
        "https://user@shop.example/",
        "https://nobody.invalid/",
        "http://[::ffff:10.0.0.1]/",
        "nonsense",
    ],
)
async def test_a_url_that_is_not_allowed_leaves_the_key_free(api: httpx.AsyncClient, url: str) -> None:
    headers = key()
    response = await api.post("/webhooks", json={"url": url}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "url_not_allowed")
    assert (await api.post("/webhooks", json={"url": NOBODY}, headers=headers)).status_code == 201
    new = await made(api)
    assert (await api.patch(f"/webhooks/{new['id']}", json={"url": url})).json()["code"] == "url_not_allowed"


async def test_loopback_is_for_open_mode(api: httpx.AsyncClient, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = (await new_key()).secret
    settings.LEDGER_AUTH = "required"
    forget_credentials()
    await trials.close_client()
    try:
        for url in (NOBODY, "https://127.0.0.1:9/", "https://localhost/"):
            response = await api.post("/webhooks", json={"url": url}, headers=bearer(secret))
            assert response.json()["code"] == "url_not_allowed"
    finally:
        await trials.close_client()
        forget_credentials()


async def test_a_name_that_changes_its_address_is_refused_where_it_is_used() -> None:
    """It is public when it is judged, and of this machine when it is connected to."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    async with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].removesuffix("/hooks")
        client = Client(is_open=lambda: False, look_up=lambda _host, _port: answers.pop(0))
        try:
            await client.check(f"https://shop.example:{port}/")
            attempt = await client.post(f"https://shop.example:{port}/", {}, b"{}")
        finally:
            await client.close()
        assert (attempt.status_code, attempt.error) == (None, "its address is not one that a webhook may reach")
        assert receiver.connections == 0


async def test_the_address_of_a_connection_is_judged_where_its_socket_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the judgement of names were wrong, nothing is connected to."""
    monkeypatch.setattr("events.sending.client.check_addresses", lambda _addresses, _reach: None)
    async with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].removesuffix("/hooks")
        client = Client(is_open=lambda: False, look_up=lambda _host, _port: ["127.0.0.1"])
        try:
            attempt = await client.post(f"https://shop.example:{port}/", {}, b"{}")
        finally:
            await client.close()
        assert (attempt.status_code, attempt.error) == (None, "its address is not one that a webhook may reach")
        assert receiver.connections == 0


async def test_a_registration_under_a_key_is_kept_without_its_secret(api: httpx.AsyncClient) -> None:
    headers = key()
    first = await api.post("/webhooks", json={"url": NOBODY}, headers=headers)
    again = await api.post("/webhooks", json={"url": NOBODY}, headers=headers)
    third = await api.post("/webhooks", json={"url": NOBODY}, headers=headers)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == first.json() | {"secret": None}
    assert again.content == third.content
    assert len((await api.get("/webhooks")).json()["items"]) == 1
    other = await api.post("/webhooks", json={"url": NOBODY, "ordered": True}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_rotation_under_a_key_is_done_once(api: httpx.AsyncClient) -> None:
    new = await made(api)
    headers, path = key(), f"/webhooks/{new['id']}/rotate_secret"
    first, again = [await api.post(path, json={}, headers=headers) for _ in range(2)]
    assert first.json()["secret"].startswith("whsec_")
    assert again.json() == first.json() | {"secret": None}
    row = await in_reader(Webhook.objects.get, id=UUID(new["id"]))
    assert (unsealed(row.secret), unsealed(row.previous_secret or "")) == (first.json()["secret"], new["secret"])


async def test_a_test_under_a_key_is_sent_once(api: httpx.AsyncClient) -> None:
    async with receiving() as receiver:
        new = await made(api, url=receiver.url, types=["hold.*"])
        headers = key()
        first, again = [await api.post(f"/webhooks/{new['id']}/test", json={}, headers=headers) for _ in range(2)]
        assert first.json()["status_code"] == 200
        assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
        assert len(receiver.received) == 1


@pytest.mark.parametrize("verb", ["rotate_secret", "replay"])
async def test_a_refusal_is_kept_under_its_key(api: httpx.AsyncClient, verb: str) -> None:
    body = {"event_ids": [str(UUID(int=1))]} if verb == "replay" else {}
    headers, path = key(), f"/webhooks/{UUID(int=7)}/{verb}"
    first, again = [await api.post(path, json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, first.json()["code"]) == (404, "webhook_not_found")
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"event_ids": []}, "empty"),
        ({"event_ids": ["x"]}, "invalid"),
        ({"from_event": str(UUID(int=1)), "event_ids": [str(UUID(int=1))]}, "required"),
    ],
)
async def test_a_replay_names_events_in_one_way(api: httpx.AsyncClient, body: dict[str, Any], code: str) -> None:
    new = await made(api)
    response = await api.post(f"/webhooks/{new['id']}/replay", json=body)
    assert response.status_code == 422
    assert [error["code"] for error in response.json()["errors"]] == [code]


async def test_an_unknown_event_is_not_replayed(api: httpx.AsyncClient) -> None:
    new = await made(api)
    for body in ({"from_event": str(UUID(int=1))}, {"event_ids": [str(UUID(int=1))]}):
        response = await api.post(f"/webhooks/{new['id']}/replay", json=body)
        assert (response.status_code, response.json()["code"]) == (404, "event_not_found")


async def test_members_that_are_left_out_of_a_change_stay(api: httpx.AsyncClient) -> None:
    new = await made(api, description="Orders")
    changed = (await api.patch(f"/webhooks/{new['id']}", json={"types": ["hold.*"], "status": "paused"})).json()
    assert (changed["types"], changed["status"], changed["description"], changed["url"]) == (["hold.*"], "paused", "Orders", NOBODY)
    assert (await api.patch(f"/webhooks/{new['id']}", json={"description": None})).json()["description"] is None
    assert (await api.patch(f"/webhooks/{new['id']}", json={})).json() == (await api.get(f"/webhooks/{new['id']}")).json()
    for body in ({"status": "disabled"}, {"status": "deleted"}, {"ordered": True}, {"secret": "x"}):
        assert (await api.patch(f"/webhooks/{new['id']}", json=body)).status_code == 422


async def test_lists_go_on_page_by_page(api: httpx.AsyncClient) -> None:
    ids = [(await made(api))["id"] for _ in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get("/webhooks", params={"limit": "2", **cursor})).json()
        found += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ids[::-1]
    other = await api.get(f"/webhooks/{ids[0]}/deliveries", params={"cursor": cursor["cursor"]})
    assert other.json()["code"] == "invalid_cursor"


async def test_a_merchants_webhook_gets_the_merchants_own_events(api: httpx.AsyncClient, settings: Any) -> None:
    payer, payee, stranger = await merchant(api, "100.00"), await merchant(api), await merchant(api, "100.00")
    async with receiving() as receiver, receiving() as all_:
        mine = bearer((await new_key(payee)).secret)
        response = await api.post("/webhooks", json={"url": receiver.url, "types": ["*"]}, headers=mine)
        assert response.status_code == 201, response.text
        await made(api, url=all_.url, types=["transfer.posted", "hold.*"])
        other = (await transfer(api, stranger, payer, 5)).json()["id"]
        hold = (
            await api.post("/holds", json={"from_merchant": payer, "to_merchant": payee, "currency": "USD", "amount": "1"}, headers=key())
        ).json()
        captured = (await api.post(f"/holds/{hold['id']}/capture", json={}, headers=key())).json()["id"]
        posted = (await transfer(api, payer, payee, 5)).json()["id"]
        everything = await all_.wait_for(lambda received: {other, captured, posted} <= {one.event_id for one in received})
        await receiver.wait_for_events(captured, posted)
        types = [json.loads(one.body)["type"] for one in receiver.received if one.event_id not in {captured, posted}]
        assert other not in {one.event_id for one in receiver.received}
        assert "hold.placed" in types
        own = next(one for one in receiver.received if one.event_id == posted)
        whole = next(one for one in everything if one.event_id == posted)
        assert own.body == (await api.get(f"/events/{posted}", headers=mine)).content
        assert whole.body == (await api.get(f"/events/{posted}")).content
        assert len(own.body) < len(whole.body)
