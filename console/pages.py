"""The base of the admin's pages: they show an object with its panels and edit nothing in place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

from django.contrib.admin.models import LogEntry
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from console.amounts import shown
from console.lists import REACHED, ExportedList, NarrowedList
from console.panels import Cell, Panel, usable_panel
from merchants.selectors import known_currency


def object_link(page: str, object_id: object, text: str) -> str:
    """Return a link to the page of an object.

    ``page`` is its app and model, as in ``merchants_merchant``.
    """
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}_change", args=[object_id]), text)


def amount_column(name: str, description: str) -> Callable[[Any, Any], str]:
    """Return a method of an admin that shows the amount ``name`` of an object in major units."""

    def column(_admin: Any, obj: Any) -> str:
        return shown(getattr(obj, name), known_currency(obj.currency_id))

    return cast("Callable[[Any, Any], str]", display(description=description)(column))


class NewestPaginator(Paginator):
    """Pages through the newest rows, ten thousand at most; search and filters find older ones.

    PostgreSQL would read every row to count them all, or to skip millions for the last page.
    """

    @cached_property
    def count(self) -> int:
        """The number of rows that can be paged through."""
        rows: Any = self.object_list
        # In the order of the list, which has an index; without columns that cost a look-up a row.
        count: int = rows.values("pk")[:REACHED].count()
        return count


class ExactSearch:
    """For an admin of a long list: a search finds by an index, never by scanning parts of texts."""

    def search_for(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return what a text names, of the objects of ``queryset``."""
        raise NotImplementedError

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Find what the text names, blanks around it taken away; all without a text."""
        del request
        text = search_term.strip()
        return (self.search_for(queryset, text) if text else queryset), False


class ReadOnlyAdmin(ExportedList, ModelAdmin):
    """An admin that only shows.

    No user can add, change or delete here: not by a page, an action or a crafted request.
    """

    actions: Sequence[str] | None = None
    show_full_result_count = False
    paginator = NewestPaginator
    list_per_page = 50
    list_fullwidth = True
    list_before_template = "ledger/list_bar.html"
    list_after_template = "ledger/reached.html"
    change_form_template = "ledger/object.html"
    change_form_outer_after_template = "ledger/panels.html"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NarrowedList]:
        """Return a list that says what is wrong with its filters."""
        del request, kwargs
        return NarrowedList

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes."""
        return False

    def panels(self, request: HttpRequest, obj: Any) -> list[Panel]:
        """Return the panels below an object's fields."""
        del request, obj
        return []

    def possible_actions(self, obj: Any) -> Collection[str] | None:
        """Return the names of the actions that an object's state allows; None stands for all."""
        del obj
        return None

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer what the user may do and the object's state allows."""
        offered: list[Any] = super().get_actions_detail(request, object_id)
        obj = self.get_object(request, object_id)
        possible = None if obj is None else self.possible_actions(obj)
        return [action for action in offered if possible is None or action.method.__name__ in possible]

    def wanted_object(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object of an action. Raises ``Http404``, also for a text that is not an id."""
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        return obj

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show an object with its panels and what operators have done to it."""
        obj = self.get_object(request, object_id)
        context = {**(extra_context or {}), "panels": []}
        if obj is not None and self.has_view_permission(request, obj):
            panels = [*self.panels(request, obj), *history_panel(obj)]
            context["panels"] = [usable_panel(panel, request.user) for panel in panels]
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response


def history_panel(obj: Model) -> list[Panel]:
    """Return the panel of the changes that operators made to an object, if there are any."""
    entries = LogEntry.objects.filter(object_id=str(obj.pk), content_type__model=obj._meta.model_name).select_related("user")[:20]
    rows = [[Cell(f"{e.action_time:%Y-%m-%d %H:%M:%S}"), Cell(e.user.get_username()), Cell(e.get_change_message())] for e in entries]
    return [Panel("What operators did", ("When (UTC)", "Who", "What and why"), rows)] if rows else []
