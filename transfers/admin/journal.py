"""What pages of the journal share: they are found by an id."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from console.pages import ReadOnlyAdmin


def parsed_uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except (ValueError, ValidationError):
        return None


class JournalAdmin(ReadOnlyAdmin):
    """Shared by what is found by an id."""

    search_fields = ("id",)
    sortable_by = ()

    def text_search(self, text: str) -> Q:
        """Return what a search text that is no id looks for."""
        raise NotImplementedError

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Find by exact id, or exactly by what else identifies; never by scanning for parts."""
        del request
        if not search_term.strip():
            return queryset, False
        wanted = parsed_uuid(search_term)
        return queryset.filter(Q(id=wanted) if wanted else self.text_search(search_term.strip())), False
