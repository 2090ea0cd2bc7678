"""Idempotency records in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from transfers.admin.journal import JournalAdmin
from transfers.models import IdempotencyRecord


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(JournalAdmin):
    """The answer that is stored under a key."""

    list_display = ("key", "owner", "status_code", "created_at", "expires_at")
    search_help_text = "The whole idempotency key."
    ordering = ("-id",)
    fields = ("id", "owner", "key", "status_code", "body", "transfer", "created_at", "expires_at")
    readonly_fields = fields
    search_fields = ("key",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Find by the whole key: the unique index begins with it."""
        del request
        return (queryset.filter(key=search_term.strip()) if search_term.strip() else queryset), False
