"""What the admin pages of a ledger have in common: nothing is edited in place, figures stand in panels, and every change has a reason."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from ledger_project.kernel.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure or word of a panel, perhaps a link."""

    text: str
    url: str | None = None
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled table below an object's fields; ``links`` stand under it."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = "Nothing yet."
    links: Sequence[Cell] = field(default_factory=tuple)


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """Counts an unfiltered table by the planner's estimate: an exact count reads millions of rows for a number nobody needs."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, about."""
        query = getattr(self.object_list, "query", None)
        if query is None or query.where:
            return super().count
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [query.model._meta.db_table])
            (estimate,) = cursor.fetchone()
        return estimate if estimate > 10_000 else super().count


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """An admin that shows and never writes: no add, change or delete for anybody, by page, action or crafted request."""

    actions = None
    show_full_result_count = False
    paginator = EstimatingPaginator
    change_form_outer_after_template = "ledger/panels.html"

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

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show an object with its panels and what operators have done to it."""
        obj = self.get_object(request, object_id)
        context = {**(extra_context or {}), "panels": []}
        if obj is not None and self.has_view_permission(request, obj):
            context["panels"] = [*self.panels(request, obj), *history_panel(obj)]
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response


def history_panel(obj: Model) -> list[Panel]:
    """Return the panel of what operators did to an object, if they did anything."""
    entries = LogEntry.objects.filter(object_id=str(obj.pk), content_type__model=obj._meta.model_name).select_related("user")[:20]
    rows = [[Cell(f"{e.action_time:%Y-%m-%d %H:%M:%S}"), Cell(e.user.get_username()), Cell(e.get_change_message())] for e in entries]
    return [Panel("What operators did", ("When (UTC)", "Who", "What and why"), rows)] if rows else []


def record(request: HttpRequest, obj: Model, what: str, reason: str) -> None:
    """Keep who did what to an object, when, and why."""
    LogEntry.objects.log_actions(request.user.pk or 0, [obj], CHANGE, change_message=f"{what}: {reason}", single_object=True)


class ReasonForm(forms.Form):
    """A reason, and a token that makes a double click one change."""

    reason = forms.CharField(max_length=400, widget=UnfoldAdminTextInputWidget(), help_text="Kept with the change, for good.")
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)


@dataclass(frozen=True, slots=True)
class Question:
    """What an operator is asked before a change: its title, what will happen, and what does it with the form's values."""

    title: str
    explanation: str
    perform: Callable[[dict[str, Any]], str]
    form_class: type[ReasonForm] = ReasonForm


def ask(model_admin: ModelAdmin, request: HttpRequest, obj: Model, question: Question, back: str) -> HttpResponse:
    """Ask for a reason and a confirmation; then do it, record it, and go back.

    What the ledger refuses is said on the page in its own words.
    """
    form = question.form_class(request.POST or None, initial={"token": secrets.token_hex(16)})
    if request.method == "POST" and form.is_valid():
        try:
            what = question.perform(form.cleaned_data)
        except LedgerError as error:
            messages.error(request, f"{error.title}: {error}")
        else:
            record(request, obj, what, form.cleaned_data["reason"])
            messages.success(request, what)
            return HttpResponseRedirect(back)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": question.title,
        "question": question,
        "form": form,
        "object": obj,
        "opts": obj._meta,
        "back": back,
    }
    return TemplateResponse(request, "ledger/ask.html", context)
