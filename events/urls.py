"""Routes of events."""

from django.urls import path

from events.views import feed, receipts

urlpatterns = [
    path("events", feed.EventsView.as_view(), name="events"),
    path("events/<str:event_id>", feed.EventView.as_view(), name="event"),
    path("transfers/<str:transfer_id>/receipt", receipts.ReceiptView.as_view(), name="transfer-receipt"),
    path(".well-known/jwks.json", receipts.KeySetView.as_view(), name="receipt-keys"),
]
