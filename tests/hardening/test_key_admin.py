"""Keys in the admin: the secret is on one page once, and nowhere else."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from merchants.models import Merchant
from people.credentials import find_key
from people.models import ApiKey, User
from tests.support.factories import unique

ADD = "/admin/people/apikey/add/"


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(unique("root")))
    return client


def form(**changes: object) -> dict[str, object]:
    return {"name": "till", "merchant": "", "scopes": ["merchants:read", "transfers:write"], "expires_in_days": ""} | changes


def test_a_key_is_made_and_its_secret_shown_once(root: Client) -> None:
    merchant = Merchant.objects.create(name=unique())
    assert root.get(ADD).status_code == 200
    response = root.post(ADD, form(merchant=merchant.name.upper(), expires_in_days="30"))
    found = re.search(r'<code id="secret"[^>]*>(lk_\w{8}_[\w-]{43})</code>', response.content.decode())
    assert found is not None
    assert "no-store" in response["Cache-Control"]
    secret = found[1]
    key = ApiKey.objects.get(prefix=secret[:11])
    assert (key.merchant_id, key.scopes, key.state(key.created_at)) == (merchant.id, ["merchants:read", "transfers:write"], "valid")
    assert find_key(bytes(key.digest)) is not None
    for page in (reverse("admin:people_apikey_changelist"), reverse("admin:people_apikey_change", args=[key.id])):
        text = root.get(page).content.decode()
        assert key.prefix in text
        assert secret not in text
    assert secret not in str(list(root.session.items())) + str(root.cookies)
    assert LogEntry.objects.filter(object_id=str(key.id)).exists()


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"scopes": []}, {"scopes": ["everything"]}, {"merchant": "nobody-here"}, {"expires_in_days": "0"}],
    ids=str,
)
def test_a_key_that_must_not_be_is_not_made(root: Client, changes: dict[str, object]) -> None:
    before = ApiKey.objects.count()
    response = root.post(ADD, form(**changes))
    assert response.status_code == 200
    assert "secret" not in re.findall(r'id="(\w+)"', response.content.decode())
    assert ApiKey.objects.count() == before


def test_a_merchants_key_does_not_see_operations(root: Client) -> None:
    merchant = Merchant.objects.create(name=unique())
    page = root.post(ADD, form(merchant=merchant.name, scopes=["operations:read"])).content.decode()
    assert "platform&#x27;s keys only" in page


def test_a_key_is_revoked_with_a_reason_and_stays_so(root: Client) -> None:
    root.post(ADD, form())
    key = ApiKey.objects.first()
    assert key is not None
    page = reverse("admin:people_apikey_change", args=[key.id]).replace("/change/", "/revoke/")
    assert root.post(page, {"token": "t", "reason": ""}).status_code == 200
    assert find_key(bytes(key.digest)) is not None
    assert root.post(page, {"token": "t", "reason": "laptop lost"}).status_code == 302
    assert find_key(bytes(key.digest)) is None
    assert "revoked before" in root.post(page, {"token": "t", "reason": "again"}).content.decode()
    assert "laptop lost" in root.get(reverse("admin:people_apikey_change", args=[key.id])).content.decode()


def test_who_may_only_look_makes_and_revokes_nothing(root: Client) -> None:
    root.post(ADD, form())
    key = ApiKey.objects.first()
    assert key is not None
    user = User.objects.create_user(unique("viewer"), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    viewer = Client()
    viewer.force_login(user)
    change = reverse("admin:people_apikey_change", args=[key.id])
    assert viewer.get(change).status_code == 200
    assert viewer.post(ADD, form()).status_code == 403
    assert viewer.post(change.replace("/change/", "/revoke/"), {"token": "t", "reason": "r"}).status_code == 403
    assert viewer.post(change, {"name": "mine"}).status_code == 403
