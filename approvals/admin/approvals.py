"""Approvals in the admin: what waits for a second person, what it would do, and the decision."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from unfold.decorators import action, display

from approvals.admin.decisions import OWN, Verb, decide, is_own
from approvals.admin.effects import effect_of, effect_panels
from approvals.admin.list_bars import APPROVAL_COLUMNS, ApprovalBar
from approvals.domain.operations import decode
from approvals.domain.states import ApprovalStatus
from approvals.models import Approval
from approvals.selectors.approvals import as_now
from console.amounts import shown
from console.approvals import DECIDE_PERMISSION, span
from console.balances import posted_balances
from console.lists import NarrowedList
from console.pages import ExactSearch, ReadOnlyAdmin, object_link
from console.panels import Cell, Panel
from console.principals import named
from ledger_project.kernel.ids import id_in
from merchants.selectors import identify_now, known_currency

_COLOURS = {"waits": "info", "approved": "success", "rejected": "warning", "expired": "default", "failed": "danger"}


class ApprovalList(NarrowedList):
    """A page of the list: each approval knows who asked."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the approvals, and the names of who asked."""
        super().get_results(request)
        rows = list(self.result_list)
        names = named((row.requested_by for row in rows), request.user)
        for row in rows:
            row.asker = names[row.requested_by]
        self.result_list = rows


