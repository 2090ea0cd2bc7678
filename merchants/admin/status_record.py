"""Since when a merchant has its status, by whom and why: from the log of operators."""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.safestring import SafeString

from console.log_entries import linked, message_of
from merchants.domain import Status
from merchants.models import Merchant
from people.operator_log import API_USER

_WORDS = {Status.ACTIVE.value: "Unfrozen", Status.FROZEN.value: "Frozen", Status.CLOSED.value: "Closed"}
"""How the record of the change to a status begins, from operators and from the API."""


def status_since(merchant: Merchant) -> SafeString:
    """Return in words since when a merchant has its status, who gave it, and the reason.

    The log has the id of a person: the name is that of now, and none for who was erased.
    """
    entry = _record(merchant)
    if entry is None:
        if merchant.status == Status.ACTIVE:
            return linked(f"since it was registered, {merchant.created_at:%Y-%m-%d %H:%M:%S} UTC")
        return linked("no record: not by an operator's action")
    done, _, reason = message_of(entry).partition(": ")
    if entry.user.get_username() == API_USER:
        who = f"by API, {done.rpartition(' by ')[2]}"
    else:
        who = "by a person who was erased" if entry.user.erased_at else f"by {entry.user.get_username()}"
    return linked(f"since {entry.action_time:%Y-%m-%d %H:%M:%S} UTC, {who}: {reason}")


def _record(merchant: Merchant) -> LogEntry | None:
    """Return the newest record of the change to the status of now. One look-up in an index."""
    kind = ContentType.objects.get_for_model(Merchant)
    found = LogEntry.objects.filter(content_type=kind, object_id=str(merchant.pk), change_message__startswith=_WORDS[merchant.status])
    return found.select_related("user").order_by("-pk").first()
