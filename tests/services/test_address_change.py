"""People change their own e-mail address: the new one is proven by a link, the old one is told, and nobody learns who has an account."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.core import signing
from django.test import Client

from people.models import User
from people.services.addresses import address_token, change_address
from tests.services.test_sign_in import PASSWORD, mails, person, sign_in
from tests.support.factories import unique

__all__ = ["mails"]

ASK = "/app/security/address/"


def new() -> str:
    return f"{unique('New').replace('_', '-')}@Example.com"


def signed_in(user: User) -> Client:
    client = Client()
    assert sign_in(client, user.username).status_code == 302
    return client


def link_in(sent: Any) -> str:
    found = re.search(r"http://testserver(/app/security/address/\S+)", sent.body)
    assert found is not None
    return found[1]


def test_the_new_address_is_proven_and_the_old_one_is_told(mails: list[Any]) -> None:
    user, address = person(), new()
    client, old = signed_in(user), user.email
    assert ASK in client.get("/app/security/").content.decode()
    assert address in client.post(ASK, {"email": address}).content.decode()
    (sent,) = mails
    assert sent.to == [address]
    user.refresh_from_db()
    assert user.email == old
    link = link_in(sent)
    assert address in client.get(link).content.decode()
    user.refresh_from_db()
    assert user.email == old, "opening a link changes nothing"
    assert "The address is changed" in client.post(link).content.decode()
    user.refresh_from_db()
    assert (user.email, user.username) == (address, address.lower())
    assert mails[1].to == [old]
    assert address in mails[1].body
    assert client.get("/app/security/").status_code == 200, "the session goes on"
    assert sign_in(Client(), address).status_code == 302
    assert sign_in(Client(), old).status_code == 200
    assert client.post(link).status_code == 410, "a link counts once"
    assert len(mails) == 2


def test_a_member_of_the_staff_keeps_the_user_name(mails: list[Any]) -> None:
    name, address = unique("op"), new()
    client = signed_in(User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=True))
    client.post(ASK, {"email": address})
    client.post(link_in(mails[0]))
    user = User.objects.get(username=name)
    assert user.email == address


def test_the_page_says_the_same_for_an_address_that_somebody_has(mails: list[Any]) -> None:
    client, taken, free = signed_in(person()), person().email.upper(), new()
    pages = [client.post(ASK, {"email": address}).content.decode().replace(address, "ADDRESS") for address in (taken, free)]
    plain = [re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", page) for page in pages]
    assert plain[0] == plain[1]
    assert [sent.to for sent in mails] == [[free]]


def test_an_address_that_somebody_took_meanwhile_stays_theirs(mails: list[Any]) -> None:
    user, address = person(), new()
    client = signed_in(user)
    client.post(ASK, {"email": address})
    other = User.objects.create_user(address.lower(), address.lower(), PASSWORD)
    assert client.post(link_in(mails[0])).status_code == 410
    user.refresh_from_db()
    assert user.email != address
    assert User.objects.get(pk=other.pk).email == address.lower()
    assert len(mails) == 1


def test_a_link_is_of_one_user_one_password_and_one_hour(mails: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    user, address = person(), new()
    token = address_token(user, address)
    assert signed_in(person()).get(f"{ASK}{token}/").status_code == 410
    assert signed_in(user).get(f"{ASK}{token}x/").status_code == 410
    assert change_address(person().pk, token) is None
    user.set_password("another long pass phrase")
    user.save()
    assert change_address(user.pk, token) is None
    with monkeypatch.context() as patched:
        patched.setattr(signing.TimestampSigner, "timestamp", lambda _self: signing.b62_encode(int(time.time()) - 3660))
        late = address_token(user, address)
    assert change_address(user.pk, late) is None
    assert change_address(user.pk, address_token(user, address)) is not None


@pytest.mark.parametrize("address", ["", "no address", "a@b", "x" * 250 + "@example.com"])
def test_what_is_no_address_says_so(mails: list[Any], address: str) -> None:
    answer = signed_in(person()).post(ASK, {"email": address})
    assert answer.status_code == 422
    assert mails == []


def test_the_case_of_the_own_address_can_be_changed_and_the_same_one_says_so(mails: list[Any]) -> None:
    user = person()
    client = signed_in(user)
    assert "This is your address already" in client.post(ASK, {"email": user.email}).content.decode()
    client.post(ASK, {"email": user.email.upper()})
    client.post(link_in(mails[0]))
    user.refresh_from_db()
    assert user.email == user.email.upper()
    assert user.username == user.email.lower()


def test_without_a_session_or_a_fresh_password_nothing_is_shown(mails: list[Any]) -> None:
    user = person()
    token = address_token(user, new())
    for page in (ASK, f"{ASK}{token}/"):
        assert Client().get(page)["Location"].startswith("/app/login/")
    stale = Client()
    stale.force_login(user, backend="people.access.backends.PeopleBackend")
    for answer in (stale.get(ASK), stale.post(ASK, {"email": new()}), stale.post(f"{ASK}{token}/")):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/app/confirm/")
    user.refresh_from_db()
    assert user.email == user.username
    assert mails == []
