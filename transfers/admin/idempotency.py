"""Idempotency records in the admin."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from console.pages import ReadOnlyAdmin
from transfers.models import IdempotencyRecord
from transfers.selectors.idempotency import find_records, get_record


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
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
        try:
            return get_record(UUID(object_id))
        except ValueError:
            return None

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Find by the whole key, whoever owns it."""
        del request
        return (find_records(search_term.strip()) if search_term.strip() else queryset), False
