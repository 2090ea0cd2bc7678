"""Sign-in: by name or address, from an invitation, by a new password, in open mode as somebody of the demo; and what it gives away."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from structlog.testing import capture_logs

from people.models import Membership, User
from people.services.activation import activation_token
from people.services.users import insert_user
from tests.environment import ROOT
from tests.support.factories import unique
from tests.support.second_factors import code_of, enrol
from transfers.demo.members import ADDRESSES

PASSWORD = "correct horse battery staple"
SIGN_IN = "/app/login/"


@pytest.fixture(autouse=True)
def mails(ledger: None, settings: Any) -> list[Any]:
    """Keep mails in memory; sign-up is closed where a test does not open it."""
    settings.LEDGER_SIGN_UP = False
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    cache.clear()
    return mail.outbox


def person(**extra: Any) -> User:
    address = f"{unique('person').lower()}@example.com"
    return User.objects.create_user(address, address, PASSWORD, **extra)


def sign_in(client: Client, name: str, password: str = PASSWORD, target: str = "") -> Any:
    return client.post(f"{SIGN_IN}?next={target}" if target else SIGN_IN, {"login": name, "password": password})


def test_a_person_signs_in_by_address_in_any_case_and_comes_to_the_wallets() -> None:
    user = person()
    assert sign_in(Client(), user.email)["Location"] == "/app/"
    assert sign_in(Client(), user.email.upper())["Location"] == "/app/"


def test_staff_sign_in_by_name_or_address_and_come_to_the_admin() -> None:
    name = unique("op")
    User.objects.create_user(name, f"{name}@Example.COM", PASSWORD, is_staff=True)
    assert sign_in(Client(), name)["Location"] == "/admin/"
    assert sign_in(Client(), f"{name}@example.com")["Location"] == "/admin/"


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "https:///evil.example"]
)
def test_a_sign_in_leads_to_this_host_only(target: str) -> None:
    assert sign_in(Client(), person().email, target=target)["Location"] == "/app/"


def test_another_allowed_host_is_another_host(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "other.example"]
    assert sign_in(Client(), person().email, target="https://other.example/")["Location"] == "/app/"


def test_the_session_gets_a_new_key() -> None:
    client = Client()
    client.get("/app/security/app/")
    client.session.save()
    client.cookies["sessionid"] = fixed = client.session.session_key
    sign_in(client, person().email)
    assert client.session.session_key != fixed


def test_who_is_there_is_not_told() -> None:
    """A wrong password, an unknown name, and a suspended user with the right password have one page."""
    suspended, invited = person(is_active=False), insert_user(f"{unique('guest').lower()}@example.com", "Guest")
    pages = set()
    for name, password in (
        (person().email, "wrong"),
        ("nobody@example.com", PASSWORD),
        (suspended.email, PASSWORD),
        (invited.email, PASSWORD),
    ):
        response = sign_in(Client(), name, password)
        assert response.status_code == 200
        text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", response.content.decode()).replace(name, "NAME")
        pages.add(text)
    assert len(pages) == 1


def test_a_new_password_by_mail(mails: list[Any]) -> None:
    user = person()
    client = Client()
    answers = [client.post("/app/password/reset/", {"email": address}) for address in (user.email.upper(), "nobody@example.com")]
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, "/app/password/reset/done/")}
    assert [sorted(one.to) for one in mails] == [[user.email.upper()], ["nobody@example.com"]]
    link = re.search(r"http://testserver(/app/password/reset/key/\S+)", mails[0].body)
    assert link is not None
    assert "/app/password/reset/key" not in mails[1].body
    form = client.get(link[1])["Location"]
    chosen = {"password1": "another long pass phrase", "password2": "another long pass phrase"}
    assert client.post(form, chosen)["Location"] == "/app/password/reset/key/done/"
    assert sign_in(Client(), user.email).status_code == 200
    assert sign_in(Client(), user.email, "another long pass phrase").status_code == 302
    again = Client().get(link[1])
    assert "used before" in again.content.decode()
    assert len(mails) == 3  # the owner is told


def test_a_new_password_does_not_replace_the_second_factor(mails: list[Any]) -> None:
    user = person()
    device = enrol(user)
    client = Client()
    client.post("/app/password/reset/", {"email": user.email})
    link = re.search(r"http://testserver(/app/password/reset/key/\S+)", mails[0].body)
    assert link is not None
    client.post(client.get(link[1])["Location"], {"password1": "another long pass phrase", "password2": "another long pass phrase"})
    assert client.get("/app/").status_code == 302
    assert sign_in(client, user.email, "another long pass phrase")["Location"] == "/app/login/code/"
    assert client.get("/app/").status_code == 302
    assert client.post("/app/login/code/", {"code": code_of(device)})["Location"] == "/app/"
    assert client.get("/app/").status_code == 200


def test_a_mail_server_that_is_away_tells_nobody_who_is_there(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    for address in (person().email, "nobody@example.com"):
        assert Client().post("/app/password/reset/", {"email": address})["Location"] == "/app/password/reset/done/"


def test_an_invitation_sets_the_first_password_once() -> None:
    user = insert_user(f"{unique('guest').lower()}@example.com", "Guest")
    page = f"/app/activate/{activation_token(user)}/"
    client, late = Client(), Client()
    client.force_login(person())
    assert user.email in client.get(page).content.decode()
    assert client.post(page, {"new_password1": "12345", "new_password2": "12345"}).status_code == 200
    chosen = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert client.post(page, chosen)["Location"] == "/app/"
    assert client.session["_auth_user_id"] == str(user.pk)
    assert client.get("/app/security/app/").status_code == 200  # the password is fresh: it is not asked again
    for method in (late.get, late.post):
        assert method(page, chosen).status_code == 410
    assert "_auth_user_id" not in late.session
    assert sign_in(Client(), user.email).status_code == 302


def test_an_invitation_of_a_suspended_user_or_another_token_opens_nothing() -> None:
    user = insert_user(f"{unique('guest').lower()}@example.com", "Guest")
    token = activation_token(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    for text in (token, "x", f"{token}x", "a:b:c"):
        assert Client().get(f"/app/activate/{text}/").status_code == 410


@pytest.fixture
def demo() -> User:
    call_command("seed_demo", merchants=3, transfers=0, months=0.0, stdout=io.StringIO())
    return User.objects.get(username="anna.berg@demo.example")


def test_in_open_mode_one_looks_around_as_somebody_of_the_demo(demo: User) -> None:
    client = Client()
    assert "/app/look-around/" in client.get(SIGN_IN).content.decode()
    assert "Look around as Anna Berg" in client.get("/app/look-around/").content.decode()
    assert client.get(f"/app/look-around/?person={demo.username}").wsgi_request.user.is_anonymous
    assert client.post("/app/look-around/", {"person": demo.username})["Location"] == "/app/"
    assert client.session["_auth_user_id"] == str(demo.pk)


def test_nobody_else_is_looked_around_as(demo: User) -> None:
    chief = User.objects.create_superuser(unique("root"), password=PASSWORD)
    for name in (person().username, chief.username, "", "nobody"):
        client = Client()
        assert client.post("/app/look-around/", {"person": name}).status_code == 404
        assert "_auth_user_id" not in client.session
    demo.set_password(PASSWORD)
    demo.save()
    assert Client().post("/app/look-around/", {"person": demo.username}).status_code == 404
    demo.set_unusable_password()
    demo.save()


def test_outside_of_open_mode_nobody_looks_around(demo: User, settings: Any) -> None:
    settings.LEDGER_AUTH = "required"
    assert "look-around" not in Client().get(SIGN_IN).content.decode()
    for method in (Client().get, Client().post):
        assert method("/app/look-around/", {"person": demo.username}).status_code == 404


def test_the_demo_makes_its_people_once_and_mails_nobody(demo: User) -> None:
    call_command("seed_demo", merchants=3, transfers=0, months=0.0, stdout=io.StringIO())
    assert User.objects.filter(username__in=ADDRESSES).count() == 3
    assert Membership.objects.filter(user=demo).count() == 2
    assert not User.objects.filter(username__in=ADDRESSES, mail_due_at__isnull=False).exists()
    assert not demo.has_usable_password()


def test_no_staff_in_the_admin_is_told_so_and_not_sent_round_in_a_circle() -> None:
    client = Client()
    client.force_login(person())
    response = client.get("/admin/", follow=True)
    assert response.status_code == 403
    assert "members of the staff" in response.content.decode()


def test_signing_out_takes_a_post() -> None:
    client = Client()
    client.force_login(person())
    assert client.get("/app/logout/").status_code == 200
    assert "_auth_user_id" in client.session
    assert client.post("/app/logout/")["Location"] == SIGN_IN
    assert "_auth_user_id" not in client.session


def test_the_path_of_the_api_loads_no_page_of_allauth_and_runs_no_middleware() -> None:
    script = """