@admin.register(Approval)
class ApprovalAdmin(ExactSearch, ReadOnlyAdmin):
    """Approvals: what was asked for, and how it was decided."""

    list_display = ("what", "action_words", "amount", "asked_by", "asked", "left", "state")
    list_filter = (ApprovalBar,)
    list_select_related = ("merchant",)
    exported = APPROVAL_COLUMNS
    search_fields = ("id",)
    search_help_text = "Id of an approval or of its transfer, or the whole name of a merchant. Looks in what the filters keep."
    sortable_by = ()
    ordering = ("-id",)
    actions_detail = ("approve_action", "reject_action")
    fields = (
        "state", "what", "amount", "merchant_link", "reason", "asked_by", "asked", "left", "who_decides", "decided_by_link", "decided_at",
        "decision_reason", "transfer_link", "balances", "failure",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Approval]:
        """Return the approvals as they stand now."""
        return as_now(super().get_queryset(request).select_related("merchant"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NarrowedList]:
        """Return a list that knows who asked."""
        del request, kwargs
        return ApprovalList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Approval | None:
        """Return an approval that knows who asked, who decided, and what its viewer may do."""
        found: Any = super().get_object(request, object_id, from_field)
        if found is not None:
            names = named([found.requested_by, found.decided_by], request.user)
            found.asker, found.decider = names[found.requested_by], names[found.decided_by]
            found.is_own = is_own(found, request)
            found.viewer = request.user
        return cast("Approval | None", found)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return the fields that have something to say about an approval in its state."""
        del request
        status = "" if obj is None else obj.status_now
        silent = {
            "pending": {"decided_by_link", "decided_at", "decision_reason", "transfer_link", "balances", "failure"},
            "approved": {"left", "who_decides", "decision_reason", "failure"},
            "rejected": {"left", "who_decides", "transfer_link", "balances", "failure"},
            "expired": {"who_decides", "decided_by_link", "decided_at", "decision_reason", "transfer_link", "balances", "failure"},
            "failed": {"left", "who_decides", "decision_reason", "transfer_link", "balances"},
        }.get(status, set())
        return [name for name in self.fields if name not in silent]

    def search_for(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Find by an id, or by the whole name of a merchant."""
        wanted = id_in(text)
        if wanted is not None:
            return queryset.filter(id=wanted) | queryset.filter(transfer_id=wanted)
        merchant = identify_now(names=[text]).merchant(text)
        return queryset.none() if merchant is None else queryset.filter(merchant_id=merchant.id)

    # --- columns and fields -----------------------------------------------------------------------

    @display(description="What")
    def what(self, obj: Approval) -> str:
        """Return in words what was asked for."""
        return obj.summary

    @display(description="Action")
    def action_words(self, obj: Approval) -> str:
        """Return the action, as policies name it."""
        return obj.action.replace("_", " ")

    @display(description="Amount")
    def amount(self, obj: Approval) -> str:
        """Return the amount that policies look at."""
        return "—" if obj.amount_minor is None or not obj.currency else shown(obj.amount_minor, known_currency(obj.currency))

    @display(description="Merchant")
    def merchant_link(self, obj: Any) -> str:
        """Return the merchant that it is about, as a link for whoever may open it."""
        if obj.merchant is None:
            return "—"
        may_open = obj.viewer.has_perm("merchants.view_merchant")
        return object_link("merchants_merchant", obj.merchant.id, obj.merchant.name) if may_open else obj.merchant.name

    @display(description="Asked by")
    def asked_by(self, obj: Any) -> str:
        """Return who asked."""
        return _linked(obj.asker)

    @display(description="Asked")
    def asked(self, obj: Approval) -> str:
        """Return when it was asked for, and how long ago."""
        return f"{obj.created_at:%Y-%m-%d %H:%M:%S}, {span(datetime.now(UTC) - obj.created_at)} ago"

    @display(description="Expires")
    def left(self, obj: Any) -> str:
        """Return when it expires, and in how long."""
        at = f"{obj.expires_at:%Y-%m-%d %H:%M:%S}"
        return f"{at}, in {span(obj.expires_at - datetime.now(UTC))}" if obj.status_now == ApprovalStatus.PENDING else at

    @display(description="Status", label=_COLOURS)
    def state(self, obj: Any) -> str:
        """Return where it stands now."""
        return "waits" if obj.status_now == ApprovalStatus.PENDING else obj.status_now

    @display(description="Who decides")
    def who_decides(self, obj: Any) -> str:
        """Return whether the viewer may decide, or who may."""
        if obj.is_own:
            return OWN
        return (
            "You can approve or reject it."
            if obj.viewer.has_perm(DECIDE_PERMISSION)
            else "Whoever has the role approver, but not who asked."
        )

    @display(description="Decided by")
    def decided_by_link(self, obj: Any) -> str:
        """Return who decided."""
        return _linked(obj.decider)

    @display(description="Transfer")
    def transfer_link(self, obj: Any) -> str:
        """Return the transfer that it posted, as a link for whoever may open it."""
        if obj.transfer_id is None:
            return "—"
        may_open = obj.viewer.has_perm("transfers.view_transfer")
        return object_link("transfers_transfer", obj.transfer_id, str(obj.transfer_id)) if may_open else str(obj.transfer_id)

    @display(description="Balances")
    def balances(self, obj: Approval) -> str:
        """Return what the transfer did to the balances of its parties."""
        return (posted_balances(obj.transfer_id) if obj.transfer_id else "") or "—"

    @display(description="The ledger refused it")
    def failure(self, obj: Approval) -> str:
        """Return why it failed."""
        return f"{obj.failure_detail} ({obj.failure_code})"

    # --- panels and actions -----------------------------------------------------------------------

    def panels(self, request: HttpRequest, obj: Any) -> list[Panel]:
        """Return what it would do now, if it waits; the command; and its history."""
        del request
        effect = effect_panels(effect_of(decode(obj.operation))) if obj.status_now == ApprovalStatus.PENDING else []
        return [*effect, _history(obj), _command(obj)]

    def possible_actions(self, obj: Any) -> Collection[str]:
        """Offer the decision about what waits, but not to who asked."""
        return set() if obj.is_own or obj.status_now != ApprovalStatus.PENDING else set(self.actions_detail)

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may decide."""
        del object_id
        return request.user.has_perm(DECIDE_PERMISSION)

    @action(description="Approve", url_path="approve", permissions=["decide"])
    def approve_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have the command carried out."""
        return decide(self, request, self.wanted_object(request, object_id), Verb.APPROVE)

    @action(description="Reject", url_path="reject", permissions=["decide"])
    def reject_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Reject the command, for a reason."""
        return decide(self, request, self.wanted_object(request, object_id), Verb.REJECT)


def _linked(cell: Cell) -> str:
    return format_html('<a href="{}">{}</a>', cell.url, cell.text) if cell.url else cell.text


def _history(obj: Any) -> Panel:
    """Return what happened to an approval, and by whom."""
    rows = [[Cell(f"{obj.created_at:%Y-%m-%d %H:%M:%S}"), Cell("asked for"), obj.asker, Cell(obj.reason)]]
    if obj.decided_at is not None:
        words = {"failed": "approved, and refused by the ledger"}.get(obj.status, obj.status)
        why = obj.decision_reason or obj.failure_detail
        who = obj.decider if obj.decided_by else Cell("nobody")
        rows.append([Cell(f"{obj.decided_at:%Y-%m-%d %H:%M:%S}"), Cell(words), who, Cell(why)])
    return Panel("History", ("When (UTC)", "What", "Who", "Reason"), rows)


def _command(obj: Approval) -> Panel:
    """Return each value of the command, as it was asked for, and what it is known by."""
    kept = json.loads(obj.operation)
    known_by = [("Approval", str(obj.id)), ("Request", obj.request_id), ("SHA-256 of the command", bytes(obj.fingerprint).hex())]
    rows = [[Cell(name), Cell(value)] for name, value in [*known_by, *_values(kept["command"])]]
    return Panel(f"The command, as it is kept: {kept['type']}", ("Value", "Is"), rows)


def _values(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Return the values inside a value, each by its path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _values(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value, 1):
            yield from _values(inner, f"{name} {place}")
    elif value not in (None, {}, [], ""):
        yield name, str(value)
