"""The pages of a merchant's settings: notifications, API keys and webhooks, and who may see and do what."""

from __future__ import annotations

import hashlib
import re

import pytest
from django.test import Client

from events.models import Webhook
from events.selectors.webhooks import stored_secrets
from events.services.secrets import unsealed
from merchants.domain import MerchantIdentity
from merchants.models import Merchant
from people.credentials import find_key
from people.domain import Role
from people.models import ApiKey, Membership, User
from tests.services.test_admin_webhooks import _Received, failed, new_event, receiver
from tests.support.factories import unique
from tests.support.portal import new_member, new_merchant, session_of, words_of

__all__ = ["receiver"]


@pytest.fixture
def shop() -> MerchantIdentity:
    return new_merchant()


@pytest.fixture
def owner(shop: MerchantIdentity) -> Client:
    return session_of(new_member(shop))


def token_of(client: Client, page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get(page).content.decode())
    assert found
    return found[1]


# --- notifications ----------------------------------------------------------------------------------------------------------


def test_an_owner_sets_and_takes_away_the_address_for_receipts(shop: MerchantIdentity, owner: Client) -> None:
    page = f"/app/{shop.name}/settings/"
    assert "Receipts go to ada@example.com now." in words_of(owner.post(page, {"receipt_email": "ada@example.com"}, follow=True))
    assert Merchant.objects.get(id=shop.id).receipt_email == "ada@example.com"
    owner.post(page, {"receipt_email": ""})
    assert Merchant.objects.get(id=shop.id).receipt_email is None


def test_an_address_that_is_none_is_refused_beside_the_field(shop: MerchantIdentity, owner: Client) -> None:
    answer = owner.post(f"/app/{shop.name}/settings/", {"receipt_email": "ada@"})
    assert answer.status_code == 422
    assert 'id="id_receipt_email_error"' in answer.content.decode()
    assert Merchant.objects.get(id=shop.id).receipt_email is None


# --- keys -------------------------------------------------------------------------------------------------------------------


def make_key(client: Client, shop: MerchantIdentity, **values: object) -> str:
    page = f"/app/{shop.name}/keys/"
    sent = {"token": token_of(client, page), "name": "the till", "scopes": ["transfers:read"], "expires_in_days": ""} | values
    return client.post(page, sent).content.decode()


def test_a_key_is_shown_once_and_works_for_its_merchant_only(shop: MerchantIdentity, owner: Client) -> None:
    found = re.search(r'<code id="secret"[^>]*>(lk_[^<]+)</code>', make_key(owner, shop))
    assert found
    credential = find_key(hashlib.sha256(found[1].encode()).digest())
    assert credential is not None
    assert credential.actor.merchant_id == shop.id
    assert {scope.value for scope in credential.actor.scopes} == {"transfers:read"}
    page = owner.get(f"/app/{shop.name}/keys/")
    assert found[1] not in page.content.decode()
    assert "the till" in words_of(page)


def test_one_form_makes_one_key(shop: MerchantIdentity, owner: Client) -> None:
    page = f"/app/{shop.name}/keys/"
    values = {"token": token_of(owner, page), "name": "the till", "scopes": ["transfers:read"], "expires_in_days": "30"}
    assert 'id="secret"' in owner.post(page, values).content.decode()
    again = owner.post(page, values)
    assert again.status_code == 422
    assert "This form was sent before" in words_of(again)
    assert 'id="secret"' not in again.content.decode()
    assert ApiKey.objects.filter(merchant_id=shop.id).count() == 1


@pytest.mark.parametrize(
    "values", [{"scopes": ["operations:write"]}, {"scopes": []}, {"name": ""}, {"expires_in_days": "0"}, {"token": "made-up"}]
)
def test_a_form_that_does_not_fit_makes_no_key(shop: MerchantIdentity, owner: Client, values: dict[str, object]) -> None:
    assert 'id="secret"' not in make_key(owner, shop, **values)
    assert not ApiKey.objects.filter(merchant_id=shop.id).exists()


def test_another_person_s_form_makes_no_key(shop: MerchantIdentity, owner: Client) -> None:
    other = session_of(new_member(shop))
    assert 'id="secret"' not in make_key(owner, shop, token=token_of(other, f"/app/{shop.name}/keys/"))


def test_a_key_is_revoked_and_another_merchant_s_is_not(shop: MerchantIdentity, owner: Client) -> None:
    make_key(owner, shop)
    key = ApiKey.objects.get(merchant_id=shop.id)
    stranger = new_merchant()
    answer = session_of(new_member(stranger)).post(f"/app/{stranger.name}/keys/{key.id}/revoke/")
    assert answer.status_code == 422
    assert ApiKey.objects.get(id=key.id).revoked_at is None
    assert "The key is revoked" in words_of(owner.post(f"/app/{shop.name}/keys/{key.id}/revoke/", follow=True))
    assert ApiKey.objects.get(id=key.id).revoked_at is not None


# --- webhooks ---------------------------------------------------------------------------------------------------------------


