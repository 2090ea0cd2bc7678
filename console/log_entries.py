"""The log of operators as rows: what each entry is about, with amounts and links."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db.models import Model, Q
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console.found import Found, found, listed, may_see
from console.list_exports import Column
from ledger_project.kernel.days import day_of
from people.models import User

_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def subjects(request: HttpRequest, entries: Iterable[LogEntry]) -> dict[int, Found]:
    """Return what each entry is about, by the entry's id: one query for each kind of object.

    Objects that the user may not see, or that are gone, are left out.
    """
    by_model: dict[type[Model], list[LogEntry]] = defaultdict(list)
    for entry in entries:
        model = entry.content_type.model_class() if entry.content_type else None
        if model is not None and entry.object_id and _has_page(model) and may_see(request, model):
            by_model[model].append(entry)
    return dict(about for model, of_model in by_model.items() for about in _about(model, of_model))


def _has_page(model: type[Model]) -> bool:
    try:
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=["x"])
    except NoReverseMatch:
        return False
    return True


def _about(model: type[Model], entries: Sequence[LogEntry]) -> Iterator[tuple[int, Found]]:
    ids: dict[int, Any] = {}
    for entry in entries:
        try:
            ids[entry.pk] = model._meta.pk.to_python(entry.object_id)
        except ValidationError:  # no id of such an object
            continue
    objects = listed(model).in_bulk(set(ids.values()))
    for entry in entries:
        obj = objects.get(ids.get(entry.pk))
        if obj is not None:
            # The log keeps the name as it was then; an object is told by what it is called now.
            yield entry.pk, replace(found(obj), name=entry.object_repr)


def having(word: str) -> Q:
    """Return the condition that an entry has a word: in what was done and why, in the name or at
    the start of the id of what was changed, or in the name of who did it. A day stands for all of
    its entries (UTC).
    """
    day = day_of(word)
    if day is not None:
        start = datetime.combine(day, time(), UTC)
        return Q(action_time__gte=start, action_time__lt=start + timedelta(days=1))
    # The users are few: their names are not compared once more for each entry.
    authors = User.objects.filter(Q(username__icontains=word) | Q(name__icontains=word)).values_list("pk", flat=True)
    return (
        Q(change_message__icontains=word)
        | Q(object_repr__icontains=word)
        | Q(object_id__startswith=word.lower())
        | Q(user__in=list(authors))
    )


def message_of(entry: LogEntry) -> str:
    """Return what was done, and why."""
    return entry.get_change_message() or entry.get_action_flag_display()


def linked(text: str) -> SafeString:
    """Return a text in which each id leads to what it names."""
    parts = _ID.split(text)
    find = reverse("admin:ledger_find")
    pieces = [format_html('<a href="{}?q={}">{}</a>', find, part, part) if n % 2 else part for n, part in enumerate(parts)]
    return format_html_join("", "{}", ((piece,) for piece in pieces))


LOG_COLUMNS = (
    Column("when_utc", lambda entry: entry.action_time),
    Column("who", lambda entry: entry.user.get_username()),
    Column("kind", lambda entry: str(entry.content_type or "")),
    Column("id", lambda entry: entry.object_id or ""),
    Column("what", lambda entry: entry.object_repr),
    Column("facts", lambda entry: entry.about.facts if entry.about else ""),
    Column("done_and_why", message_of),
    Column("link", lambda entry: entry.link),
)
"""The columns of a file of the log. Its entries have ``about`` and ``link``."""


def entries_of_file(request: HttpRequest, entries: Sequence[LogEntry]) -> list[Any]:
    """Return entries that know what they are about, and the whole address of its page."""
    about = subjects(request, entries)
    for entry in entries:
        known: Any = entry
        known.about = about.get(entry.pk)
        known.link = request.build_absolute_uri(known.about.url) if known.about else ""
    return list(entries)
