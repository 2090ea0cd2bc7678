"""Deliveries in the admin: what was sent, what came back, and one more attempt now."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action, display

from console.pages import ExactSearch, ReadOnlyAdmin, object_link
from console.panels import Cell, Panel
from console.questions import Done, Question, ask
from events.models import Delivery
from events.models.webhooks import DeliveryStatus
from events.services.webhooks import send_again
from ledger_project.kernel.ids import id_in
from transfers.models import Transfer

STATUS_COLOURS = {"pending": "info", "delivered": "success", "failed": "danger"}


@admin.register(Delivery)
class DeliveryAdmin(ExactSearch, ReadOnlyAdmin):
    """Deliveries: events that were sent to a webhook, or wait for it, with each attempt."""

    list_display = ("event_id", "type", "webhook", "state", "tries", "next_attempt_at", "created_at")
    list_filter = ("status",)
    list_select_related = ("webhook",)
    sortable_by = ()
    search_fields = ("event_id",)
    search_help_text = "The whole id of a delivery or of a webhook."
    ordering = ("-id",)
    fields = ("id", "event", "type", "webhook_link", "state", "next_attempt_at", "created_at")
    readonly_fields = fields
    actions_detail = ("send",)

    def search_for(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Find by the id of a delivery or of a webhook."""
        wanted = id_in(text)
        return queryset.none() if wanted is None else queryset.filter(id=wanted) | queryset.filter(webhook_id=wanted)

    @display(description="Status", label=STATUS_COLOURS)
    def state(self, obj: Delivery) -> str:
        """Return the status."""
        return obj.status

    @display(description="Attempts")
    def tries(self, obj: Delivery) -> int:
        """Return how many attempts there were."""
        return len(obj.attempts)

    @display(description="Webhook")
    def webhook_link(self, obj: Delivery) -> str:
        """Return a link to the webhook."""
        return object_link("events_webhook", obj.webhook_id, obj.webhook.url)

    @display(description="Event")
    def event(self, obj: Delivery) -> str:
        """Return the event's id, as a link where the event is a transfer."""
        is_transfer = Transfer.objects.filter(id=obj.event_id).exists()
        return object_link("transfers_transfer", obj.event_id, str(obj.event_id)) if is_transfer else str(obj.event_id)

    def panels(self, request: HttpRequest, obj: Delivery) -> list[Panel]:
        """Return the attempts."""
        del request
        rows = [
            [
                Cell(str(attempt["at"])),
                Cell("—" if attempt["status_code"] is None else str(attempt["status_code"])),
                Cell(f"{attempt['duration_ms']:,} ms", is_number=True),
                Cell(attempt["error"] or ""),
            ]
            for attempt in obj.attempts
        ]
        return [Panel("Attempts", ("When (UTC)", "Answer", "Took", "Error"), rows, empty="Not sent yet.")]

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may have events sent again."""
        del object_id
        return request.user.has_perm("events.operate_webhook")

    def possible_actions(self, obj: Delivery) -> Collection[str]:
        """Offer what is not delivered to be sent now."""
        return () if obj.status == DeliveryStatus.DELIVERED else {"send"}

    @action(description="Send now", url_path="send", permissions=["operate"])
    def send(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have the delivery sent now, and tried for three days again."""
        delivery: Delivery = self.wanted_object(request, object_id)

        def perform(_values: dict[str, Any]) -> Done:
            return Done("Sent now" if send_again(delivery.id) else "It was delivered meanwhile")

        question = Question(
            "Send this delivery now",
            f"{delivery.type} is sent to {delivery.webhook.url} within a second, unless the webhook is paused or disabled.",
            perform,
            did="Sent now",
        )
        return ask(self, request, delivery, question, reverse("admin:events_delivery_change", args=[object_id]))
