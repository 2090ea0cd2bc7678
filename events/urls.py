"""Routes of events."""

from django.urls import path

from events.views import receipts

urlpatterns = [
    path("transfers/<str:transfer_id>/receipt", receipts.ReceiptView.as_view(), name="transfer-receipt"),
    path(".well-known/jwks.json", receipts.KeySetView.as_view(), name="receipt-keys"),
]
