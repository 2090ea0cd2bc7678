"""Receipts: each party of a movement gets its own, and anybody can check it without us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWK, api_jws

from events.services import signing
from ledger_project.database.readers import in_reader
from tests.api.test_authorization import bearer, new_key
from tests.api.test_tokens import private_pem, public_pem
from tests.support.factories import key, merchant, transfer, unique, wallet
from transfers.models import LedgerEntry
from transfers.services.fee_settlement import settle_fees

NOWHERE = "01900000-0000-7000-8000-000000000000"


async def receipt(api: httpx.AsyncClient, transfer_id: str, account_id: str | None = None, **headers: str) -> httpx.Response:
    params = {} if account_id is None else {"account_id": account_id}
    return await api.get(f"/transfers/{transfer_id}/receipt", params=params, headers=headers)


async def shown(api: httpx.AsyncClient, transfer_id: str, account_id: str) -> dict[str, Any]:
    response = await receipt(api, transfer_id, account_id)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json"), response.text
    body: dict[str, Any] = response.json()
    return body


async def last_entry(transfer_id: str, account_id: str) -> tuple[int, str]:
    def look() -> tuple[int, str]:
        entry = LedgerEntry.objects.filter(transfer_id=transfer_id, account_id=account_id).order_by("-sequence").first()
        assert entry is not None
        return entry.sequence, bytes(entry.hash).hex()

    return await in_reader(look)


async def pair(api: httpx.AsyncClient, balance: str = "100.00", **extra: Any) -> tuple[str, str, str, str]:
    """Return two merchants and their wallets."""
    source, target = await merchant(api, balance, **extra), await merchant(api, "1.00", **extra)
    currency = extra.get("currency", "USD")
    return source, target, await wallet(api, source, currency), await wallet(api, target, currency)


# --- what it has ------------------------------------------------------------------------------------------------------------


async def test_each_party_gets_its_own_without_the_others_balance(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, to_wallet = await pair(api)
    made = (await transfer(api, source, target, 1000, memo="Rechnung Ñ 7", metadata={"b": 1, "a": [1.5, "x"]})).json()
    numbers = set()
    for name, account in ((source, from_wallet), (target, to_wallet)):
        found = await shown(api, made["id"], account)
        sequence, entry_hash = await last_entry(made["id"], account)
        assert list(found) == ["number", "issued_at", "transfer", "party", "signature"]
        assert found["transfer"] == made
        assert found["issued_at"] == made["created_at"]
        assert found["party"] == {"merchant_name": name, "account_id": account, "sequence": sequence, "entry_hash": entry_hash}
        assert "balance" not in json.dumps(found)
        numbers.add(found["number"])
    assert len(numbers) == 2


async def test_it_is_the_same_whenever_it_is_asked_for(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 1000)).json()["id"]
    first = (await receipt(api, made, from_wallet)).content
    await transfer(api, source, target, 500)
    assert (await receipt(api, made, from_wallet)).content == first


async def test_the_entry_is_the_partys_last_one_the_fees(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 1000)).json()["id"]
    entries = [e for e in (await api.get(f"/transfers/{made}")).json()["entries"] if e["account_id"] == from_wallet]
    assert [entry["type"] for entry in entries] == ["transfer", "fee"]
    assert (await shown(api, made, from_wallet))["party"]["sequence"] == entries[-1]["sequence"]


async def test_every_movement_of_a_wallet_has_one(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, to_wallet = await pair(api)
    moved = [
        (await api.post(f"/accounts/{from_wallet}/{verb}", json={"amount": "2.00"}, headers=key())).json()["transfer"]
        for verb in ("deposit", "withdraw")
    ]
    made = (await transfer(api, source, target, 1000)).json()
    moved.append((await api.post(f"/transfers/{made['id']}/reverse", json={}, headers=key())).json())
    moved += (await api.get("/transfers", params={"merchant": source, "kind": "opening"})).json()["items"]
    assert [one["kind"] for one in moved] == ["deposit", "withdrawal", "reversal", "opening"]
    for one in moved:
        assert (await shown(api, one["id"], from_wallet))["transfer"]["kind"] == one["kind"]
    assert (await shown(api, moved[2]["id"], to_wallet))["number"].endswith("-1")  # it gives the money back
    for one in (moved[0], moved[1], moved[3]):
        assert (await receipt(api, one["id"], to_wallet)).json()["code"] == "account_not_found"


@pytest.mark.parametrize("amount", ["5.00", "2.00"])
async def test_a_capture_has_one_for_both_and_its_hold_none(api: httpx.AsyncClient, amount: str) -> None:
    source, target, from_wallet, to_wallet = await pair(api)
    hold = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "5.00"}
    held = (await api.post("/holds", json=hold, headers=key())).json()
    reserved = (await api.get("/transfers", params={"merchant": source, "kind": "hold"})).json()["items"][0]["id"]
    captured = (await api.post(f"/holds/{held['id']}/capture", json={"amount": amount}, headers=key())).json()
    payee = await shown(api, captured["id"], to_wallet)
    assert (payee["party"]["sequence"], payee["party"]["entry_hash"]) == await last_entry(captured["id"], to_wallet)
    payer = await shown(api, captured["id"], from_wallet)
    accounts = {e["account_id"] for e in (await api.get(f"/transfers/{captured['id']}")).json()["entries"]}
    # In full, nothing comes back into the wallet: the entry is the held account's.
    assert (from_wallet in accounts) == (amount != "5.00")
    hashes = await in_reader(
        lambda: {bytes(h).hex() for h in LedgerEntry.objects.filter(transfer_id=captured["id"]).values_list("hash", flat=True)}
    )
    assert payer["party"]["account_id"] == from_wallet
    assert payer["party"]["entry_hash"] in hashes - {payee["party"]["entry_hash"]}
    refused = await receipt(api, reserved, from_wallet)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert "hold" in refused.json()["detail"]


async def test_the_end_of_a_hold_has_none(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, _ = await pair(api)
    hold = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "5.00"}
    held = (await api.post("/holds", json=hold, headers=key())).json()
    assert (await api.post(f"/holds/{held['id']}/void", headers=key())).status_code == 200
    ended = (await api.get("/transfers", params={"merchant": source, "kind": "hold_release"})).json()["items"][0]["id"]
    assert (await receipt(api, ended, from_wallet)).json()["code"] == "not_found"


async def test_settled_fees_have_one_for_the_treasury_alone(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, _ = await pair(api)
    await transfer(api, source, target, 1000)
    await in_reader(settle_fees, currency="USD")
    settled = (await api.get("/transfers", params={"from": source, "kind": "fee_settlement"})).json()["items"][0]["id"]
    treasury = await wallet(api, "treasury")
    assert (await shown(api, settled, treasury))["party"]["merchant_name"] == "treasury"
    assert (await receipt(api, settled, from_wallet)).json()["code"] == "account_not_found"


# --- who gets it ------------------------------------------------------------------------------------------------------------


async def test_the_platform_names_the_party(api: httpx.AsyncClient) -> None:
    source, target, _, _ = await pair(api)
    stranger = await wallet(api, await merchant(api, "1.00"))
    made = (await transfer(api, source, target, 1000)).json()["id"]
    for transfer_id in (made, NOWHERE):
        unnamed = await receipt(api, transfer_id)
        assert (unnamed.status_code, unnamed.json()["errors"][0]["field"]) == (422, "account_id")
    assert (await receipt(api, made, "x")).status_code == 422
    for account in (stranger, NOWHERE):
        refused = await receipt(api, made, account)
        assert (refused.status_code, refused.json()["code"], refused.json()["account_id"]) == (404, "account_not_found", account)
    for transfer_id in (NOWHERE, "x"):
        assert (await receipt(api, transfer_id, stranger)).json()["code"] == "transfer_not_found"
    assert (await api.get(f"/transfers/{made}/receipt", params={"account": stranger})).json()["errors"][0]["code"] == "unknown_field"


async def test_a_merchant_gets_its_own_and_no_other(api: httpx.AsyncClient, settings: Any) -> None:
    source, target, from_wallet, to_wallet = await pair(api)
    made = (await transfer(api, source, target, 1000)).json()["id"]
    stranger = await merchant(api, "1.00")
    keys = {name: bearer((await new_key(name)).secret) for name in (source, target, stranger)}
    settings.LEDGER_AUTH = "required"
    for name, own, other in ((source, from_wallet, to_wallet), (target, to_wallet, from_wallet)):
        unnamed = await receipt(api, made, **keys[name])
        assert (unnamed.status_code, unnamed.json()["party"]["account_id"]) == (200, own)
        assert (await receipt(api, made, own, **keys[name])).content == unnamed.content
        refused = await receipt(api, made, other, **keys[name])
        assert (refused.status_code, refused.json()["code"]) == (404, "account_not_found")
    for account in (None, from_wallet):
        refused = await receipt(api, made, account, **keys[stranger])
        assert (refused.status_code, refused.json()["code"]) == (404, "transfer_not_found")


# --- the signature ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(settings: Any) -> Iterator[Any]:
    """Keys of one's own: change the settings, then call ``signers.cache_clear``."""
    signing.signers.cache_clear()
    yield settings
    signing.signers.cache_clear()