def register(client: Client, shop: MerchantIdentity, url: str, **values: object) -> str:
    page = f"/app/{shop.name}/webhooks/"
    sent = {"token": token_of(client, page), "url": url, "types": "*", "description": ""} | values
    return client.post(page, sent, follow=True).content.decode()


def do(client: Client, webhook: Webhook, action: str, **values: str) -> str:
    merchant = Merchant.objects.get(id=webhook.merchant_id)
    answer = client.post(f"/app/{merchant.name}/webhooks/{webhook.id}/{action}/", values, follow=True)
    return answer.content.decode()


def test_a_webhook_shows_its_secret_once(shop: MerchantIdentity, owner: Client, receiver: _Received) -> None:
    found = re.search(r'<code id="secret"[^>]*>(whsec_[^<]+)</code>', register(owner, shop, receiver.url, types="transfer.posted, hold.*"))
    assert found
    webhook = Webhook.objects.get(merchant_id=shop.id)
    assert webhook.types == ["transfer.posted", "hold.*"]
    assert [unsealed(stored) for stored in stored_secrets(webhook.id)] == [found[1]]
    assert "whsec_" not in owner.get(f"/app/{shop.name}/webhooks/{webhook.id}/").content.decode()


def test_one_form_registers_one_webhook(shop: MerchantIdentity, owner: Client, receiver: _Received) -> None:
    token = token_of(owner, f"/app/{shop.name}/webhooks/")
    assert 'id="secret"' in register(owner, shop, receiver.url, token=token)
    assert "This form was sent before" in register(owner, shop, receiver.url, token=token)
    assert Webhook.objects.filter(merchant_id=shop.id).count() == 1
    assert "idempotency" in register(owner, shop, receiver.url, token=token, description="another").lower()


@pytest.mark.parametrize(
    ("url", "types", "words"),
    [("https://10.0.0.1/", "*", "cannot have this URL"), ("ftp://x", "*", "cannot have"), ("https://example.com", "nonsense", "nonsense")],
)
def test_a_webhook_that_cannot_be_is_refused_in_words(shop: MerchantIdentity, owner: Client, url: str, types: str, words: str) -> None:
    assert words in register(owner, shop, url, types=types)
    assert not Webhook.objects.filter(merchant_id=shop.id).exists()


def test_a_webhook_is_paused_tried_rotated_and_deleted(shop: MerchantIdentity, owner: Client, receiver: _Received) -> None:
    register(owner, shop, receiver.url)
    webhook = Webhook.objects.get(merchant_id=shop.id)
    assert "Paused." in do(owner, webhook, "pause")
    assert Webhook.objects.get(id=webhook.id).status == "paused"
    assert "Enabled." in do(owner, webhook, "enable")
    assert "The test arrived: 202" in do(owner, webhook, "test")
    assert len(receiver.bodies) == 1
    token = token_of(owner, f"/app/{shop.name}/webhooks/{webhook.id}/")
    found = re.search(r'<code id="secret"[^>]*>(whsec_[^<]+)</code>', do(owner, webhook, "rotate", token=token))
    assert found
    assert unsealed(stored_secrets(webhook.id)[0]) == found[1]
    assert "This form was sent before" in do(owner, webhook, "rotate", token=token)
    assert "gets nothing any more" in do(owner, webhook, "delete")
    assert owner.get(f"/app/{shop.name}/webhooks/{webhook.id}/").status_code == 404


def test_a_test_that_fails_says_why(shop: MerchantIdentity, owner: Client, receiver: _Received) -> None:
    register(owner, shop, receiver.url)
    webhook = Webhook.objects.get(merchant_id=shop.id)
    Webhook.objects.filter(id=webhook.id).update(url="http://127.0.0.1:1/")
    assert "The test failed" in do(owner, webhook, "test")


def test_deliveries_are_shown_with_their_last_answer(shop: MerchantIdentity, owner: Client, receiver: _Received) -> None:
    register(owner, shop, receiver.url)
    webhook = Webhook.objects.get(merchant_id=shop.id)
    event = new_event()
    failed(webhook, event)
    text = words_of(owner.get(f"/app/{shop.name}/webhooks/{webhook.id}/?status=failed"))
    assert f"{event.id} · 1 attempt, 503" in text
    assert str(event.id) not in words_of(owner.get(f"/app/{shop.name}/webhooks/{webhook.id}/?status=delivered"))


# --- who may ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_others_than_owners_read_webhooks_and_the_address_and_change_nothing(
    shop: MerchantIdentity, owner: Client, receiver: _Received, role: Role
) -> None:
    register(owner, shop, receiver.url)
    make_key(owner, shop)
    webhook, key = Webhook.objects.get(merchant_id=shop.id), ApiKey.objects.get(merchant_id=shop.id)
    client, base = session_of(new_member(shop, role)), f"/app/{shop.name}"
    assert receiver.url in words_of(client.get(f"{base}/webhooks/"))
    assert "No receipts are mailed." in words_of(client.get(f"{base}/settings/"))
    for page in ("settings", "webhooks"):
        assert "<form" not in client.get(f"{base}/{page}/").content.decode().split("<main")[1]
        assert client.post(f"{base}/{page}/", {"receipt_email": "x@example.com"}).status_code == 403
    assert client.get(f"{base}/keys/").status_code == 403
    assert client.post(f"{base}/keys/{key.id}/revoke/").status_code == 403
    for action in ("pause", "test", "rotate", "delete"):
        assert client.post(f"{base}/webhooks/{webhook.id}/{action}/").status_code == 403
    assert Webhook.objects.get(id=webhook.id).status == "enabled"
    assert not receiver.bodies


