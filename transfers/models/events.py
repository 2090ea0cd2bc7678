"""Events: what happened that is not a transfer."""

from django.db import models

from ledger_project.database.fields import values
from ledger_project.kernel.happenings import EventType


class Event(models.Model):
    """Something that happened and moved no money. A transfer is its own event and has no row here.

    Rows are only inserted. ``id`` is a UUIDv7 of ``created_at``, which is read as the time of a
    posting is: so both kinds of events have one order (transfers/services/mark.py). ``data`` are
    facts, which the serializers of events show.

    ``merchant_id`` and ``account_id`` say whose event it is, if it is somebody's.
    """

    created_at = models.DateTimeField()
    id = models.UUIDField(primary_key=True, editable=False)
    merchant_id = models.UUIDField(null=True)
    account_id = models.UUIDField(null=True)
    type = models.CharField(max_length=32, choices=[(t.value, t.value) for t in EventType])
    data = models.JSONField()

    class Meta:
        indexes = [
            models.Index(fields=["type", "id"], name="event_type_id"),
            models.Index(fields=["merchant_id", "id"], name="event_merchant_id", condition=models.Q(merchant_id__isnull=False)),
            models.Index(fields=["account_id", "id"], name="event_account_id", condition=models.Q(account_id__isnull=False)),
        ]
        constraints = [models.CheckConstraint(condition=models.Q(type__in=values(EventType)), name="event_type_known")]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
