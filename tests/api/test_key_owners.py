"""An idempotency key belongs to the platform or to one merchant, whatever credential sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Scope
from merchants.selectors import identify
from people.access import tokens
from people.access.authentication import forget_credentials
from tests.api.test_authorization import CURRENCIES, bearer, new_key
from tests.api.test_tokens import minted, use
from tests.support.factories import balance_minor, key, merchant, transfer, unique, wallet
from transfers.models import IdempotencyRecord, Transfer


@dataclass
class World:
    """Two merchants, credentials of each kind, and what the doors need. ``ours`` are one owner's, so are ``theirs``."""

    alice: str
    bob: str
    ids: dict[str, str] = field(default_factory=dict)
    wallets: dict[str, str] = field(default_factory=dict)
    platform: list[dict[str, str]] = field(default_factory=list)
    ours: list[dict[str, str]] = field(default_factory=list)
    theirs: list[dict[str, str]] = field(default_factory=list)


async def merchant_id(name: str) -> str:
    found = (await identify(names=[name])).merchant(name)
    assert found is not None
    return str(found.id)


@pytest.fixture
def issuer(settings: Any) -> Iterator[Ed25519PrivateKey]:
    private = Ed25519PrivateKey.generate()
    use(settings, Ed25519PrivateKey.generate(), private)
    yield private
    tokens.ring.cache_clear()
    forget_credentials()


@pytest.fixture
async def world(api: httpx.AsyncClient, issuer: Ed25519PrivateKey) -> World:
    made = World(await merchant(api, "1000.00"), await merchant(api, "1000.00"))
    for name, mine in ((made.alice, made.ours), (made.bob, made.theirs)):
        made.ids[name], made.wallets[name] = await merchant_id(name), await wallet(api, name)
        token = minted(issuer, sub="till-7", platform=None, merchant=made.ids[name], scope=" ".join(Scope))
        mine += [bearer((await new_key(name)).secret), bearer((await new_key(name)).secret), bearer(token)]
    token = minted(issuer, sub="till-7", scope=" ".join(Scope))
    made.platform = [{}, bearer((await new_key()).secret), bearer((await new_key()).secret), bearer(token)]
    return made


