"""The webhooks of a merchant: registered, paused, tried, rotated and deleted by its owners."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from events.domain.addresses import LONGEST_URL
from events.domain.errors import UrlNotAllowed
from events.domain.subscriptions import chosen_types
from events.domain.types import UnknownType
from events.models import Webhook
from events.models.webhooks import DeliveryStatus, WebhookStatus
from events.selectors.webhooks import DeliveryFacts, WebhookFacts, get_webhook, list_deliveries, list_webhooks, stored_secrets
from events.sending.trials import check_url_once, send_once
from events.serializers.webhooks import trial_event_text
from events.services.secrets import new_secret
from events.services.webhooks import NewWebhook, change_webhook, delete_webhook, register_webhook, rotate_secret
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.errors import LedgerError
from ledger_project.kernel.exact_json import dumps
from ledger_project.kernel.ids import id_in
from portal.form_keys import key_of_form, new_form
from portal.members import Member, member_of
from portal.notices import Notice, failure
from portal.settings_pages import refused, settings_page, unfit
from transfers.posting.jobs import Answer, Key

_MOST = 200
_DELIVERIES = 30


class WebhookForm(forms.Form):
    """A new webhook."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=200)
    url = forms.CharField(
        label="Address",
        max_length=LONGEST_URL,
        help_text="It begins with https://.",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false", "placeholder": "https://"}),
    )
    types = forms.CharField(
        label="Events",
        max_length=2000,
        initial="*",
        help_text="* for all, or names separated by commas, as in transfer.posted, hold.*",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    ordered = forms.BooleanField(label="One after the other", required=False, help_text="A failure then holds up what follows.")
    description = forms.CharField(label="What it is for", max_length=500, required=False)

    def clean_types(self) -> list[str]:
        """Return the types. Refuses one that is unknown."""
        texts = list(dict.fromkeys(filter(None, (text.strip() for text in self.cleaned_data["types"].split(",")))))
        try:
            chosen_types(texts)
        except UnknownType as unknown:
            raise forms.ValidationError(str(unknown)) from None
        if not texts:
            raise forms.ValidationError("Name one type at least, or * for all.")
        return texts


def _raise(refusal: LedgerError) -> Answer:
    """Store no refusal: a person corrects the form and sends it again."""
    raise refusal


def _key(request: HttpRequest, member: Member, token: str, content: dict[str, Any]) -> Key | None:
    """Return the key of a form; None for a token that is not the server's."""
    key = key_of_form(request, token)
    fingerprint = hashlib.sha256(dumps([request.path, {name: str(value) for name, value in content.items()}])).digest()
    return None if key is None else Key(member.actor.owner, key, fingerprint)


_UNKNOWN_FORM = "This form is too old, or not of this page. Fill it in again."


def _list_page(
    request: HttpRequest, member: Member, form: WebhookForm, *, made: tuple[str, str] | None = None, notices: list[Notice] | None = None
) -> HttpResponse:
    found = list_webhooks(member.actor, before=None, limit=_MOST)
    context = {"form": form, "webhooks": found, "made": made, "may_write": Scope.WEBHOOKS_WRITE in member.actor.scopes}
    return settings_page(request, member, "webhooks", context, notices=notices)


def _empty(request: HttpRequest) -> WebhookForm:
    return WebhookForm(initial={"token": new_form(request), "types": "*"})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def webhooks(request: HttpRequest, merchant_name: str) -> HttpResponse:
    """Show the webhooks; register one, and show its secret once."""
    member = member_of(request, merchant_name)
    member.require(Scope.WEBHOOKS_WRITE if request.method == "POST" else Scope.WEBHOOKS_READ)
    if request.method != "POST":
        return _list_page(request, member, _empty(request))
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return _list_page(request, member, form, notices=unfit(form))
    key = _key(request, member, form.cleaned_data["token"], form.cleaned_data)
    if key is None:
        return _list_page(request, member, _empty(request), notices=[failure(_UNKNOWN_FORM, code="form_unknown")])
    return _register(request, member, form, key)


def _register(request: HttpRequest, member: Member, form: WebhookForm, key: Key) -> HttpResponse:
    values, secret = form.cleaned_data, new_secret()
    new = NewWebhook(new_id(), values["url"], values["types"], values["ordered"], values["description"] or None, secret)
    try:
        async_to_sync(check_url_once)(new.url)
        result = register_webhook(new, actor=member.actor, key=key, render=lambda webhook: str(webhook.id).encode())
    except UrlNotAllowed as error:
        form.add_error("url", str(error))
        return _list_page(request, member, form, notices=[failure("Nothing was registered. Look at the address.", error)])
    except LedgerError as error:
        return _list_page(request, member, form, notices=refused(form, error))
    if result.replayed:
        messages.warning(
            request, "This form was sent before. Its webhook is there, and its secret was shown then; rotate it if nobody has it."
        )
        return redirect("portal:webhook", member.merchant.name, UUID(result.answer.body.decode()))
    return _list_page(request, member, _empty(request), made=(new.url, secret))


# --- one webhook ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shown:
    """A delivery in words."""

    delivery: DeliveryFacts
    attempts: int
    answer: str


def _shown(delivery: DeliveryFacts) -> _Shown:
    last = delivery.attempts[-1] if delivery.attempts else None
    answer = "not sent yet" if last is None else str(last["error"] or last["status_code"])
    return _Shown(delivery, len(delivery.attempts), answer)


def _found(request: HttpRequest, merchant_name: str, webhook_id: UUID, scope: Scope) -> tuple[Member, WebhookFacts]:
    """Return a webhook of the member's merchant. Raises ``Http404``."""
    member = member_of(request, merchant_name)
    member.require(scope)
    found = get_webhook(webhook_id, member.actor)
    if found is None:
        raise Http404
    return member, found


def _one_page(
    request: HttpRequest, member: Member, webhook: WebhookFacts, *, secret: str | None = None, notices: list[Notice] | None = None
) -> HttpResponse:
    asked = request.GET.get("status", "")
    status = asked if asked in set(DeliveryStatus) else None
    found = list_deliveries(webhook.id, status=status, before=id_in(request.GET.get("before", "")), limit=_DELIVERIES + 1)
    more = found[_DELIVERIES - 1].id if len(found) > _DELIVERIES else None
    context = {
        "webhook": webhook,
        "deliveries": [_shown(one) for one in found[:_DELIVERIES]],
        "statuses": [one.value for one in DeliveryStatus],
        "status": status or "",
        "before": more,
        "secret": secret,
        "token": new_form(request),
        "may_write": Scope.WEBHOOKS_WRITE in member.actor.scopes,
        "is_enabled": webhook.status == WebhookStatus.ENABLED,
    }
    return settings_page(request, member, "webhook", context, notices=notices)


@require_safe
@login_required
def webhook(request: HttpRequest, merchant_name: str, webhook_id: UUID) -> HttpResponse:
    """Show a webhook and its deliveries."""
    return _one_page(request, *_found(request, merchant_name, webhook_id, Scope.WEBHOOKS_READ))


@require_POST
@login_required
def webhook_action(request: HttpRequest, merchant_name: str, webhook_id: UUID, action: str) -> HttpResponse:
    """Pause, enable, try, rotate or delete a webhook."""
    member, found = _found(request, merchant_name, webhook_id, Scope.WEBHOOKS_WRITE)
    try:
        return _ACTIONS[action](request, member, found)
    except LedgerError as error:
        return _one_page(request, member, found, notices=refused(None, error))


def _set_status(status: WebhookStatus, words: str, request: HttpRequest, member: Member, found: WebhookFacts) -> HttpResponse:
    change_webhook(found.id, {"status": status.value}, actor=member.actor)
    messages.success(request, words)
    return redirect("portal:webhook", member.merchant.name, found.id)


def _test(request: HttpRequest, member: Member, found: WebhookFacts) -> HttpResponse:
    now, message_id = datetime.now(UTC), new_id()
    send = async_to_sync(partial(send_once, stored_secrets=stored_secrets(found.id), now=now))
    attempt = send(found.url, message_id, trial_event_text(message_id, now, found))
    if attempt.error or not 200 <= (attempt.status_code or 0) < 300:
        words = f"The test failed: {attempt.error or f'the answer was {attempt.status_code}'}, after {attempt.duration_ms} ms."
        return _one_page(request, member, found, notices=[failure(words, code="webhook_test_failed")])
    messages.success(request, f"The test arrived: {attempt.status_code} after {attempt.duration_ms} ms.")
    return redirect("portal:webhook", member.merchant.name, found.id)


def _rotate(request: HttpRequest, member: Member, found: WebhookFacts) -> HttpResponse:
    key = _key(request, member, request.POST.get("token", ""), {})
    if key is None:
        return _one_page(request, member, found, notices=[failure(_UNKNOWN_FORM, code="form_unknown")])
    secret = new_secret()
    result = rotate_secret(found.id, secret, actor=member.actor, key=key, render=_rotated, refuse=_raise)
    if result.replayed:
        words = "This form was sent before. The new secret was shown then; rotate it again if nobody has it."
        return _one_page(request, member, found, notices=[failure(words, code="form_carried_out")])
    return _one_page(request, member, found, secret=secret)


def _rotated(row: Webhook) -> bytes:
    return str(row.previous_expires_at).encode()


def _delete(request: HttpRequest, member: Member, found: WebhookFacts) -> HttpResponse:
    delete_webhook(found.id, actor=member.actor)
    messages.success(request, f"{found.url} gets nothing any more.")
    return redirect("portal:webhooks", member.merchant.name)


_ACTIONS: dict[str, Callable[[HttpRequest, Member, WebhookFacts], HttpResponse]] = {
    "pause": partial(_set_status, WebhookStatus.PAUSED, "Paused. Nothing is sent until it is enabled again, and nothing is lost."),
    "enable": partial(_set_status, WebhookStatus.ENABLED, "Enabled. It goes on from where it stood."),
    "test": _test,
    "rotate": _rotate,
    "delete": _delete,
}

WEBHOOK_ACTIONS = tuple(_ACTIONS)
"""What can be done with a webhook, as the addresses name it."""
