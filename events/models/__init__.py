"""Tables of the events app."""

from events.models.consumers import Consumer
from events.models.mail import ReceiptMail
from events.models.webhooks import Delivery, Webhook

__all__ = ["Consumer", "Delivery", "ReceiptMail", "Webhook"]
