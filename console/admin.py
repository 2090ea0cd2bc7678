"""Roles and the record of changes in the admin; the record is read-only."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from console.pages import ReadOnlyAdmin

admin.site.index_template = "ledger/dashboard.html"
admin.site.unregister(Group)
for _unused in (EmailAddress, Authenticator):  # addresses stand with the users; nobody edits a second factor
    admin.site.unregister(_unused)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Roles: viewer, operator and fee manager are there from the start."""

    filter_horizontal = ()


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """Every change that an operator made: who, when, to what, what and why."""

    list_display = ("action_time", "user", "content_type", "link", "message")
    list_filter = ("content_type",)
    list_select_related = ("user", "content_type")
    search_fields = ("object_id",)
    search_help_text = "The whole id of what was changed."
    ordering = ("-action_time", "-id")
    fields = ("action_time", "user", "content_type", "link", "message")
    readonly_fields = fields

    @display(description="What")
    def link(self, obj: LogEntry) -> str:
        """The changed object, linked where it has a page."""
        model = obj.content_type.model_class() if obj.content_type else None
        if model is None or not obj.object_id:
            return obj.object_repr
        try:
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[obj.object_id])
        except NoReverseMatch:
            return obj.object_repr
        return format_html('<a href="{}">{}</a>', url, obj.object_repr)

    @display(description="What was done, and why")
    def message(self, obj: LogEntry) -> str:
        """The change in words, with its reason."""
        return obj.get_change_message() or obj.get_action_flag_display()
