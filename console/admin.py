"""Roles and the record of changes in the admin; the record is read-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from console.found import Found
from console.lists import NarrowedList
from console.log_bar import LogBar
from console.log_entries import LOG_COLUMNS, entries_of_file, having, linked, message_of, subjects
from console.pages import ReadOnlyAdmin

admin.site.index_template = "ledger/dashboard.html"
admin.site.unregister(Group)
for _unused in (EmailAddress, Authenticator):  # addresses stand with the users; nobody edits a second factor
    admin.site.unregister(_unused)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Roles: viewer, operator and fee manager are there from the start."""

    filter_horizontal = ()


class LogEntries(NarrowedList):
    """A page of the log."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the entries, and what each is about."""
        super().get_results(request)
        entries: Any = list(self.result_list)
        about = subjects(request, entries)
        for entry in entries:
            entry.about = about.get(entry.pk)
        self.result_list = entries


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """Every change that an operator made: who, when, to what, what and why."""

    list_display = ("action_time", "user", "kind", "link", "facts", "message")
    list_filter = (LogBar,)
    list_select_related = ("user", "content_type")
    exported = LOG_COLUMNS
    search_fields = ("change_message",)
    search_help_text = "Words of what was done, why, or by whom; names, ids, a day (2026-11-20). An entry has all of them."
    ordering = ("-id",)  # in the order of time, and there is an index
    sortable_by = ()
    fields = ("action_time", "user", "kind", "link", "facts", "message")
    readonly_fields = fields

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Find the entries that have every word, of the first ten."""
        del request
        for word in search_term.split()[:10]:  # each word is a query
            queryset = queryset.filter(having(word))
        return queryset, False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> LogEntry | None:
        """Return an entry that knows what it is about."""
        entry: Any = super().get_object(request, object_id, from_field)
        if entry is not None:
            entry.about = subjects(request, [entry]).get(entry.pk)
        return cast("LogEntry | None", entry)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NarrowedList]:
        """Return a list that knows what each of its entries is about."""
        del request, kwargs
        return LogEntries

    def export_rows(self, request: HttpRequest, keys: Sequence[Any]) -> list[Any]:
        """Return entries that know what they are about."""
        return entries_of_file(request, list(super().export_rows(request, keys)))

    @display(description="Kind")
    def kind(self, obj: LogEntry) -> str:
        """Return the kind of the object, without its app."""
        return obj.content_type.name if obj.content_type else ""

    @display(description="What")
    def link(self, obj: LogEntry) -> str:
        """Return the changed object, linked where the user may open its page."""
        about: Found | None = getattr(obj, "about", None)
        return format_html('<a href="{}">{}</a>', about.url, about.name) if about else obj.object_repr

    @display(description="Amount and parties now")
    def facts(self, obj: LogEntry) -> str:
        """Return facts of the changed object: of a transfer, its amount and who moved it."""
        about: Found | None = getattr(obj, "about", None)
        return about.facts if about else ""

    @display(description="What was done, and why")
    def message(self, obj: LogEntry) -> str:
        """Return the change in words, with its reason. An id in it leads to what it names."""
        return linked(message_of(obj))
