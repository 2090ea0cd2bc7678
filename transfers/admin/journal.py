"""The base of the pages of the journal: their objects are found by an id."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from console.pages import ReadOnlyAdmin


def _uuid(text: str) -> UUID | None:
    """Return the id that a text is, if it is one."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


class JournalAdmin(ReadOnlyAdmin):
    """The base of admins whose objects are found by an id."""

    search_fields = ("id",)
    sortable_by = ()

    def text_search(self, text: str) -> Q:
        """Return the condition for a search text that is not an id."""
        raise NotImplementedError

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Find by the exact id, or by ``text_search``; never by a scan for parts of texts."""
        del request
        if not search_term.strip():
            return queryset, False
        wanted = _uuid(search_term)
        return queryset.filter(Q(id=wanted) if wanted else self.text_search(search_term.strip())), False
