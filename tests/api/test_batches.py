"""Batches: up to a thousand transfers in one request, in order, each an answer of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from ledger_project.database.readers import in_reader
from tests.support.factories import balance_minor, key, merchant, transfer, wallet
from transfers.models import IdempotencyRecord

Item = dict[str, Any]


def item(source: str, target: str, amount_minor: int, **changes: Any) -> Item:
    body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount_minor": amount_minor}
    return {"idempotency_key": key()["Idempotency-Key"]} | body | changes


async def batch(api: httpx.AsyncClient, items: list[Any], headers: dict[str, str] | None = None, **extra: Any) -> httpx.Response:
    return await api.post("/transfers/batch", json={"transfers": items} | extra, headers=headers or key())


async def results(api: httpx.AsyncClient, items: list[Any], **extra: Any) -> list[dict[str, Any]]:
    response = await batch(api, items, **extra)
    assert response.status_code == 200, response.text
    assert list(response.json()) == ["results"]
    found: list[dict[str, Any]] = response.json()["results"]
    assert len(found) == len(items)
    return found


def outcome(result: dict[str, Any]) -> tuple[int, str]:
    return result["status"], result["transfer"]["kind"] if "transfer" in result else result["error"]["code"]


def single(one: Item) -> tuple[dict[str, Any], dict[str, str]]:
    """Return an item as the body and the headers of a single request."""
    return {n: v for n, v in one.items() if n != "idempotency_key"}, {"Idempotency-Key": one["idempotency_key"]}


async def post_single(api: httpx.AsyncClient, one: Item) -> httpx.Response:
    body, headers = single(one)
    return await api.post("/transfers", json=body, headers=headers)


# --- in order ---------------------------------------------------------------------------------------------------------------


async def test_each_item_has_its_answer_in_order(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api, "100")
    found = await results(
        api,
        [
            item(ann, ben, 100, memo="first", metadata={"n": 1}, external_reference="r-1"),
            item(ann, ben, 10**6),
            item(ann, "nobody-here", 5),
            item(ben, ann, 300),
            item(ann, ben, 5, currency="usd"),
        ],
    )
    assert [outcome(result) for result in found] == [
        (201, "transfer"), (409, "insufficient_funds"), (404, "merchant_not_found"), (201, "transfer"), (422, "unknown_currency"),
    ]  # fmt: skip
    assert [set(result) for result in found] == [
        {"status", "transfer"},
        {"status", "error"},
        {"status", "error"},
        {"status", "transfer"},
        {"status", "error"},
    ]
    first = found[0]["transfer"]
    assert (first["memo"], first["metadata"], first["external_reference"], first["fee_minor"]) == ("first", {"n": 1}, "r-1", 1)
    assert await balance_minor(api, ann) == 10_000 - 101 + 300


async def test_each_answer_is_that_of_a_single_transfer(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    items = [item(ann, ben, 100), item(ann, ben, 10**6)]
    response = await batch(api, items)
    for one, result in zip(items, response.json()["results"], strict=True):
        again = await post_single(api, one)
        body = result.get("transfer", result.get("error"))
        assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (result["status"], body, "true")
        assert again.content in response.content, "byte for byte"


async def test_a_later_item_spends_what_an_earlier_one_brought(api: httpx.AsyncClient) -> None:
    ann, ben, cleo = await merchant(api, "100"), await merchant(api), await merchant(api)
    found = await results(api, [item(ann, ben, 1010), item(ben, cleo, 1000), item(cleo, ann, 990)])
    assert [outcome(result) for result in found] == [(201, "transfer")] * 3
    assert [await balance_minor(api, name) for name in (ann, ben, cleo)] == [10_000 - 1020 + 990, 0, 0]


async def test_an_earlier_item_does_not_spend_what_a_later_one_brings(api: httpx.AsyncClient) -> None:
    ann, ben, cleo = await merchant(api, "100"), await merchant(api), await merchant(api)
    found = await results(api, [item(ben, cleo, 1000), item(ann, ben, 1010)])
    assert [outcome(result) for result in found] == [(409, "insufficient_funds"), (201, "transfer")]


async def test_ids_and_sequences_are_in_the_order_of_the_items(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    found = await results(api, [item(ann, ben, 1, memo=str(n)) for n in range(50)])
    ids = [result["transfer"]["id"] for result in found]
    assert ids == sorted(ids)
    lines = (await api.get(f"/accounts/{await wallet(api, ben)}/statement", params={"limit": 50})).json()["items"]
    assert [line["memo"] for line in reversed(lines)] == [str(n) for n in range(50)]


async def test_an_external_reference_counts_within_a_batch(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    first, second = await results(api, [item(ann, ben, 1, external_reference="r"), item(ann, ben, 1, external_reference="r")])
    assert outcome(second) == (409, "duplicate_external_reference")
    assert second["error"]["transfer_id"] == first["transfer"]["id"]


async def test_items_may_name_accounts(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api, "0")
    ids = {"source_account_id": await wallet(api, ann), "dest_account_id": await wallet(api, ben)}
    (found,) = await results(api, [{"idempotency_key": "k" + key()["Idempotency-Key"], "amount": "1"} | ids])
    assert (found["status"], found["transfer"]["to_merchant"]) == (201, ben)


# --- sizes and forms --------------------------------------------------------------------------------------------------------


async def test_a_thousand_items_are_posted_and_answered(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    found = await results(api, [item(ann, ben, 1) for _ in range(1000)])
    assert {outcome(result) for result in found} == {(201, "transfer")}
    assert await balance_minor(api, ben) == 1000


@pytest.mark.parametrize("count", [0, 1001])
async def test_none_and_more_than_a_thousand_are_invalid(api: httpx.AsyncClient, count: int) -> None:
    ann, ben, headers = await merchant(api, "100"), await merchant(api), key()
    response = await batch(api, [item(ann, ben, 1) for _ in range(count)], headers)
    assert (response.status_code, response.json()["code"], response.json()["errors"][0]["field"]) == (422, "validation_error", "transfers")
    assert await balance_minor(api, ann) == 10_000
    assert (await batch(api, [item(ann, ben, 1)], headers)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"transfers": None}, {"transfers": {}}, {"transfers": "x"}, {"transfers": [{}], "atomic": "yes"}, {"transfers": [{}], "x": 1}, []],
)
async def test_a_batch_of_another_form_is_invalid(api: httpx.AsyncClient, body: object) -> None:
    response = await api.post("/transfers/batch", json=body, headers=key())
    assert (response.status_code, response.json()["code"]) == (422, "validation_error")


INVALID_ITEMS: list[tuple[object, str]] = [
    (None, "validation_error"),
    (5, "validation_error"),
    ("x", "validation_error"),
    ([], "validation_error"),
    ({}, "validation_error"),
    ({"amount_minor": 0}, "validation_error"),
    ({"amount": "1"}, "validation_error"),
    ({"amount_minor": None}, "validation_error"),
    ({"to_merchant": None}, "validation_error"),
    ({"currency": "usd"}, "unknown_currency"),
    ({"surprise": 1}, "validation_error"),
    ({"memo": "a\x00"}, "validation_error"),
    ({"idempotency_key": None}, "validation_error"),
    ({"idempotency_key": 5}, "validation_error"),
    ({"idempotency_key": ""}, "idempotency_key_invalid"),
    ({"idempotency_key": "x" * 256}, "idempotency_key_invalid"),
    ({"idempotency_key": "naïve"}, "idempotency_key_invalid"),
]


@pytest.mark.parametrize(("change", "code"), INVALID_ITEMS)
async def test_an_invalid_item_fails_alone_and_its_key_stays_free(api: httpx.AsyncClient, change: object, code: str) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    good = item(ann, ben, 100)
    bad = good | {"idempotency_key": key()["Idempotency-Key"]} | change if isinstance(change, dict) and change else change
    found = await results(api, [item(ann, ben, 1), bad, item(ann, ben, 2)])
    assert [result["status"] for result in found] == [201, 400 if code == "idempotency_key_invalid" else 422, 201]
    assert found[1]["error"]["code"] == code
    assert await balance_minor(api, ben) == 3
    if isinstance(bad, dict) and isinstance(bad.get("idempotency_key"), str) and code != "idempotency_key_invalid":
        assert (await post_single(api, good | {"idempotency_key": bad["idempotency_key"]})).status_code == 201


async def test_a_merchant_that_pays_itself_fails_alone(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    found = await results(api, [item(ann, ann.upper(), 1), item(ann, ben, 1)])
    assert [outcome(result) for result in found] == [(422, "same_account"), (201, "transfer")]


# --- keys -------------------------------------------------------------------------------------------------------------------


async def test_the_same_key_twice_answers_like_a_replay(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    one = item(ann, ben, 100)
    respelt = dict(reversed(one.items()))
    first, second, third = await results(api, [one, respelt, one])
    assert first == second == third
    assert await balance_minor(api, ben) == 100


async def test_a_quoted_key_is_the_same_key(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    one = item(ann, ben, 100)
    first, second = await results(api, [one, one | {"idempotency_key": f'"{one["idempotency_key"]}"'}])
    assert first == second
    assert await balance_minor(api, ben) == 100


async def test_the_same_key_for_something_else_is_reused(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    one = item(ann, ben, 100)
    found = await results(api, [one, one | {"amount_minor": 101}, item(ann, ben, 1)])
    assert [outcome(result) for result in found] == [(201, "transfer"), (409, "idempotency_key_reused"), (201, "transfer")]
    assert await balance_minor(api, ben) == 101


async def test_a_refusal_is_replayed_within_a_batch_too(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api), await merchant(api, "100")
    one = item(ann, ben, 100)
    found = await results(api, [one, item(ben, ann, 200), one])
    assert found[0] == found[2]
    assert outcome(found[0]) == (409, "insufficient_funds")


async def test_singles_and_items_share_their_keys(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    before, after, clash = item(ann, ben, 100), item(ann, ben, 200), item(ann, ben, 300)
    single_first = await post_single(api, before)
    await post_single(api, clash | {"amount_minor": 1})
    found = await results(api, [before, after, clash])
    assert found[0] == {"status": 201, "transfer": single_first.json()}
    assert outcome(found[2]) == (409, "idempotency_key_reused")
    single_after = await post_single(api, after)
    assert (single_after.json(), single_after.headers["Idempotent-Replayed"]) == (found[1]["transfer"], "true")
    assert await balance_minor(api, ben) == 301


async def test_an_item_may_not_use_the_key_of_its_batch(api: httpx.AsyncClient) -> None:
    ann, ben, headers = await merchant(api, "100"), await merchant(api), key()
    one = item(ann, ben, 100, idempotency_key=headers["Idempotency-Key"])
    response = await batch(api, [one, item(ann, ben, 1)], headers)
    assert [outcome(result) for result in response.json()["results"]] == [(409, "idempotency_key_reused"), (201, "transfer")]


async def test_a_repeated_batch_is_replayed_byte_for_byte(api: httpx.AsyncClient) -> None:
    ann, ben, headers = await merchant(api, "100"), await merchant(api), key()
    items = [item(ann, ben, 100), item(ann, ben, 10**6), {}, item(ann, ben, 5)]
    first, second = await batch(api, items, headers), await batch(api, items, headers)
    assert (second.status_code, second.content, second.headers["Idempotent-Replayed"]) == (200, first.content, "true")
    assert await balance_minor(api, ben) == 105


async def test_the_same_items_under_another_key_are_all_replayed(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    items = [item(ann, ben, 100), item(ann, ben, 10**6), item(ann, ben, 5)]
    assert await results(api, items) == await results(api, items)
    assert await balance_minor(api, ben) == 105


async def test_two_batches_with_the_same_items_at_once_post_them_once(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    items = [item(ann, ben, 1) for _ in range(50)]
    answers = await asyncio.gather(*[batch(api, items if n % 2 else items[::-1]) for n in range(6)])
    assert {answer.status_code for answer in answers} == {200}
    assert await balance_minor(api, ben) == 50


# --- all or nothing ---------------------------------------------------------------------------------------------------------


async def test_an_atomic_batch_posts_all(api: httpx.AsyncClient) -> None:
    ann, ben, cleo = await merchant(api, "100"), await merchant(api), await merchant(api)
    found = await results(api, [item(ann, ben, 1010), item(ben, cleo, 1000)], atomic=True)
    assert [outcome(result) for result in found] == [(201, "transfer")] * 2


async def test_an_atomic_batch_posts_nothing_if_one_fails_and_says_which(api: httpx.AsyncClient) -> None:
    ann, ben, headers = await merchant(api, "100"), await merchant(api), key()
    items = [item(ann, ben, 100), item(ann, ben, 10**6), item(ann, "nobody-here", 1)]
    response = await batch(api, items, headers, atomic=True)
    assert (response.status_code, response.headers["content-type"]) == (409, "application/problem+json")
    problem = response.json()
    assert (problem["code"], problem["index"], problem["required_minor"], problem["status"]) == ("insufficient_funds", 1, 1_010_000, 409)
    assert problem["request_id"] == response.headers["X-Request-Id"]
    assert (await balance_minor(api, ann), await balance_minor(api, ben)) == (10_000, 0)
    assert (await api.get(f"/merchants/{ben}")).json()["balances"] == [], "not even an account was opened"


async def test_a_failed_atomic_batch_sticks_to_its_key_and_frees_those_of_its_items(api: httpx.AsyncClient) -> None:
    ann, ben, headers = await merchant(api, "100"), await merchant(api), key()
    items = [item(ann, ben, 100), item(ann, ben, 10**6)]
    first = await batch(api, items, headers, atomic=True)
    await api.post(f"/accounts/{await wallet(api, ann)}/deposit", json={"amount": "100000"}, headers=key())
    second = await batch(api, items, headers, atomic=True)
    assert (second.status_code, second.content, second.headers["Idempotent-Replayed"]) == (409, first.content, "true")
    left = await in_reader(IdempotencyRecord.objects.filter(key__in=[one["idempotency_key"] for one in items]).count)
    assert left == 0
    assert [outcome(result) for result in await results(api, items, atomic=True)] == [(201, "transfer")] * 2


@pytest.mark.parametrize(("change", "code"), [pair for pair in INVALID_ITEMS if pair[0] != {}])
async def test_an_invalid_item_fails_an_atomic_batch_and_frees_its_key(api: httpx.AsyncClient, change: object, code: str) -> None:
    ann, ben, headers = await merchant(api, "100"), await merchant(api), key()
    bad = item(ann, ben, 1) | change if isinstance(change, dict) else change
    good = item(ann, ben, 1)
    response = await batch(api, [good, good, bad], headers, atomic=True)
    assert (response.status_code, response.json()["code"]) == (400 if code == "idempotency_key_invalid" else 422, code)
    assert (response.json()["index"], response.headers["content-type"]) == (2, "application/problem+json")
    assert await balance_minor(api, ben) == 0
    assert (await batch(api, [good], headers, atomic=True)).status_code == 200


async def test_a_reused_key_fails_an_atomic_batch(api: httpx.AsyncClient) -> None:
    ann, ben, headers = await merchant(api, "100"), await merchant(api), key()
    used, fresh = item(ann, ben, 100), item(ann, ben, 1)
    await post_single(api, used)
    for items, index in [([fresh, used | {"amount_minor": 5}], 1), ([fresh, item(ann, ben, 2), fresh | {"amount_minor": 2}], 2)]:
        response = await batch(api, items, headers, atomic=True)
        assert (response.status_code, response.json()["code"], response.json()["index"]) == (409, "idempotency_key_reused", index)
    assert await balance_minor(api, ben) == 100
    assert (await batch(api, [fresh], headers, atomic=True)).status_code == 200, "neither the batch's key nor the items' were used"


async def test_what_was_posted_before_counts_as_done_in_an_atomic_batch(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    before = item(ann, ben, 100)
    single_first = await post_single(api, before)
    found = await results(api, [before, item(ann, ben, 200), before], atomic=True)
    assert found[0] == found[2] == {"status": 201, "transfer": single_first.json()}
    assert await balance_minor(api, ben) == 300


async def test_what_was_refused_before_fails_an_atomic_batch(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api), await merchant(api, "100")
    refused = item(ann, ben, 100)
    first = await post_single(api, refused)
    response = await batch(api, [item(ben, ann, 500), refused], atomic=True)
    assert (response.status_code, response.json()) == (409, first.json() | {"index": 1})
    assert await balance_minor(api, ben) == 10_000


async def test_atomic_and_not_are_different_requests(api: httpx.AsyncClient) -> None:
    ann, ben, headers = await merchant(api, "100"), await merchant(api), key()
    items = [item(ann, ben, 100)]
    assert (await batch(api, items, headers)).status_code == 200
    assert (await batch(api, items, headers, atomic=True)).json()["code"] == "idempotency_key_reused"


async def test_batches_beside_each_other_take_no_neighbour_down(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "100"), await merchant(api)
    good = [item(ann, ben, 1) for _ in range(3)]
    answers = await asyncio.gather(
        batch(api, [item(ann, ben, 1), item(ann, ben, 10**6)], atomic=True), batch(api, good), transfer(api, ann, ben, 1),
        batch(api, [item(ann, "nobody-here", 1)], atomic=True),
    )  # fmt: skip
    assert [answer.status_code for answer in answers] == [409, 200, 201, 404]
    assert await balance_minor(api, ben) == 4


async def test_exact_integers_survive_a_batch(api: httpx.AsyncClient) -> None:
    ann, ben = await merchant(api, "0", "ETH"), await merchant(api)
    await api.post(f"/accounts/{await wallet(api, ann, 'ETH')}/deposit", json={"amount_minor": 10**30}, headers=key())
    response = await batch(api, [item(ann, ben, 10**29 + 1, currency="ETH")])
    assert json.loads(response.content)["results"][0]["transfer"]["amount_minor"] == 10**29 + 1