@pytest.mark.parametrize("page", ["settings/", "people/", "keys/", "webhooks/"])
def test_another_merchant_s_settings_are_as_if_they_did_not_exist(owner: Client, page: str) -> None:
    stranger = new_merchant()
    assert owner.get(f"/app/{stranger.name}/{page}").status_code == 404
    assert owner.post(f"/app/{stranger.name}/{page}", {}).status_code == 404
    assert owner.get(f"/app/{unique('nobody')}/{page}").status_code == 404


def test_another_merchant_s_webhook_is_as_if_it_did_not_exist(shop: MerchantIdentity, owner: Client, receiver: _Received) -> None:
    register(owner, shop, receiver.url)
    webhook, stranger = Webhook.objects.get(merchant_id=shop.id), new_merchant()
    client = session_of(new_member(stranger))
    assert client.get(f"/app/{stranger.name}/webhooks/{webhook.id}/").status_code == 404
    assert client.post(f"/app/{stranger.name}/webhooks/{webhook.id}/delete/").status_code == 404


# --- people -----------------------------------------------------------------------------------------------------------------


def people_page(client: Client, shop: MerchantIdentity) -> str:
    return words_of(client.get(f"/app/{shop.name}/people/"))


def test_an_owner_invites_somebody_who_is_not_known_yet(shop: MerchantIdentity, owner: Client) -> None:
    address = f"{unique('guest')}@example.com"
    answer = owner.post(f"/app/{shop.name}/people/", {"email": address.upper(), "name": "Bo Lind", "role": "operator"}, follow=True)
    assert "is invited." in words_of(answer)
    invited = User.objects.get(email__iexact=address)
    assert invited.mail_due_at is not None
    assert Membership.objects.get(user=invited, merchant_id=shop.id).role == "operator"
    assert "Bo Lind" in people_page(owner, shop)


def test_the_answer_does_not_tell_who_has_an_account(shop: MerchantIdentity, owner: Client) -> None:
    known = new_member(new_merchant())
    answers = []
    for address in (known.email, f"{unique('new')}@example.com"):
        answer = owner.post(f"/app/{shop.name}/people/", {"email": address, "name": "", "role": "viewer"}, follow=True)
        answers.append(re.search(rf"{re.escape(address)} is invited\.", words_of(answer)))
    assert all(answers)


def test_an_owner_changes_a_role_and_removes_somebody(shop: MerchantIdentity, owner: Client) -> None:
    other = new_member(shop, Role.VIEWER)
    base = f"/app/{shop.name}/people/{other.pk}"
    assert "The role is changed." in words_of(owner.post(f"{base}/role/", {"role": "operator"}, follow=True))
    assert Membership.objects.get(user=other, merchant_id=shop.id).role == "operator"
    assert owner.post(f"{base}/role/", {"role": "king"}).status_code == 422
    assert "no member any more" in words_of(owner.post(f"{base}/remove/", follow=True))
    assert session_of(other).get(f"/app/{shop.name}/USD/").status_code == 404
    assert owner.post(f"{base}/remove/").status_code == 422


def test_the_last_owner_stays(shop: MerchantIdentity, owner: Client) -> None:
    me = Membership.objects.get(merchant_id=shop.id).user
    for action, values in (("remove", {}), ("role", {"role": "viewer"})):
        answer = owner.post(f"/app/{shop.name}/people/{me.pk}/{action}/", values)
        assert answer.status_code == 422
        assert "last owner" in words_of(answer)
    assert Membership.objects.get(merchant_id=shop.id).role == "owner"


def test_an_owner_cannot_make_strangers_members_by_their_id(shop: MerchantIdentity, owner: Client) -> None:
    stranger = new_member(new_merchant())
    assert owner.post(f"/app/{shop.name}/people/{stranger.pk}/role/", {"role": "owner"}).status_code == 422
    assert not Membership.objects.filter(user=stranger, merchant_id=shop.id).exists()


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_only_owners_see_and_change_people(shop: MerchantIdentity, role: Role) -> None:
    new_member(shop)
    me = new_member(shop, role)
    client = session_of(me)
    assert client.get(f"/app/{shop.name}/people/").status_code == 403
    assert client.post(f"/app/{shop.name}/people/", {"email": "x@example.com", "name": "", "role": "owner"}).status_code == 403
    assert client.post(f"/app/{shop.name}/people/{me.pk}/role/", {"role": "owner"}).status_code == 403
    assert client.post(f"/app/{shop.name}/people/{me.pk}/remove/").status_code == 403
    assert Membership.objects.get(user=me, merchant_id=shop.id).role == role.value
