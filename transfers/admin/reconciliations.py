"""Reconciliations in the admin: their verdicts, and those that operators ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Func, IntegerField, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.cache import add_never_cache_headers
from unfold.decorators import action, display

from console.pages import ReadOnlyAdmin, object_link
from console.panels import Cell, Panel
from console.questions import Done, Question, ask
from people.models import User
from transfers.admin.reconciliation_forms import StartForm, id_of, scope_words, understood_start, wanted_of
from transfers.admin.reconciliation_progress import progress_words
from transfers.models import ReconciliationRun, RequestedReconciliation
from transfers.models.requested_reconciliations import OPEN
from transfers.services.requested_reconciliations import (
    absence_of_worker,
    cancel_reconciliation,
    open_request,
    request_reconciliation,
)

_NAMED = 500
"""Findings that the page of a verdict names at most."""

_STATUS_COLOURS = {"waiting": "info", "running": "info", "done": "success", "cancelled": "warning", "failed": "danger"}


class _May:
    """Who may start and cancel reconciliations."""

    def has_request_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may start and cancel reconciliations."""
        del object_id
        return request.user.has_perm("transfers.request_reconciliation")


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(_May, ReadOnlyAdmin):
    """Verdicts of reconciliations, from the page, the worker and the command."""

    list_before_template = "ledger/reconciliation_open.html"
    list_display = ("finished_at", "kind", "scope", "state", "found", "entries", "took")
    list_display_links = ("finished_at",)
    list_filter = ("verdict", "kind")
    sortable_by = ()
    ordering = ("-id",)
    fields = (
        "id",
        "kind",
        "scope",
        "state",
        "found",
        "entries",
        "started_at",
        "finished_at",
        "took",
        "unseen",
        "base",
        "heads",
        "asked_for",
    )
    readonly_fields = fields
    actions_list = ("start",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReconciliationRun]:
        """Count the findings, and leave their words to the page of a run: they can be many."""
        queryset: QuerySet[ReconciliationRun] = super().get_queryset(request)
        count = Func(F("findings"), function="jsonb_array_length", output_field=IntegerField())
        return queryset.defer("findings").annotate(findings_count=count)

    @display(description="Verdict", label={"clean": "success", "damaged": "danger"})
    def state(self, obj: ReconciliationRun) -> str:
        """Return the verdict."""
        return obj.verdict

    @display(description="Findings")
    def found(self, obj: ReconciliationRun) -> str:
        """Return how many findings there are."""
        return f"{getattr(obj, 'findings_count', 0):,}"

    @display(description="Entries read")
    def entries(self, obj: ReconciliationRun) -> str:
        """Return how many entries were read."""
        return f"{obj.entries_checked:,}"

    @display(description="Took")
    def took(self, obj: ReconciliationRun) -> str:
        """Return how long it took."""
        return f"{(obj.finished_at - obj.started_at).total_seconds():.1f} s"

    @display(description="Went on from")
    def base(self, obj: ReconciliationRun) -> str:
        """Return the run whose heads an incremental one went on from."""
        return object_link("transfers_reconciliationrun", obj.base_id, str(obj.base_id)) if obj.base_id else "—"

    @display(description="SHA-256 of the heads that it keeps")
    def heads(self, obj: ReconciliationRun) -> str:
        """Return the digest of the kept heads in hexadecimal."""
        return bytes(obj.heads_sha256).hex() if obj.heads_sha256 else "—"

    @display(description="Asked for")
    def asked_for(self, obj: ReconciliationRun) -> str:
        """Return who asked for it, with a link; the worker and the command need no request."""
        requested = RequestedReconciliation.objects.filter(run=obj).select_related("requested_by").first()
        if requested is None:
            return "by the worker's clock or the command"
        return object_link("transfers_requestedreconciliation", requested.id, f"by {requested.requested_by.get_username()}")

    def panels(self, request: HttpRequest, obj: ReconciliationRun) -> list[Panel]:
        """Return what does not hold."""
        del request
        findings: list[Mapping[str, str]] = obj.findings
        rows = [[Cell(one["check"]), Cell(one["subject"]), Cell(one["detail"])] for one in findings[:_NAMED]]
        more = f": the first {_NAMED} of {len(findings):,}" if len(findings) > _NAMED else f": {len(findings)}"
        return [Panel(f"Findings{more}", ("Check", "Row", "What is wrong"), rows, "Everything holds.")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Say above the list whether one is under way, and whether a worker is there."""
        opened = open_request()
        may_see = request.user.has_perm("transfers.view_requestedreconciliation")
        context = {
            "open_request": opened if may_see else None,
            "open_url": "" if opened is None else reverse("admin:transfers_requestedreconciliation_change", args=[opened.id]),
            "absence": absence_of_worker(),
            "requests_url": reverse("admin:transfers_requestedreconciliation_changelist") if may_see else "",
        }
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **context})
        return response

    @action(description="Start a reconciliation", url_path="start", permissions=["request"], icon="start")
    def start(self, request: HttpRequest) -> HttpResponse:
        """Ask for a reconciliation, which a worker carries out."""

        def perform(values: dict[str, Any]) -> Done:
            user = request.user
            assert isinstance(user, User)
            identifier = id_of(values["token"])
            is_new = request_reconciliation(identifier, wanted_of(values), by=user)
            requested = RequestedReconciliation.objects.get(id=identifier)
            return Done(f"Asked for a reconciliation of {scope_words(requested)}", not is_new)

        question = Question(
            "Start a reconciliation",
            "It reads beside the postings and holds up nobody. A worker carries it out on half of the cores; its page says how far it is.",
            perform,
            StartForm,
            understood=understood_start,
            did="Asked for a reconciliation",
            about=lambda values: RequestedReconciliation.objects.filter(id=id_of(values["token"])).first(),
        )
        response = ask(self, request, None, question, reverse("admin:transfers_reconciliationrun_changelist"))
        if not isinstance(response, HttpResponseRedirect):
            return response
        identifier = id_of(request.POST.get("token", ""))
        return HttpResponseRedirect(reverse("admin:transfers_requestedreconciliation_change", args=[identifier]))


@admin.register(RequestedReconciliation)
class RequestedReconciliationAdmin(_May, ReadOnlyAdmin):
    """Reconciliations that operators asked for: how far they are, and what became of them."""

    list_display = ("requested_at", "asker", "what", "state", "verdict", "failure")
    list_filter = ("status",)
    list_select_related = ("requested_by", "run")
    sortable_by = ()
    ordering = ("-requested_at",)
    change_form_outer_after_template = "ledger/requested_reconciliation.html"
    fields = ("what", "asker", "requested", "id")
    readonly_fields = fields
    actions_detail = ("cancel",)

    @display(description="Proves")
    def what(self, obj: RequestedReconciliation) -> str:
        """Return what is proved."""
        return scope_words(obj)

    @display(description="Asked for by")
    def asker(self, obj: RequestedReconciliation) -> str:
        """Return who asked for it."""
        return obj.requested_by.get_username()

    @display(description="Asked for (UTC)")
    def requested(self, obj: RequestedReconciliation) -> str:
        """Return when it was asked for."""
        return f"{obj.requested_at:%Y-%m-%d %H:%M:%S}"

    @display(description="Status", label=_STATUS_COLOURS)
    def state(self, obj: RequestedReconciliation) -> str:
        """Return the status."""
        return obj.status

    @display(description="Verdict")
    def verdict(self, obj: RequestedReconciliation) -> str:
        """Return the verdict, as a link."""
        return object_link("transfers_reconciliationrun", obj.run_id, obj.run.verdict) if obj.run else "—"

    def get_urls(self) -> list[Any]:
        """Add the part of the page that refreshes itself."""
        wrap = self.admin_site.admin_view
        return [path("<uuid:request_id>/progress/", wrap(self.progress), name="reconciliation_progress"), *super().get_urls()]

    def progress(self, request: HttpRequest, request_id: UUID) -> HttpResponse:
        """Return how far it is: the part that the page shows."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        requested: RequestedReconciliation = self.wanted_object(request, str(request_id))
        response = TemplateResponse(request, "ledger/progress.html", {"progress": progress_words(requested)})
        add_never_cache_headers(response)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show how far it is."""
        obj = self.get_object(request, object_id)
        context = {**(extra_context or {}), "progress": None if obj is None else progress_words(obj)}
        return super().change_view(request, object_id, form_url, context)

    def possible_actions(self, obj: RequestedReconciliation) -> Collection[str]:
        """Offer to cancel what has not ended."""
        return {"cancel"} if obj.status in OPEN else ()

    @action(description="Cancel", url_path="cancel", permissions=["request"], icon="cancel")
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel what waits or runs."""
        requested: RequestedReconciliation = self.wanted_object(request, object_id)

        def perform(_values: dict[str, Any]) -> Done:
            cancel_reconciliation(requested.id)
            return Done("Cancelled")

        explanation = f"The reconciliation of {scope_words(requested)} ends within seconds, without a verdict. Nothing else changes."
        question = Question("Cancel this reconciliation", explanation, perform, did="Cancelled")
        return ask(self, request, requested, question, reverse("admin:transfers_requestedreconciliation_change", args=[object_id]))
