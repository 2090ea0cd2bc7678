"""Webhooks in the admin: pause, enable, rotate the secret, try out, replay."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from console.merchant_filter import OfMerchant
from console.pages import ReadOnlyAdmin, object_link
from console.panels import Cell, Filter, Panel
from console.postings import form_key
from console.questions import Done, Question, ReasonForm, ask
from events.admin.deliveries import STATUS_COLOURS
from events.models import Webhook
from events.models.webhooks import DeliveryStatus, WebhookStatus
from events.selectors.webhooks import get_webhook, list_deliveries, stored_secrets
from events.sending.trials import send_once
from events.serializers.webhooks import trial_event_text
from events.services.secrets import new_secret
from events.services.webhooks import Again, change_webhook, replay_events, rotate_secret
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.errors import LedgerError
from merchants.admin.states import require_change
from transfers.domain.outcome import required
from transfers.posting.jobs import Answer

_RECENT = 50
_COLOURS = {"enabled": "success", "paused": "warning", "disabled": "danger"}


class ReplayForm(ReasonForm):
    """Which events are sent once more."""

    event_id = forms.UUIDField(widget=UnfoldAdminTextInputWidget(), label="Event", help_text="Its id; of a movement, the transfer's.")
    onwards = forms.BooleanField(required=False, label="And all after it that the webhook wants")
    field_order = ("event_id", "onwards", "reason")


def _operator(request: HttpRequest) -> Actor:
    return Actor(f"admin:{request.user.pk}")


def _raise(refusal: LedgerError) -> Answer:
    """Store no refusal: a person corrects the form and sends it again."""
    raise refusal


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Webhooks: where events are sent, how it goes, and what operators can do about it."""

    list_display = ("url", "owner", "state", "ordered", "wanted", "last_delivery_at", "created_at")
    list_filter = ("status", "ordered", OfMerchant)
    list_select_related = ("merchant",)
    sortable_by = ()
    search_fields = ("url", "merchant__name__istartswith")
    search_help_text = "Part of the URL, or the beginning of a merchant's name."
    ordering = ("-id",)
    fields = (
        "id", "url", "owner_link", "state", "disabled_because", "wanted", "ordered", "description", "waiting", "last_delivery_at",
        "previous_expires_at", "created_at",
    )  # fmt: skip
    readonly_fields = fields
    actions_detail = ("pause", "enable", "test", "replay", "rotate")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        """Leave deleted ones out: their rows wait to be removed."""
        queryset: QuerySet[Webhook] = super().get_queryset(request).exclude(status=WebhookStatus.DELETED.value)
        return queryset

    @display(description="Whose")
    def owner(self, obj: Webhook) -> str:
        """The merchant's, or the platform's."""
        return obj.merchant.name if obj.merchant else "the platform"

    @display(description="Whose")
    def owner_link(self, obj: Webhook) -> str:
        """The same with a link to the merchant."""
        return object_link("merchants_merchant", obj.merchant_id, obj.merchant.name) if obj.merchant else "the platform"

    @display(description="Status", label=_COLOURS)
    def state(self, obj: Webhook) -> str:
        """Return the status."""
        return obj.status

    @display(description="Types")
    def wanted(self, obj: Webhook) -> str:
        """Return the types of events that it wants."""
        return ", ".join(obj.types)

    @display(description="Waiting deliveries")
    def waiting(self, obj: Webhook) -> str:
        """Return how many deliveries wait, and whether further events wait in the journal."""
        facts = get_webhook(obj.id, Actor("admin"))
        pending = f"{facts.pending:,}" if facts else "0"
        return pending if obj.cursor is None else f"{pending}; further events wait in the journal, from {obj.cursor} on"

    def panels(self, request: HttpRequest, obj: Webhook) -> list[Panel]:
        """Return the newest deliveries, of one status if the page's address says so."""
        asked = request.GET.get("status", "")
        status = asked if asked in set(DeliveryStatus) else None
        rows = [
            [
                Cell(one.type, reverse("admin:events_delivery_change", args=[one.id])),
                Cell(str(one.event_id)),
                Cell(one.status),
                Cell(str(len(one.attempts)), is_number=True),
                Cell(_last_answer(one.attempts)),
                Cell("" if one.next_attempt_at is None else f"{one.next_attempt_at:%Y-%m-%d %H:%M:%S}"),
            ]
            for one in list_deliveries(obj.id, status=status, before=None, limit=_RECENT)
        ]
        headers = ("Type", "Event", "Status", "Attempts", "Last answer", "Next attempt (UTC)")
        all_of_it = reverse("admin:events_delivery_changelist") + f"?q={obj.id}"
        fields = (Filter("status", "Status", status or "", "select", [("", "all"), *((one, one) for one in STATUS_COLOURS)]),)
        return [Panel("Newest deliveries", headers, rows, "No delivery.", [Cell("All deliveries", all_of_it)], fields)]

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may change webhooks and have events sent again."""
        del object_id
        return request.user.has_perm("events.operate_webhook")

    def possible_actions(self, obj: Webhook) -> Collection[str]:
        """Offer what the status allows."""
        is_enabled = obj.status == WebhookStatus.ENABLED
        return {"test", "replay", "rotate", "pause" if is_enabled else "enable"}

    # --- status -----------------------------------------------------------------------------------

    @action(description="Pause", url_path="pause", permissions=["operate"])
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop sending. Events wait."""
        explanation = "Nothing is sent until it is enabled again. Nothing is lost: it goes on from where it stands."
        return self._set_status(request, object_id, WebhookStatus.PAUSED, "Pause", explanation)

    @action(description="Enable", url_path="enable", permissions=["operate"])
    def enable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send again, from where it stood."""
        explanation = "It goes on from where it stood: what waits and what has failed is sent at once, and tried for three days again."
        return self._set_status(request, object_id, WebhookStatus.ENABLED, "Enable", explanation)

    def _set_status(self, request: HttpRequest, object_id: str, status: WebhookStatus, title: str, explanation: str) -> HttpResponse:
        webhook: Webhook = self.wanted_object(request, object_id)
        did = {"Pause": "Paused", "Enable": "Enabled"}[title]

        def perform(_values: dict[str, Any]) -> Done:
            now = required(get_webhook(webhook.id, _operator(request)))
            require_change(now.status != status, webhook)
            change_webhook(webhook.id, {"status": status.value}, actor=_operator(request))
            return Done(did)

        return self._ask(request, webhook, Question(f"{title} this webhook", f"{webhook.url}: {explanation}", perform, did=did))

    # --- what is sent -----------------------------------------------------------------------------

    @action(description="Send a test", url_path="test", permissions=["operate"])
    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send one ``webhook.test`` event now, and say what came back."""
        webhook: Webhook = self.wanted_object(request, object_id)

        def perform(_values: dict[str, Any]) -> Done:
            message_id, now = new_id(), datetime.now(UTC)
            text = trial_event_text(message_id, now, required(get_webhook(webhook.id, _operator(request))))
            send = async_to_sync(partial(send_once, stored_secrets=stored_secrets(webhook.id), now=now))
            attempt = send(webhook.url, message_id, text)
            answer = attempt.error or f"answered {attempt.status_code}"
            return Done(f"Test sent: {answer}, {attempt.duration_ms} ms")

        question = Question("Send a test", f"One webhook.test event is sent to {webhook.url} now.", perform, is_posting=True)
        return self._ask(request, webhook, question)

    @action(description="Replay", url_path="replay", permissions=["operate"])
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have events sent once more."""
        webhook: Webhook = self.wanted_object(request, object_id)

        def perform(values: dict[str, Any]) -> Done:
            event_id: UUID = values["event_id"]
            again = Again(from_event=event_id) if values["onwards"] else Again(event_ids=[event_id])
            result = replay_events(
                webhook.id, again, actor=_operator(request), key=form_key(request, values), render=lambda n: str(n).encode(), refuse=_raise
            )
            count = int(result.answer.body)
            return Done(f"Replayed {count:,} event{'s' if count != 1 else ''} from {event_id}", result.replayed)

        explanation = f"{webhook.url} gets them once more, with the ids that they have: a good receiver keeps each event once."
        question = Question("Replay events", explanation, perform, form=ReplayForm, did="Replayed")
        return self._ask(request, webhook, question)

    # --- the secret -------------------------------------------------------------------------------

    @action(description="Rotate the secret", url_path="rotate", permissions=["operate"])
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make another secret, and show it once. No message, cookie or session holds it."""
        webhook: Webhook = self.wanted_object(request, object_id)
        made: list[str] = []

        def perform(values: dict[str, Any]) -> Done:
            secret = new_secret()
            result = rotate_secret(
                webhook.id, secret, actor=_operator(request), key=form_key(request, values), render=_expiry, refuse=_raise
            )
            if not result.replayed:
                made.append(secret)
            return Done("Secret rotated", result.replayed)

        explanation = f"{webhook.url}: the secret of now signs, too, for 24 hours. The new one is shown on the next page, and never again."
        response = self._ask(request, webhook, Question("Rotate the secret", explanation, perform, did="Secret rotated"))
        return self._secret_page(request, webhook, made[0]) if made else response

    def _secret_page(self, request: HttpRequest, webhook: Webhook, secret: str) -> HttpResponse:
        list(messages.get_messages(request))  # the page itself says it
        context = {
            **self.admin_site.each_context(request),
            "title": "New secret",
            "webhook": webhook,
            "secret": secret,
            "opts": Webhook._meta,
            "back": reverse("admin:events_webhook_change", args=[webhook.id]),
        }
        response = TemplateResponse(request, "ledger/new_secret.html", context)
        add_never_cache_headers(response)
        return response

    def _ask(self, request: HttpRequest, webhook: Webhook, question: Question) -> HttpResponse:
        return ask(self, request, webhook, question, reverse("admin:events_webhook_change", args=[webhook.id]))


def _expiry(webhook: Webhook) -> bytes:
    return str(webhook.previous_expires_at).encode()


def _last_answer(attempts: Any) -> str:
    if not attempts:
        return "not sent yet"
    last = attempts[-1]
    return str(last["error"] or last["status_code"])
