"""API keys: made once, kept as a hash, believed for seconds, revoked for good."""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Credential, Scope
from merchants.models import Merchant
from people.access import authentication
from people.access.authentication import forget_credentials
from people.credentials import KeyRefused, create_key, find_key, revoke_key
from people.models import ApiKey
from tests.api.test_authorization import bearer, new_key
from tests.support.factories import merchant, unique


@pytest.fixture
def required(settings: Any) -> Iterator[Any]:
    settings.LEDGER_AUTH = "required"
    forget_credentials()
    yield settings
    forget_credentials()


async def test_a_key_works_in_either_header(api: httpx.AsyncClient, required: Any) -> None:
    secret = (await new_key()).secret
    for headers in (bearer(secret), {"Authorization": f"bearer  {secret} "}, {"X-Api-Key": secret}):
        assert (await api.get("/merchants", headers=headers)).status_code == 200
    for headers in ({"X-Api-Key": ""}, {"Authorization": "Bearer "}, {"Authorization": secret}, {"X-Api-Key": "x" * 5000}):
        assert (await api.get("/merchants", headers=headers)).status_code == 401


async def test_only_a_hash_of_the_secret_is_kept(api: httpx.AsyncClient) -> None:
    made = await new_key()
    stored = await in_reader(lambda: ApiKey.objects.filter(id=made.id).values().get())
    assert made.secret.startswith(stored["prefix"] + "_")
    assert bytes(stored["digest"]) == hashlib.sha256(made.secret.encode()).digest()
    assert made.secret.removeprefix(made.prefix + "_") not in str(stored)


def clock_goes_on(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have the clock by which credentials are believed go on, and no other."""
    monkeypatch.setattr(authentication, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + seconds))


async def test_a_revoked_key_stops_within_the_time_that_is_promised(
    api: httpx.AsyncClient, required: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    required.LEDGER_CREDENTIAL_CACHE = 60.0
    made = await new_key()
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 200
    await in_reader(revoke_key, made.id)
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 200
    clock_goes_on(monkeypatch, 60.1)
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 401


async def test_a_key_is_not_believed_past_its_end(api: httpx.AsyncClient, required: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    required.LEDGER_CREDENTIAL_CACHE = 600.0
    made = await new_key(None, expires_at=datetime.now(UTC) + timedelta(seconds=60))
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 200
    await in_reader(ApiKey.objects.filter(id=made.id).update, expires_at=datetime.now(UTC))
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 200, "it is believed to its end"
    clock_goes_on(monkeypatch, 60.1)
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 401


async def test_the_database_is_asked_once_for_all_who_come_at_once_and_then_not_again(
    api: httpx.AsyncClient, required: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def counting(digest: bytes) -> Credential | None:
        asked.append(digest)
        return find_key(digest)

    monkeypatch.setattr(authentication, "find_key", counting)
    secret = (await new_key()).secret
    answers = await asyncio.gather(*[api.get("/merchants", headers=bearer(secret)) for _ in range(20)])
    assert {answer.status_code for answer in answers} == {200}
    assert len(asked) == 1
    await api.get("/merchants", headers=bearer("lk_not-the-form"))
    assert len(asked) == 1


async def test_when_a_key_was_used_is_noted_in_the_background_once_a_minute(api: httpx.AsyncClient, required: Any) -> None:
    made = await new_key()
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 200
    await asyncio.gather(*authentication._notes)
    first = (await in_reader(ApiKey.objects.get, id=made.id)).last_used_at
    assert first is not None
    forget_credentials()
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 200
    assert not authentication._notes
    earlier = first - timedelta(minutes=2)
    await in_reader(ApiKey.objects.filter(id=made.id).update, last_used_at=earlier)
    forget_credentials()
    assert (await api.get("/merchants", headers=bearer(made.secret))).status_code == 200
    await asyncio.gather(*authentication._notes)
    assert (await in_reader(ApiKey.objects.get, id=made.id)).last_used_at > first


async def test_a_key_that_must_not_be_is_not_made(api: httpx.AsyncClient) -> None:
    name = await merchant(api)
    with pytest.raises(KeyRefused):
        await new_key(name, Scope.OPERATIONS_READ)
    with pytest.raises(KeyRefused):
        await new_key(None, expires_at=datetime.now(UTC))
    for arguments in ({"name": " ", "scopes": [Scope.FEES_READ]}, {"name": "x", "scopes": []}):
        with pytest.raises(KeyRefused):
            await in_reader(create_key, merchant=None, **arguments)


@pytest.mark.parametrize(
    "values",
    [{"scopes": ["everything"]}, {"scopes": []}, {"scopes": ["operations:read"], "merchant": True}],
)
def test_the_database_refuses_such_keys_too(values: dict[str, Any]) -> None:
    owner = {"merchant": Merchant.objects.create(name=unique())} if values.get("merchant") else {}
    with pytest.raises(DatabaseError), transaction.atomic():
        ApiKey.objects.create(name="x", prefix=unique()[:16], digest=b"x" * 32, **(values | owner))


def run(*arguments: str) -> tuple[str, str]:
    output, errors = io.StringIO(), io.StringIO()
    call_command("api_key", *arguments, stdout=output, stderr=errors)
    return output.getvalue(), errors.getvalue()


async def test_the_command_makes_lists_and_revokes(api: httpx.AsyncClient, required: Any) -> None:
    required.LEDGER_AUTH = "open"
    name = await merchant(api)
    required.LEDGER_AUTH = "required"
    output, errors = await in_reader(run, "create", "till", "--merchant", name, "--scope", "merchants:read", "--expires-in-days", "7")
    secret = output.strip()
    assert secret not in errors
    assert (await api.get(f"/merchants/{name}", headers=bearer(secret))).status_code == 200
    prefix = secret[:11]
    listing, _ = await in_reader(run, "list", "--merchant", name)
    assert prefix in listing
    assert "valid" in listing
    assert secret not in listing
    await in_reader(run, "revoke", prefix)
    forget_credentials()
    assert (await api.get(f"/merchants/{name}", headers=bearer(secret))).status_code == 401
    assert "revoked" in (await in_reader(run, "list", "--merchant", name))[0]
    for wrong in (("revoke", prefix), ("revoke", "lk_nothing"), ("create", "x", "--merchant", "nobody-here"), ("create", "x")):
        with pytest.raises(CommandError):
            await in_reader(run, *wrong)


async def test_open_mode_takes_a_credential_at_its_word_if_there_is_one(api: httpx.AsyncClient) -> None:
    mine, other = await merchant(api), await merchant(api)
    secret = (await new_key(mine)).secret
    assert (await api.get(f"/merchants/{other}")).status_code == 200
    assert (await api.get(f"/merchants/{other}", headers=bearer(secret))).status_code == 404
    assert (await api.get(f"/merchants/{other}", headers=bearer("lk_nonsense"))).status_code == 401