import sys, django
django.setup()
from ledger_project.http.handler import ApiHandler
import merchants.views, transfers.views, events.views, people.views, people.access.admission
found = [name for name in sys.modules if name.startswith("allauth.") and name.rpartition(".")[2] in {"views", "forms", "middleware"}]
assert not found, found
handler = ApiHandler()
assert handler._view_middleware == handler._template_response_middleware == handler._exception_middleware == []
assert handler._middleware_chain.__func__ is ApiHandler._get_response_async
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr


def test_links_of_mails_are_not_logged() -> None:
    with capture_logs() as lines:
        Client().get("/app/activate/planted:secret/?q=planted")
        Client().get("/app/password/reset/key/1-planted/")
    requests = [line["request"] for line in lines if "request" in line]
    assert {"GET /app/activate/…/", "GET /app/password/reset/key/…/"} == set(requests)
    assert "planted" not in str(lines)


def link_of(user: User) -> str:
    return f"/app/activate/{activation_token(user)}/"


@pytest.fixture
def open_door(settings: Any) -> None:
    settings.LEDGER_SIGN_UP = True


def test_whoever_signs_up_proves_the_address_and_owns_a_merchant(open_door: None) -> None:
    address, name = f"{unique('new').lower()}@example.com", unique("shop")
    client = Client()
    assert client.post("/app/signup/", {"email": address, "name": "New"}).status_code == 200
    user = User.objects.get(username=address)
    assert (user.activated_at, user.mail_due_at is not None, user.memberships.count()) == (None, True, 0)
    assert client.post(link_of(user), {"new_password1": PASSWORD, "new_password2": PASSWORD})["Location"] == "/app/begin/"
    for odd in ("", "a b", "-a", "a" * 65, "ä", "treasury", "TREASURY"):
        assert client.post("/app/begin/", {"name": odd}).status_code == 422, odd
    assert client.post("/app/begin/", {"name": name})["Location"] == "/app/"
    assert client.post("/app/begin/", {"name": unique("shop")})["Location"] == "/app/"
    membership = Membership.objects.select_related("merchant").get(user=user)
    assert (membership.role, membership.merchant.name) == ("owner", name)
    assert name in client.get("/app/").content.decode()
    other = Client()
    other.force_login(person())
    assert other.post("/app/begin/", {"name": name.upper()}).status_code == 422


