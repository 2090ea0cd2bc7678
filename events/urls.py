"""Routes of events."""

from django.urls import path

from events.views import feed, receipts, webhooks

urlpatterns = [
    path("events", feed.EventsView.as_view(), name="events"),
    path("events/<str:event_id>", feed.EventView.as_view(), name="event"),
    path("transfers/<str:transfer_id>/receipt", receipts.ReceiptView.as_view(), name="transfer-receipt"),
    path(".well-known/jwks.json", receipts.KeySetView.as_view(), name="receipt-keys"),
    path("webhooks", webhooks.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<str:webhook_id>", webhooks.WebhookView.as_view(), name="webhook"),
    path("webhooks/<str:webhook_id>/rotate_secret", webhooks.RotateSecretView.as_view(), name="webhook-rotate-secret"),
    path("webhooks/<str:webhook_id>/test", webhooks.TrialView.as_view(), name="webhook-test"),
    path("webhooks/<str:webhook_id>/deliveries", webhooks.DeliveriesView.as_view(), name="webhook-deliveries"),
    path("webhooks/<str:webhook_id>/replay", webhooks.ReplayView.as_view(), name="webhook-replay"),
]
