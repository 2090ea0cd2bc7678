"""Lists that say what is wrong with their filters, and are exported as they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from unfold.views import ChangeList

from console.list_exports import MOST_ROWS, Column, Export, Form, export_response
from console.list_filters import ListBar
from people.models import User
from people.operator_log import keep_export

REACHED = 10_000
"""Number of rows of a list that can be paged through."""

_DEPTH = "ledger_list_depth"


def depth_of(request: HttpRequest) -> int:
    """Return how many rows of a list are wanted at most: those that can be paged through, or those
    of a file.
    """
    depth: int = getattr(request, _DEPTH, REACHED)
    return depth


class NarrowedList(ChangeList):
    """A page of a list. What is wrong with its address is said above it, and then it is empty.

    Django's own list leaves everything out that it does not understand, and shows all rows.
    """

    problem = ""
    page_num: int
    result_list: Any

    def get_filters_params(self, params: Any = None) -> Any:
        """Return the parameters that filter: an empty field of a form is none."""
        found = super().get_filters_params(params)
        return {name: values for name, values in found.items() if any(values)}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the rows that the filters and the search keep."""
        try:
            found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        except IncorrectLookupParameters:
            self.problem = "This address has a filter that this list does not know, or a value that it cannot read."
            self.filter_specs = getattr(self, "filter_specs", [])
            self.has_active_filters, self.clear_all_filters_qs = True, "?"
            found = self.root_queryset.none().order_by("pk")
        self.has_filters = any(not isinstance(spec, ListBar) for spec in self.filter_specs)  # a bar is shown without a button
        return found

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page; none if there is no such page."""
        try:
            super().get_results(request)
            if self.page_num > self.paginator.num_pages:  # which Django overlooks if there is one page
                raise IncorrectLookupParameters
        except IncorrectLookupParameters:
            self.problem = f"This list has no page {self.page_num}."
            self.queryset, self.page_num = self.root_queryset.none().order_by("pk"), 1
            self.has_active_filters = True
            super().get_results(request)
        if self.multi_page and self.page_num > 1:
            self.result_list = self._rows_of_page()

    def _rows_of_page(self) -> list[Any]:
        """Return the rows of the page by their keys, which are read first: PostgreSQL makes the
        columns of the rows that it skips too, with a look-up for each balance.
        """
        keys = list(self.result_list.values_list("pk", flat=True))
        found = self.queryset.in_bulk(keys)
        return [found[key] for key in keys if key in found]

    @property
    def bar(self) -> ListBar | None:
        """The form of the filters, if the list has one."""
        return next((spec for spec in getattr(self, "filter_specs", ()) if isinstance(spec, ListBar)), None)

    @property
    def problems(self) -> list[str]:
        """What is wrong with the address."""
        bar = self.bar
        return [*([self.problem] if self.problem else []), *(bar.problems.values() if bar else ())]

    @property
    def kept_parameters(self) -> list[tuple[str, str]]:
        """What a new choice of filters keeps: the search, and filters that stand elsewhere."""
        own = set(self.bar.names) if self.bar else set()
        return [(name, value) for name, values in self.filter_params.items() if name not in own for value in values]

    @property
    def exports(self) -> list[tuple[str, str]]:
        """The forms of a file of the list, each with its address; none for an empty list."""
        if not self.model_admin.exported or self.problems or not self.result_count:
            return []
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_export"
        return [(form.value.upper(), f"{reverse(f'{name}_{form.value}')}{self.get_query_string()}") for form in Form]

    @property
    def most_rows(self) -> int:
        """The most rows of a file."""
        return MOST_ROWS


class ExportedList:
    """For an admin whose list is exported as it is shown, by whom may see it."""

    exported: ClassVar[Sequence[Column]] = ()

    def export_rows(self, request: HttpRequest, keys: Sequence[Any]) -> Iterable[Any]:
        """Return the rows of some keys, in their order, as a file shows them."""
        admin: Any = self
        rows = admin.get_queryset(request)
        if admin.list_select_related:
            rows = rows.select_related(*admin.list_select_related)
        found = rows.in_bulk(list(keys))
        return [found[key] for key in keys if key in found]

    def get_urls(self) -> list[Any]:
        """Add the exports."""
        admin: Any = self
        name = f"{admin.opts.app_label}_{admin.opts.model_name}_export"
        wrap = admin.admin_site.admin_view
        files = [path(f"export.{form.value}", wrap(partial(self.export_list, form=form)), name=f"{name}_{form.value}") for form in Form]
        return [*files, *super().get_urls()] if self.exported else super().get_urls()  # type: ignore[misc]  # a mixin

    def export_list(self, request: HttpRequest, form: Form) -> HttpResponseBase:
        """Return what the list shows, on all its pages, as a file; log who took it."""
        admin: Any = self
        if not (isinstance(request.user, User) and admin.has_view_permission(request)):
            raise PermissionDenied
        setattr(request, _DEPTH, MOST_ROWS + 1)
        shown: NarrowedList = admin.get_changelist_instance(request)
        if shown.problems:
            messages.error(request, f"No file was made. {' '.join(shown.problems)}")
            address = reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist")
            return HttpResponseRedirect(f"{address}?{urlencode(request.GET, doseq=True)}")
        keys = list(shown.get_queryset(request).values_list("pk", flat=True)[: MOST_ROWS + 1])
        export = Export(
            str(admin.opts.verbose_name_plural).replace(" ", "-"),
            self.exported,
            keys[:MOST_ROWS],
            partial(self.export_rows, request),
            len(keys) > MOST_ROWS,
        )
        keep_export(admin.model, _what(export, form, shown), user=request.user)
        return export_response(export, form)


def _what(export: Export, form: Form, shown: NarrowedList) -> str:
    """Return in words what was taken, without what was searched for: it may be a person's name."""
    filters = {name: values for name, values in shown.get_filters_params().items() if values}
    narrowed = ", ".join(f"{name}={','.join(str(value) for value in values)}" for name, values in sorted(filters.items()))
    searched = " found by a search" if shown.query else ""
    cut = ", cut there" if export.is_cut else ""
    return f"Exported {len(export.keys):,} rows{cut} as {form.value.upper()}{searched}: {narrowed or 'no filters'}"