def test_a_registration_that_was_cut_off_is_finished_by_the_next_try_of_the_same_person(open_door: None) -> None:
    from ledger_project.kernel.actors import Actor
    from merchants.domain import fold
    from portal.sign_in.sign_up import register_once

    user, name = person(), unique("shop")
    register_once(name, actor=Actor(f"user:{user.pk}"), key=f"begin {user.pk} {fold(name)}")
    other, client = Client(), Client()
    other.force_login(person())
    assert other.post("/app/begin/", {"name": name}).status_code == 422
    client.force_login(user)
    assert client.post("/app/begin/", {"name": name})["Location"] == "/app/"
    # What others own meanwhile is not given back by the same key.
    Membership.objects.filter(user=user).update(user=person())
    assert client.post("/app/begin/", {"name": name}).status_code == 422


def test_a_sign_up_tells_nobody_who_is_there(open_door: None) -> None:
    known, invited = person(), insert_user(f"{unique('guest').lower()}@example.com", "Guest")
    User.objects.filter(pk=invited.pk).update(mail_due_at=None)
    pages = set()
    for address in (known.email, invited.email, f"{unique('x').lower()}@example.com"):
        response = Client().post("/app/signup/", {"email": address, "name": "Mallory"})
        pages.add((response.status_code, response.content.decode().replace(address, "ADDRESS")))
    assert len(pages) == 1
    known.refresh_from_db()
    invited.refresh_from_db()
    assert (known.mail_due_at, invited.mail_due_at is not None, invited.name) == (None, True, "Guest")


def test_sign_up_is_closed_by_its_setting() -> None:
    assert Client().get("/app/signup/").status_code == 404
    client = Client()
    client.force_login(person())
    assert client.post("/app/begin/", {"name": unique("shop")})["Location"] == "/app/"