async def checked(api: httpx.AsyncClient, signature: str) -> dict[str, Any]:
    """Return what was signed, by another library and the published keys alone."""
    published = {one["kid"]: one for one in (await api.get("/.well-known/jwks.json")).json()["keys"]}
    header = api_jws.get_unverified_header(signature)
    assert header["alg"] == "EdDSA"
    payload = api_jws.decode(signature, PyJWK(published[header["kid"]]).key, algorithms=["EdDSA"])
    # UTF-8, sorted, without blanks, integers as they are.
    found: dict[str, Any] = json.loads(payload)
    assert payload == json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return found


async def test_the_signature_is_over_all_other_members(api: httpx.AsyncClient) -> None:
    source, target, from_wallet, _ = await pair(api, "1.000000000000000000", currency="ETH")
    made = (
        await transfer(api, source, target, 10**17, currency="ETH", memo='日本語 \u202e "x" \\ \n', metadata={"z": 1e-5, "ü": 2**70})
    ).json()["id"]
    found = await shown(api, made, from_wallet)
    signature = found.pop("signature")
    assert await checked(api, signature) == found


async def test_a_new_key_signs_and_the_former_one_still_verifies(api: httpx.AsyncClient, keys: Any) -> None:
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 1000)).json()["id"]
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys.LEDGER_RECEIPT_SIGNING_KEY = private_pem(old)
    before = await shown(api, made, from_wallet)
    signing.signers.cache_clear()
    keys.LEDGER_RECEIPT_SIGNING_KEY, keys.LEDGER_RECEIPT_FORMER_KEYS = private_pem(new), public_pem(old)
    after = await shown(api, made, from_wallet)
    assert len((await api.get("/.well-known/jwks.json")).json()["keys"]) == 2
    kids = {api_jws.get_unverified_header(one["signature"])["kid"] for one in (before, after)}
    assert len(kids) == 2
    assert await checked(api, before["signature"]) == await checked(api, after["signature"])
    assert before["number"] == after["number"]


