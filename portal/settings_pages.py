"""What the pages of a merchant's settings share: their tabs, and how a form's refusal is shown."""

from __future__ import annotations

from typing import Any

from django.core import signing
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import MERCHANT_SCOPES
from ledger_project.kernel.errors import LedgerError, ValidationFailed
from portal.members import Member
from portal.notices import Notice, failure

_TABS = (("settings", "Notifications", False), ("people", "People", True), ("keys", "API keys", True), ("webhooks", "Webhooks", False))


def is_owner(member: Member) -> bool:
    """Whether the member may do everything for the merchant."""
    return member.actor.scopes >= MERCHANT_SCOPES


def settings_page(
    request: HttpRequest, member: Member, tab: str, context: dict[str, Any], *, notices: list[Notice] | None = None
) -> HttpResponse:
    """Return a page of a merchant's settings; with notices of failures, status 422."""
    tabs = [
        (name, words, reverse(f"portal:{name}", args=[member.merchant.name]))
        for name, words, is_for_owners in _TABS
        if is_owner(member) or not is_for_owners
    ]
    shared = {"section": "settings", "member": member, "tabs": tabs, "tab": tab, "is_owner": is_owner(member), "notices": notices or []}
    return render(request, f"portal/{tab}.html", {**shared, **context}, status=422 if notices else 200)


def refused(form: Form | None, error: LedgerError) -> list[Notice]:
    """Put the server's words beside the fields that they are about; return the page's notice."""
    if form is not None and isinstance(error, ValidationFailed):
        known = [found for found in error.errors if found.field in form.fields]
        for found in known:
            form.add_error(found.field, found.detail)
        if known:
            return [failure("Nothing was changed. Look at the marked field.", error)]
    return [failure(f"{error.title}. {error}" if not str(error).startswith(error.title) else str(error), error)]


def unfit(form: Form) -> list[Notice]:
    """Return the notice of a form with values that do not fit."""
    names = ", ".join(str(form.fields[name].label or name) for name in form.errors if name in form.fields)
    return [failure(f"Nothing was changed. Look at: {names}." if names else "Nothing was changed.", code="validation_error")]


def new_object_id(request: HttpRequest, what: str) -> str:
    """Return the signed id of what a form will make: the same form makes one."""
    return _signer(request, what).sign(str(new_id()))


def object_id_of(request: HttpRequest, what: str, token: str) -> str | None:
    """Return the id that a form proposes; None for one that is not the server's, or another's."""
    try:
        return _signer(request, what).unsign(token)
    except signing.BadSignature:
        return None


def _signer(request: HttpRequest, what: str) -> signing.Signer:
    return signing.Signer(salt=f"portal.{what}.{request.user.pk}")
