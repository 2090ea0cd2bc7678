"""The filters of the log: days, who, and about what.

A search for words reads every entry of its period, since no index knows parts of words. So without
days it looks at the newest ``SEARCHED`` entries, and says so with links that lead further back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.list_filters import FilterField, ListBar
from ledger_project.kernel.days import FIRST_YEAR, day_of
from people.selectors.log import authors_of_log, kinds_of_log

SEARCHED = 20_000
"""Entries that a search looks at if no days are chosen: about a tenth of a second."""

_FURTHER_DAYS = 365


class LogBar(ListBar):
    """Entries of the log by day, by who made them, and by what they are about."""

    names = ("from", "to", "who", "about")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the entries of the days, of a user, about a kind of object."""
        period, who, about = self.period(), self.text("who"), self.text("about")
        oldest = self._oldest_of_search()
        if oldest is not None:
            rows = rows.filter(pk__gte=oldest)
        if period.start is not None:
            rows = rows.filter(action_time__gte=period.start)
        if period.end is not None:
            rows = rows.filter(action_time__lt=period.end)
        if who:
            authors = [user.pk for user in authors_of_log() if user.get_username() == who]
            rows = rows.filter(user__in=authors) if authors else self._none(rows, "who", f"“{who}” did nothing that is in the log.")
        if about:
            kinds = [kind.pk for kind in kinds_of_log() if _name(kind) == about]
            rows = rows.filter(content_type__in=kinds) if kinds else self._none(rows, "about", f"Nothing in the log is about “{about}”.")
        return rows

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs of the form."""
        return [
            *self.day_inputs(),
            self.select("who", "Who", [(name, name) for name in (user.get_username() for user in authors_of_log())]),
            self.select("about", "About", [(_name(kind), kind.name) for kind in kinds_of_log()]),
        ]

    def _none(self, rows: QuerySet[Any], name: str, words: str) -> QuerySet[Any]:
        self.wrong(name, words)
        return rows.none()

    def _oldest_of_search(self) -> int | None:
        """Return the oldest entry that a search without days looks at, and say so; None if there
        are days, no words, or no more entries than that.
        """
        words = self.request.GET.get("q", "").split()
        if not words or self.text("from") or self.text("to") or any(day_of(word) for word in words):
            return None
        oldest = LogEntry.objects.order_by("-pk")[SEARCHED : SEARCHED + 1].first()
        if oldest is None:
            return None
        year_ago = datetime.now(UTC).date() - timedelta(days=_FURTHER_DAYS)
        self.notes.append(
            format_html(
                "Only the newest {} entries were searched, since {} UTC. Search {}, or {}.",
                f"{SEARCHED:,}",
                f"{oldest.action_time:%Y-%m-%d %H:%M}",
                self._further("the last year", year_ago),
                self._further("all of the log", date(FIRST_YEAR, 1, 1)),
            )
        )
        return oldest.pk + 1

    def _further(self, words: str, first: date) -> SafeString:
        query = {name: value for name, value in self.request.GET.items() if name not in {"from", "p"}} | {"from": str(first)}
        return format_html('<a class="text-primary-600 dark:text-primary-500 underline" href="?{}">{}</a>', urlencode(query), words)


def _name(kind: Any) -> str:
    return f"{kind.app_label}.{kind.model}"
