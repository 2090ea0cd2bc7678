"""The API keys of a merchant, for its owners: made, shown once, listed, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from ledger_project.kernel.actors import MERCHANT_SCOPES, Scope
from ledger_project.kernel.errors import LedgerError
from people.credentials import NewKey
from people.services.keys import list_own_keys, make_own_key, revoke_own_key
from portal.members import Member, member_of
from portal.notices import Notice, failure
from portal.settings_pages import is_owner, new_object_id, object_id_of, refused, settings_page, unfit

_SCOPES = [(scope.value, scope.value) for scope in Scope if scope in MERCHANT_SCOPES]


class KeyForm(forms.Form):
    """The name, the scopes and the end of a new key."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=200)
    name = forms.CharField(label="What will use it", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    scopes = forms.MultipleChoiceField(label="What it may do", choices=_SCOPES, widget=forms.CheckboxSelectMultiple)
    expires_in_days = forms.IntegerField(
        label="Days until it ends", min_value=1, max_value=3650, required=False, help_text="Leave it empty for a key without an end."
    )


def _owner(request: HttpRequest, merchant_name: str) -> Member:
    member = member_of(request, merchant_name)
    if not is_owner(member):
        raise PermissionDenied(f"Only owners of {member.merchant.name} see its keys.")
    return member


def _empty(request: HttpRequest) -> KeyForm:
    return KeyForm(initial={"token": new_object_id(request, "key")})


def _page(
    request: HttpRequest, member: Member, form: KeyForm, *, made: NewKey | None = None, notices: list[Notice] | None = None
) -> HttpResponse:
    now = datetime.now(UTC)
    keys = [(key, key.state(now)) for key in list_own_keys(member.merchant, actor=member.actor)]
    return settings_page(request, member, "keys", {"form": form, "keys": keys, "made": made}, notices=notices)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def keys(request: HttpRequest, merchant_name: str) -> HttpResponse:
    """Show the keys; make one, and show its secret. No message, cookie or session holds it."""
    member = _owner(request, merchant_name)
    if request.method != "POST":
        return _page(request, member, _empty(request))
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _page(request, member, form, notices=unfit(form))
    key_id = object_id_of(request, "key", form.cleaned_data["token"])
    if key_id is None:
        return _page(
            request, member, _empty(request), notices=[failure("This form is not of this page. Fill it in again.", code="form_unknown")]
        )
    try:
        made = _make(member, UUID(key_id), form)
    except LedgerError as error:
        return _page(request, member, _empty(request), notices=refused(None, error))
    return _page(request, member, _empty(request), made=made)


def _make(member: Member, key_id: UUID, form: KeyForm) -> NewKey:
    values = form.cleaned_data
    days: int | None = values["expires_in_days"]
    end = None if days is None else datetime.now(UTC) + timedelta(days=days)
    scopes = [Scope(text) for text in values["scopes"]]
    return make_own_key(key_id, values["name"], member.merchant, scopes, expires_at=end, actor=member.actor)


@require_POST
@login_required
def revoke(request: HttpRequest, merchant_name: str, key_id: UUID) -> HttpResponse:
    """End a key for good. A form that is sent twice finds it ended."""
    member = _owner(request, merchant_name)
    try:
        revoke_own_key(key_id, member.merchant, actor=member.actor)
    except LedgerError as error:
        return _page(request, member, _empty(request), notices=refused(None, error))
    messages.success(request, "The key is revoked. Whatever uses it is refused from a few seconds on.")
    return redirect("portal:keys", member.merchant.name)
