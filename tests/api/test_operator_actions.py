"""What operators do by the API: once however often they ask, with a reason that is kept, and exact against what moves meanwhile."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.contrib.admin.models import LogEntry

from ledger_project.database.readers import in_reader
from merchants.domain import TREASURY
from merchants.models import Merchant
from people.operator_log import API_USER
from tests.support.factories import key, merchant, transfer, wallet

REASON = {"reason": "court order 7"}
NOBODY = "01900000-0000-7000-8000-000000000000"


async def act(api: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None, **body: Any) -> tuple[int, dict[str, Any]]:
    response = await api.post(path, json=REASON | body, headers=headers)
    return response.status_code, response.json()


async def code(api: httpx.AsyncClient, path: str, **body: Any) -> tuple[int, str]:
    status, answer = await act(api, path, **body)
    return status, answer["code"]


async def reasons(object_id: str) -> list[str]:
    rows = LogEntry.objects.filter(object_id=object_id, user__username=API_USER).order_by("id")
    return [entry.get_change_message() for entry in await in_reader(list, rows)]


async def test_a_merchant_is_frozen_and_unfrozen_as_often_as_one_likes_and_each_change_has_its_reason(api: httpx.AsyncClient) -> None:
    name, other = await merchant(api, "10"), await merchant(api, "10")
    for verb, status in (("freeze", "frozen"), ("freeze", "frozen"), ("unfreeze", "active"), ("unfreeze", "active")):
        answered, shown = await act(api, f"/merchants/{name.upper()}/{verb}")
        assert (answered, shown) == (200, (await api.get(f"/merchants/{name}")).json())
        assert shown["status"] == status
        expected = (409, "account_frozen") if status == "frozen" else (201, None)
        moved = await transfer(api, other, name, 1)
        assert (moved.status_code, moved.json().get("code")) == expected
    assert await reasons(shown["id"]) == ["Frozen by anonymous: court order 7", "Unfrozen by anonymous: court order 7"]


async def test_an_account_is_frozen_alone(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "10")
    account = await wallet(api, name)
    for verb, status in (("freeze", "frozen"), ("freeze", "frozen"), ("unfreeze", "active"), ("unfreeze", "active")):
        answered, shown = await act(api, f"/accounts/{account}/{verb}")
        assert (answered, shown) == (200, (await api.get(f"/accounts/{account}")).json())
        assert shown["status"] == status
        assert (await api.get(f"/merchants/{name}")).json()["status"] == "active"
    assert await reasons(account) == ["Frozen by anonymous: court order 7", "Unfrozen by anonymous: court order 7"]


async def test_what_has_money_or_open_holds_is_not_closed(api: httpx.AsyncClient) -> None:
    rich, payer, payee = await merchant(api, "10"), await merchant(api, "1.01"), await merchant(api)
    body = {"from_merchant": payer, "to_merchant": payee, "currency": "USD", "amount": "1.00"}
    hold = (await api.post("/holds", json=body, headers=key())).json()["id"]
    for name, currencies, holds in ((rich, ["USD"], 0), (payer, ["USD"], 1), (payee, [], 1)):
        status, problem = await act(api, f"/merchants/{name}/close")
        assert (status, problem["code"]) == (409, "account_not_empty")
        assert (problem["currencies"], problem["open_holds"]) == (currencies, holds)
    await api.post(f"/holds/{hold}/void", json={}, headers=key())
    assert (await act(api, f"/merchants/{payee}/close"))[1]["status"] == "closed"
    account = await wallet(api, payer)
    assert (await api.post(f"/accounts/{account}/withdraw", json={"amount": "1.01"}, headers=key())).status_code == 200
    for _ in range(2):
        assert (await act(api, f"/merchants/{payer}/close"))[1]["status"] == "closed"
    for path in (
        f"/merchants/{payer}/freeze",
        f"/merchants/{payer}/unfreeze",
        f"/accounts/{account}/freeze",
        f"/accounts/{account}/unfreeze",
    ):
        assert await code(api, path) == (409, "account_closed")
    assert await code(api, f"/accounts/{account}/overdraft", overdraft_limit="1") == (409, "account_closed")
    assert (await api.patch(f"/merchants/{payer}", json={"display_name": "gone"})).status_code == 200


async def test_an_overdraft_is_given_shown_spent_and_cut(api: httpx.AsyncClient) -> None:
    account = await wallet(api, await merchant(api, "10"))
    path = f"/accounts/{account}"
    assert (await api.get(path)).json()["overdraft_limit"] == "0.00"
    for spelt in ({"overdraft_limit": "5.00"}, {"overdraft_limit": "5"}, {"overdraft_limit_minor": 500}):
        status, shown = await act(api, f"{path}/overdraft", **spelt)
        assert (status, shown) == (200, (await api.get(path)).json())
        assert (shown["overdraft_limit"], shown["overdraft_limit_minor"], shown["available"]) == ("5.00", 500, "10.00")
    assert await reasons(account) == ["Overdraft limit 500 in minor units by anonymous: court order 7"]
    refused = (await api.post(f"{path}/withdraw", json={"amount": "15.01"}, headers=key())).json()
    assert (refused["available"], refused["overdraft_limit"], refused["overdraft_limit_minor"]) == ("10.00", "5.00", 500)
    spent = (await api.post(f"{path}/withdraw", json={"amount": "15.00"}, headers=key())).json()["account"]
    assert (spent["available_minor"], spent["balance_minor"], spent["overdraft_limit_minor"]) == (-500, -500, 500)
    cut = (await act(api, f"{path}/overdraft", overdraft_limit="2.00"))[1]
    assert (cut["available"], cut["overdraft_limit"]) == ("-5.00", "2.00")
    assert (await api.post(f"{path}/deposit", json={"amount": "1.00"}, headers=key())).status_code == 200
    assert (await api.post(f"{path}/withdraw", json={"amount": "0.01"}, headers=key())).json()["code"] == "insufficient_funds"
    assert await code(api, f"/merchants/{cut['merchant_name']}/close") == (409, "account_not_empty")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"overdraft_limit": "1", "overdraft_limit_minor": 100}, {"overdraft_limit": 1}, {"overdraft_limit": "-1"},
        {"overdraft_limit": " 1"}, {"overdraft_limit": "1.001"}, {"overdraft_limit": "1e3"}, {"overdraft_limit_minor": -1},
        {"overdraft_limit_minor": 10**30 + 1}, {"overdraft_limit": "1" + "0" * 28 + ".01"}, {"overdraft_limit": "1", "limit": "1"},
        {"overdraft_limit": None}, {"overdraft_limit": "1", "reason": ""}, {"overdraft_limit": "1", "reason": " "},
        {"overdraft_limit": "1", "reason": None}, {"overdraft_limit": "1", "reason": "x" * 401}, {"overdraft_limit": "1", "reason": "\x00"},
    ],
)  # fmt: skip
async def test_a_limit_or_a_reason_that_is_none_is_refused(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    account = await wallet(api, await merchant(api, "1"))
    assert await code(api, f"/accounts/{account}/overdraft", **body) == (422, "validation_error")
    assert (await api.get(f"/accounts/{account}")).json()["overdraft_limit_minor"] == 0


async def test_what_is_no_limit_anywhere_is_refused_before_the_account_is_looked_up(api: httpx.AsyncClient) -> None:
    for body in ({"overdraft_limit": "1e3"}, {"overdraft_limit_minor": -1}, {}):
        assert await code(api, f"/accounts/{NOBODY}/overdraft", **body) == (422, "validation_error")
    assert await code(api, f"/accounts/{NOBODY}/overdraft", overdraft_limit="0") == (404, "account_not_found")


async def test_an_action_without_a_reason_or_on_what_is_not_there_does_nothing(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "1")
    account = await wallet(api, name)
    for path in (
        *(f"/merchants/{name}/{v}" for v in ("freeze", "unfreeze", "close")),
        *(f"/accounts/{account}/{v}" for v in ("freeze", "unfreeze")),
    ):
        assert (await api.post(path, json={})).json()["errors"][0] == {
            "field": "reason", "code": "required", "detail": "This field is required.",
        }  # fmt: skip
        missing = path.replace(name, "nobody-here").replace(account, NOBODY)
        assert (await act(api, missing))[1]["code"] in {"merchant_not_found", "account_not_found"}
    held = await in_reader(lambda: str(Merchant.objects.get(name=name).id))
    assert await code(api, f"/accounts/{held}/overdraft", overdraft_limit="1") == (404, "account_not_found")
    assert (await api.get(f"/merchants/{name}")).json()["status"] == "active"


async def test_a_key_gives_the_first_answer_again_and_stands_for_one_request(api: httpx.AsyncClient) -> None:
    name = await merchant(api, "1")
    headers = key()
    first = await api.post(f"/merchants/{name}/freeze", json=REASON, headers=headers)
    await act(api, f"/merchants/{name}/unfreeze")
    again = await api.post(f"/merchants/{name}/freeze", json=REASON, headers=headers)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert (await api.get(f"/merchants/{name}")).json()["status"] == "active"
    assert (await act(api, f"/merchants/{name}/close", headers))[1]["code"] == "idempotency_key_reused"
    refused = await api.post(f"/merchants/{name}/close", json=REASON, headers=(headers := key()))
    assert refused.json()["code"] == "account_not_empty"
    assert (await api.post(f"/merchants/{name}/close", json=REASON, headers=headers)).content == refused.content
    invalid = key()
    account = await wallet(api, name)
    assert (await act(api, f"/accounts/{account}/overdraft", invalid, overdraft_limit="1.001"))[0] == 422
    assert (await act(api, f"/accounts/{account}/overdraft", invalid, overdraft_limit="1.00"))[0] == 200
    assert (await act(api, f"/merchants/{name}/freeze", {"Idempotency-Key": ""}))[1]["code"] == "idempotency_key_invalid"


async def test_the_treasury_is_there_from_the_first_migration_and_stays(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"/merchants/{TREASURY}")).json()["status"] == "active"
    assert await code(api, f"/merchants/{TREASURY}/close") == (403, "permission_denied")
    assert (await api.post("/merchants", json={"merchant_name": "Treasury"})).json()["code"] == "merchant_exists"
