"""The base of the pages of the journal: their objects are found by an id."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from console.pages import ExactSearch, ReadOnlyAdmin
from ledger_project.kernel.ids import id_in


class JournalAdmin(ExactSearch, ReadOnlyAdmin):
    """The base of admins whose objects are found by an id."""

    search_fields = ("id",)
    sortable_by = ()

    def text_search(self, text: str) -> Q:
        """Return the condition for a search text that is not an id."""
        raise NotImplementedError

    def search_for(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Find by the exact id, or by ``text_search``."""
        wanted = id_in(text)
        return queryset.filter(self.text_search(text) if wanted is None else Q(id=wanted))
