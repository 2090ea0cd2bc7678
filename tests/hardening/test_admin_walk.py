"""Every page of the admin with values that make no sense: whatever stands in a path, a query, a form or a cookie, no page answers 500.

Pages are found among the routes; what they take is read off themselves: their forms' fields, and the parameters of their links. So a new
page is walked, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from console.unusable_values import UnusableValuesMiddleware
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Scope
from merchants.models import Account
from people.credentials import create_key
from people.models import User
from tests.services.test_admin import USD, new_transfer, post
from tests.support.factories import unique
from tests.support.lengths import length
from transfers.domain.commands import Details, PlaceHold

HUGE = "9" * 40
ODD = ("9999-12-31T23:59:59.999999-14:00", HUGE, "0001-01-01", "9999-12-31", "NaN")
ODD_IN_PATHS = (HUGE, "%D9%A3", "%ED%A0%80")
ALONE = length(short=ODD[:2], long=ODD)
"""The values that each parameter has by itself."""
DJANGOS_OWN = ("q", "o", "p", "all", "e", "_to_field", "_popup", "_changelist_filters", "next", "id", "id__in", "pk__gte")
"""Parameters that Django reads on its pages and that no link of theirs shows."""


def routes(patterns: Sequence[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield prefix + str(pattern.pattern)


def admin_routes() -> list[str]:
    found = [route for route in routes(get_resolver().url_patterns) if route.startswith("admin/") and "logout" not in route]
    assert len(found) > 80
    return found


def filled(route: str, value: str) -> str:
    return "/" + re.sub(r"<[^>]+>|\^?\(\?P<[^)]*\)\$?", value, route).removesuffix("$")


@pytest.fixture(scope="module")
def pages(ledger: None) -> dict[str, str]:
    """Every page, about an object of its own where it is about one, as it is drawn; empty where it is no page."""
    del ledger
    source, target, _ = new_transfer()
    post(PlaceHold(new_id(place=source.id), source, target, USD, 100, 600, Details()))
    create_key(name="walked", merchant=None, scopes=[Scope.TRANSFERS_READ])
    User.objects.create_user(unique("walked"))
    Group.objects.get_or_create(name="walked")
    models = {f"{model._meta.app_label}/{model._meta.model_name}": model for model in admin.site._registry}
    found = {f"/admin/{label.split('/')[0]}/" for label in models}
    for route in admin_routes():
        if "<" not in route:
            found.add("/" + route)
        elif model := models.get("/".join(route.split("/")[1:3])):
            newest = model._default_manager.order_by("-pk").first()
            found |= set() if newest is None else {filled(route, quote(str(newest.pk)))}
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser(unique("root")))
    answers = {page: client.get(page) for page in sorted(found)}
    assert [page for page, answer in answers.items() if answer.status_code >= 500] == []
    return {page: answer.content.decode() if is_page(answer) else "" for page, answer in answers.items()}


def is_page(answer: Any) -> bool:
    """Whether it is no file and no redirect."""
    return answer.status_code == 200 and not answer.streaming and answer["Content-Type"].startswith("text/html")


def parameters(page: str, pages: Mapping[str, str]) -> set[str]:
    """What a page reads of its address, as its own forms and everybody's links to it say."""
    named: set[str] = set()
    for form in re.findall(r'<form[^>]*method="get".*?</form>', pages[page], re.DOTALL):
        named |= {unescape(name) for name in re.findall(r'<(?:input|select)[^>]*\bname="([^"]+)"', form)}
    for html in pages.values():
        for link in re.findall(r'href="([^"]*\?[^"]+)"', html):
            parts = urlsplit(unescape(link))
            if parts.path == page or (not parts.path and html is pages[page]):
                named |= {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return named


class Browser:
    """Opens pages without drawing them, ten times as fast: a list is read, a form is checked and carried out."""

    def __init__(self) -> None:
        self.user = User.objects.create_superuser(unique("root"))
        self.client = Client(raise_request_exception=False)
        self.client.force_login(self.user)
        self.requests = RequestFactory()

    def opens(self, request: HttpRequest) -> str | None:
        """Return what went wrong, if anything did that is not the caller's mistake."""
        request.user, request.session = self.user, self.client.session
        request._messages = CookieStorage(request)
        request._dont_enforce_csrf_checks = True
        view, arguments, options = resolve(request.path)
        try:
            with transaction.atomic():
                answer = view(request, *arguments, **options)
                if isinstance(answer, TemplateResponse) and "cl" in (answer.context_data or {}):
                    list(answer.context_data["cl"].result_list)
                transaction.set_rollback(True)
        except (Http404, PermissionDenied, SuspiciousOperation):
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, it would be a 500
            taken = UnusableValuesMiddleware(lambda _: HttpResponse()).process_exception(request, error)
            return None if taken is not None else f"{request.method} {request.get_full_path()[:300]}: {error!r}"
        return None


@pytest.fixture
def browser(pages: dict[str, str], settings: Any) -> Browser:
    del pages
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the slow one takes longer than all pages
    return Browser()


def filters_of(page: str) -> list[str]:
    """The filters of a list, as lookups."""
    model = next((m for m in admin.site._registry if page == f"/admin/{m._meta.app_label}/{m._meta.model_name}/"), None)
    return [] if model is None else [str(name) for name in admin.site._registry[model].list_filter]


def fields_of(html: str) -> dict[str, str]:
    """The fields of a page's forms that are posted, with what they begin with."""
    fields = {}
    for form in re.findall(r'<form[^>]*method="post".*?</form>', html, re.DOTALL):
        if "logout" in form.split(">", 1)[0]:
            continue
        for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", form):
            name, value = (re.search(rf'\b{attribute}="([^"]*)"', tag) for attribute in ("name", "value"))
            if name is not None and name[1] not in {"csrfmiddlewaretoken", "next"}:
                fields[name[1]] = unescape(value[1]) if value else ""
        for name, text in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>([^<]*)</textarea>', form):
            fields[name] = unescape(text).strip()
        for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
            chosen = re.search(r'<option value="([^"]*)" selected', options)
            fields[name] = unescape(chosen[1]) if chosen else ""
    return fields


def complaints(answers: Iterator[tuple[str, HttpResponse]]) -> list[str]:
    return [what for what, answer in answers if answer.status_code >= 500]


def test_no_object_id_in_a_path_is_too_odd(browser: Browser) -> None:
    def walk() -> Iterator[tuple[str, HttpResponse]]:
        for route in admin_routes():
            for value in ODD_IN_PATHS if "<" in route else ():
                address = filled(route, value)
                yield f"GET {address}", browser.client.get(address)
            if "<" in route:
                yield f"POST {address}", browser.client.post(address, {"token": "t", "reason": "r"})

    assert complaints(walk()) == []


@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime:RuntimeWarning")
def test_no_parameter_of_a_page_is_too_odd(browser: Browser, pages: dict[str, str]) -> None:
    def walk() -> Iterator[str | None]:
        for page in pages:
            own = parameters(page, pages) - {"csrfmiddlewaretoken", *DJANGOS_OWN}
            names = {*own, *DJANGOS_OWN, *(f"{name}__exact" for name in filters_of(page))}
            for value in ODD:
                yield browser.opens(browser.requests.get(page, dict.fromkeys(sorted(names), value)))
                # One by one, too: the first that is refused hides the others.
                for name in sorted(own) if value in ALONE else ():
                    yield browser.opens(browser.requests.get(page, {name: value}))
            for name in sorted(names - own) if filters_of(page) else ():
                yield browser.opens(browser.requests.get(page, {name: ODD[0]}))
                yield browser.opens(browser.requests.get(page, {name: HUGE}))

    assert [complaint for complaint in walk() if complaint] == []


def test_no_field_of_a_form_is_too_odd(browser: Browser, pages: dict[str, str]) -> None:
    def walk() -> Iterator[str | None]:
        for page, html in pages.items():
            fields = fields_of(html)
            if fields:
                yield browser.opens(browser.requests.post(page, dict.fromkeys(fields, ODD[0]) | {"_save": "", "save": ""}))
            for name in fields:
                for value in ("NaN", HUGE, "a\x00"):
                    values = fields | {"reason": "walked", "_save": "", "save": "", name: value}
                    yield browser.opens(browser.requests.post(page, values))

    assert [complaint for complaint in walk() if complaint] == []


def test_pages_are_drawn_with_odd_parameters(browser: Browser) -> None:
    account = Account.objects.filter(kind="wallet").order_by("-pk").first()
    for address in (
        "/admin/",
        f"/admin/merchants/account/{account.pk}/change/",
        "/admin/fees/feeschedule/new-version/",
        "/admin/fees/feeschedule/compare/",
    ):
        for value in ODD:
            names = ("from", "to", "before", "type", "currency", "like", "merchant", "one", "other", "amounts")
            assert browser.client.get(address, dict.fromkeys(names, value)).status_code == 200


def test_a_nul_is_refused_wherever_it_stands(browser: Browser, pages: dict[str, str]) -> None:
    for page in pages:
        assert browser.client.get(page + "?q=%00").status_code == 400
        assert browser.client.get(page + "?%00=1").status_code == 400
    assert Client(raise_request_exception=False).post("/app/login/", {"login": "a\x00", "password": "a\x00"}).status_code == 200
    browser.client.cookies["messages"] = "a\x00"
    browser.client.cookies["sessionid"] = "a\x00"
    assert browser.client.get("/admin/").status_code == 400
