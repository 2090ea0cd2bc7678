"""What all pages of the portal have in common: their policy, their errors, and the files that they load."""

from __future__ import annotations

import hashlib
import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

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
    client.force_login(get_user_model().objects.create_user(unique("person")), backend="django.contrib.auth.backends.ModelBackend")
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
