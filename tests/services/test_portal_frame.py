"""What all pages of the portal have in common: their policy, their errors, and the files that they load."""

from __future__ import annotations

import gzip
import hashlib
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.views import serve
from django.test import Client, RequestFactory, override_settings

from ledger_project.checks import check_money_is_real
from ledger_project.http.compression import compressed
from tests.environment import ROOT
from tests.support.factories import unique

pytestmark = pytest.mark.usefixtures("ledger")

STATIC = ROOT / "portal" / "static" / "portal"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def visitor() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_user(unique("person")), backend="people.access.backends.PeopleBackend")
    return client


def test_a_page_allows_its_own_files_only_and_stays_in_no_cache() -> None:
    answer = visitor().get("/app/")
    assert answer.status_code == 200
    policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
    assert policy == POLICY
    assert answer["Cache-Control"] == "no-store, private"
    assert answer["X-Request-Id"]


def test_the_policy_of_the_admin_is_as_before() -> None:
    assert "unsafe-eval" in Client().get("/admin/login/")["Content-Security-Policy"]


def test_no_template_has_a_script_or_a_style_in_it() -> None:
    for path in (ROOT / "portal" / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<style|<script(?![^>]* src=)|\sstyle=|\son[a-z]+=|javascript:|https?://(?!www\.w3\.org)", text), path.name


def test_an_unknown_address_is_a_page_and_changes_no_session() -> None:
    answer = visitor().get("/app/no/such/page/here/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"To your wallets" in answer.content
    assert answer["X-Request-Id"].encode() in answer.content


def test_a_stranger_is_asked_to_sign_in_and_led_back() -> None:
    answer = Client().get("/app/")
    assert answer.status_code == 302
    assert answer["Location"].endswith("login/?next=/app/")


def test_the_files_of_others_are_the_ones_that_their_list_names() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (STATIC / "vendor" / "README.md").read_text(), re.MULTILINE)
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (STATIC / "vendor").iterdir() if path.suffix != ".md"}
    assert dict(listed) == found


def sent(accepts: str, path: str = "portal/portal.js") -> Any:
    request = RequestFactory().get(f"/static/{path}", headers={"Accept-Encoding": accepts})
    return compressed(request, serve(request, path, insecure=True))


def content_of(response: Any) -> bytes:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    response.close()
    return bytes(content)


@pytest.mark.parametrize("accepts", ["gzip", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8"])
def test_a_static_text_is_sent_compressed_to_whoever_takes_that(accepts: str) -> None:
    response = sent(accepts)
    assert (response["Content-Encoding"], response["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(content_of(response)) == (STATIC / "portal.js").read_bytes()
    assert response["Content-Type"] == "text/javascript"


@pytest.mark.parametrize("accepts", ["", "identity", "br", "gzip;q=0", "gzip;q=0.000", "x-gzip"])
def test_a_static_text_is_sent_as_it_is_to_everybody_else(accepts: str) -> None:
    response = sent(accepts)
    assert "Content-Encoding" not in response
    assert response["Vary"] == "Accept-Encoding"
    assert content_of(response) == (STATIC / "portal.js").read_bytes()


def test_a_picture_is_not_compressed_again() -> None:
    response = sent("gzip", "drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")
    assert "Content-Encoding" not in response
    assert content_of(response).startswith(b"\x89PNG")


def test_a_form_of_another_session_does_nothing_and_says_so() -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/app/new/?merchant=x", {"currency": "EUR"})
    assert (answer.status_code, b"This form is of another session" in answer.content) == (403, True)
    assert b"CSRF verification failed" in client.post("/admin/login/", {}).content


def test_a_production_in_which_members_make_money_is_reported() -> None:
    told = {}
    for is_sandbox in (True, False):
        with override_settings(LEDGER_SANDBOX=is_sandbox):
            told[is_sandbox] = [one.id for one in check_money_is_real(None)]
    assert told == {True: ["ledger.W029"], False: []}
