"""Idempotency records in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from console.pages import ExactSearch, ReadOnlyAdmin
from ledger_project.kernel.ids import id_in
from transfers.models import IdempotencyRecord
from transfers.selectors.idempotency import find_records, get_record


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ExactSearch, ReadOnlyAdmin):
    """The answer that is stored under a key."""

    list_display = ("key", "owner", "status_code", "created_at", "kept_until")
    search_help_text = "The whole idempotency key."
    ordering = ("-created_at",)
    fields = ("id", "owner", "key", "status_code", "body", "transfer", "created_at", "kept_until")
    readonly_fields = fields
    search_fields = ("key",)
    sortable_by = ()

    @display(description="Kept until")
    def kept_until(self, obj: IdempotencyRecord) -> str:
        """Return until when the key is kept, in UTC."""
        return f"{obj.expires_at:%Y-%m-%d %H:%M}"

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> IdempotencyRecord | None:
        """Find by the claim: the records have no index of their ids."""
        del request, from_field
        wanted = id_in(object_id)
        return None if wanted is None else get_record(wanted)

    def search_for(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Find by the whole key, whoever owns it."""
        del queryset
        return find_records(text)