async def _deposit(_api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    return f"/accounts/{world.wallets[world.alice]}/deposit", {"amount_minor": 5}


async def _register(_api: httpx.AsyncClient, _world: World) -> tuple[str, dict[str, Any]]:
    return "/merchants", {"merchant_name": unique(), "currency": "USD", "initial_balance": "1.00"}


async def _withdraw(_api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    return f"/accounts/{world.wallets[world.alice]}/withdraw", {"amount_minor": 5}


async def _pay(_api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    return "/transfers", {"from_merchant": world.alice, "to_merchant": world.bob, "currency": "USD", "amount_minor": 5}


async def _hold(_api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    return "/holds", {"from_merchant": world.alice, "to_merchant": world.bob, "currency": "USD", "amount_minor": 5}


async def _open(_api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    return f"/merchants/{world.alice}/accounts", {"currency": next(CURRENCIES)}


async def _batch(_api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    item = {"from_merchant": world.alice, "to_merchant": world.bob, "currency": "USD", "amount_minor": 5}
    return "/transfers/batch", {"transfers": [{**item, "idempotency_key": unique("item")}]}


async def _to_alice(api: httpx.AsyncClient, world: World, path: str) -> str:
    body = {"from_merchant": world.bob, "to_merchant": world.alice, "currency": "USD", "amount_minor": 50}
    response = await api.post(path, json=body, headers={**world.platform[1], **key()})
    return str(response.json()["id"])


async def _capture(api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    return f"/holds/{await _to_alice(api, world, '/holds')}/capture", {}


async def _void(api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    return f"/holds/{await _to_alice(api, world, '/holds')}/void", {}


async def _reverse(api: httpx.AsyncClient, world: World) -> tuple[str, dict[str, Any]]:
    return f"/transfers/{await _to_alice(api, world, '/transfers')}/reverse", {"amount_minor": 5}


PLATFORM_ONLY = [_deposit, _register]
DOORS = [_withdraw, _pay, _hold, _open, _batch, _capture, _void, _reverse]


@pytest.mark.parametrize("door", [*PLATFORM_ONLY, *DOORS], ids=lambda door: door.__name__.strip("_"))
async def test_a_credential_that_is_changed_between_two_tries_does_it_once(api: httpx.AsyncClient, world: World, door: Any) -> None:
    for credentials in (world.platform, [] if door in PLATFORM_ONLY else world.ours):
        path, body = await door(api, world)
        headers = key()
        answers = [await api.post(path, json=body, headers={**credential, **headers}) for credential in credentials]
        assert len({(answer.status_code, answer.content) for answer in answers}) <= 1, [answer.text for answer in answers]
        assert ["Idempotent-Replayed" in answer.headers for answer in answers] == [False, True, True, True][: len(answers)]
        rows = await in_reader(lambda headers: list(IdempotencyRecord.objects.filter(key=headers["Idempotency-Key"])), headers)
        assert len(rows) == (1 if answers else 0)
        for row in rows:
            assert row.owner == ("platform" if credentials is world.platform else f"merchant:{world.ids[world.alice]}")


async def test_two_merchants_and_the_platform_have_a_namespace_each(api: httpx.AsyncClient, world: World) -> None:
    headers = key()
    # The same subject in all three tokens: who called is not whose key it is.
    sent = [
        (world.ours[2], world.alice, world.bob),
        (world.theirs[2], world.bob, world.alice),
        (world.platform[3], world.alice, world.bob),
    ]
    answers = []
    for credential, source, target in sent:
        body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": 5}
        answers.append(await api.post("/transfers", json=body, headers={**credential, **headers}))
    assert {answer.status_code for answer in answers} == {201}
    assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
    assert len({answer.json()["id"] for answer in answers}) == 3


async def test_another_merchant_does_not_read_the_answer(api: httpx.AsyncClient, world: World) -> None:
    headers, body = key(), {"from_merchant": world.alice, "to_merchant": world.bob, "currency": "USD", "amount_minor": 5, "memo": "secret"}
    assert (await api.post("/transfers", json=body, headers={**world.ours[2], **headers})).status_code == 201
    other = await api.post("/transfers", json=body, headers={**world.theirs[2], **headers})
    assert (other.status_code, other.json()["code"]) == (404, "merchant_not_found")


async def test_what_a_caller_may_do_is_checked_before_anything_is_replayed(api: httpx.AsyncClient, world: World) -> None:
    async def reader(name: str | None, path: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, str]:
        secret = (await new_key(name, Scope.TRANSFERS_READ)).secret
        response = await api.post(path, json=body, headers={**bearer(secret), **headers})
        return response.status_code, response.json()["code"]

    for name, credential in ((None, world.platform[1]), (world.alice, world.ours[0])):
        for door in (_pay, _batch):
            headers = key()
            path, body = await door(api, world)
            assert (await api.post(path, json=body, headers={**credential, **headers})).status_code in {200, 201}
            assert await reader(name, path, body, headers) == (403, "permission_denied")
    # A merchant may not give the fee back, though the platform, with the same key text, did.
    made = await _to_alice(api, world, "/transfers")
    headers = key()
    for credential, expected in ((world.platform[1], 201), (world.ours[0], 403)):
        response = await api.post(f"/transfers/{made}/reverse", json={"refund_fee": True}, headers={**credential, **headers})
        assert response.status_code == expected


async def test_at_once_with_two_credentials_it_is_done_once(api: httpx.AsyncClient, world: World) -> None:
    before, headers = await balance_minor(api, world.bob), key()
    _, body = await _pay(api, world)
    answers = await asyncio.gather(
        *[api.post("/transfers", json=body, headers={**credential, **headers}) for credential in world.ours for _ in range(3)]
    )
    assert len({answer.content for answer in answers}) == 1
    assert await balance_minor(api, world.bob) - before == 5


async def test_an_item_of_a_batch_and_a_single_request_are_one_with_any_credential(api: httpx.AsyncClient, world: World) -> None:
    _, item = await _pay(api, world)
    headers = key()
    single = await api.post("/transfers", json=item, headers={**world.ours[0], **headers})
    batch = {"transfers": [{**item, "idempotency_key": headers["Idempotency-Key"]}]}
    answer = await api.post("/transfers/batch", json=batch, headers={**world.ours[1], **key()})
    assert answer.json()["results"] == [{"status": 201, "transfer": single.json()}]


async def test_who_called_stands_on_the_transfer(api: httpx.AsyncClient, world: World) -> None:
    made = [await transfer(api, world.alice, world.bob, 5, headers={**credential, **key()}) for credential in (world.ours[2], {})]
    principals = [(await in_reader(Transfer.objects.get, id=answer.json()["id"])).principal for answer in made]
    assert principals == ["jwt:till-7", "anonymous"]


# --- the migration ----------------------------------------------------------------------------------------------------------