async def test_without_a_key_nothing_is_signed_and_that_shows(api: httpx.AsyncClient, keys: Any) -> None:
    keys.LEDGER_EMBEDDED = False
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 1000)).json()["id"]
    assert (await shown(api, made, from_wallet))["signature"] is None
    assert (await api.get("/.well-known/jwks.json")).json() == {"keys": []}


async def test_the_keys_are_for_everybody_and_no_private_part_is_among_them(api: httpx.AsyncClient, settings: Any) -> None:
    settings.LEDGER_AUTH = "required"
    response = await api.get("/.well-known/jwks.json")
    assert response.status_code == 200
    assert {frozenset(one) for one in response.json()["keys"]} == {frozenset({"kty", "crv", "x", "kid", "use", "alg"})}


def test_what_nobody_signed_is_refused() -> None:
    keys = signing.load_signers(private_pem(Ed25519PrivateKey.generate()), "")
    other = signing.load_signers(private_pem(Ed25519PrivateKey.generate()), "")
    good = keys.sign(b'{"a":1}')
    assert good is not None
    assert keys.verified(good) == b'{"a":1}'
    head, payload, end = good.split(".")
    none = "eyJhbGciOiJub25lIn0"
    for bad in (
        "",
        "x",
        "a.b.c",
        f"{head}.{payload}.{end[:-4]}AAAA",
        f"{head}.e30.{end}",
        f"{none}.{payload}.",
        good + "x",
        "é.ü.ö",
        unique(),
    ):
        with pytest.raises(signing.BadSignature):
            keys.verified(bad)
    with pytest.raises(signing.BadSignature):
        other.verified(good)
