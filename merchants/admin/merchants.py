"""Merchants in the admin: balances and movements; freeze, close and waive fees with a reason."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from unfold.decorators import action, display

from approvals.domain.operations import AppendVersion, CloseMerchant, Operation
from approvals.services.operations import version_of
from console.completion import names_view
from console.lists import NarrowedList
from console.merchant_filter import list_of
from console.merchant_panels import balances_panel, movements_panel, open_holds_panel
from console.outcomes import asked_instead
from console.panels import Cell, Panel
from console.questions import Done, Question, ask
from fees.admin.in_force import fees_panel
from fees.models import FeeSchedule
from fees.services import append_schedule, waiver
from merchants.admin.balance_chart import chart_panel
from merchants.admin.list_bars import MERCHANT_COLUMNS, MerchantBar, MerchantList, merchants_with_money, money_in_words
from merchants.admin.money_links import money_links
from merchants.admin.registration import RegistrationAdmin
from merchants.admin.sections import sections
from merchants.admin.statements import statements_address
from merchants.admin.states import STATUS_COLOURS, money_of, possible_changes, require_change
from merchants.admin.status_record import status_since
from merchants.domain import MerchantIdentity, Status
from merchants.models import Merchant
from merchants.services import set_merchant_status
from transfers.admin.refusals import refusals_panel
from transfers.services.merchant_closure import close_merchant

Change = Callable[[Merchant, dict[str, Any]], str]
"""Makes a change, and says what it did."""

CAREFUL = {"data-tone": "careful"}
"""An action that stops money until it is taken back."""

CLOSING = (
    "It is closed for good: no money moves in or out of any of its accounts again, and nobody can open it again. "
    "Only a merchant that holds nothing and has no open hold can be closed. Its history stays."
)


@admin.register(Merchant)
class MerchantAdmin(RegistrationAdmin):
    """A merchant: its balances, recent movements and open holds; changes of its status, with a
    reason.
    """

    list_display = ("name", "display_name", "state", "money", "moved_at", "created_at")
    list_filter = (MerchantBar,)
    exported = MERCHANT_COLUMNS
    search_fields = ("name",)
    ordering = ("-id",)
    readonly_fields = ("name", "display_name", "state", "since", "receipt_email", "id", "metadata", "created_at")
    fields = readonly_fields
    change_form_outer_after_template = "ledger/merchant.html"
    actions_detail = ("waive_fees", "freeze", "unfreeze", "close")

    @display(description="Status", label=STATUS_COLOURS)
    def state(self, obj: Merchant) -> str:
        """Return the status."""
        return obj.status

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NarrowedList]:
        """Return a list that knows what each of its merchants has."""
        del request, kwargs
        return MerchantList

    def export_rows(self, request: HttpRequest, keys: Sequence[Any]) -> list[Any]:
        """Return merchants with what they have."""
        return merchants_with_money(list(super().export_rows(request, keys)), request)

    @display(description="Balance, held money with it")
    def money(self, obj: Merchant) -> str:
        """Return what it has, in the chosen currency or in that which moved last."""
        found = getattr(obj, "money_found", None)
        return "" if found is None else money_in_words(found)

    @display(description="Last movement")
    def moved_at(self, obj: Merchant) -> datetime | None:
        """Return when its money last moved."""
        found = getattr(obj, "money_found", None)
        return None if found is None else found.moved_at

    @display(description="Status since")
    def since(self, obj: Merchant) -> str:
        """Return since when it has its status, by whom, and why."""
        return status_since(obj)

    def panels(self, request: HttpRequest, obj: Merchant) -> list[Panel]:
        """Return what is known of a merchant, newest first, each with a link to the whole list."""
        balances = balances_panel(obj)
        currencies = [row[0].text for row in balances.rows]
        links = [*money_links(request, obj), Cell("All accounts", list_of("merchants_account", obj.name, kind="every"))]
        if request.user.has_perm("merchants.view_account"):
            links.append(Cell("Statements of all wallets (ZIP)", statements_address(obj)))
        return [
            replace(balances, links=links),
            *chart_panel(request, obj, currencies),
            *open_holds_panel(obj),
            movements_panel(obj),
            *refusals_panel(request, obj),
            fees_panel(obj, currencies),
            *sections(request, obj),
        ]

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer at the top what can be taken back; closing is at the end of the page, apart."""
        return [offered for offered in super().get_actions_detail(request, object_id) if offered.method.__name__ != "close"]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a merchant, and at the end what closing it would do, if the user may close it."""
        obj = self.get_object(request, object_id)
        can_close = obj is not None and self.has_freeze_permission(request) and "close" in self.possible_actions(obj)
        close = f"{reverse('admin:merchants_merchant_change', args=[object_id]).removesuffix('change/')}close/" if can_close else ""
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "close_url": close, "closing": CLOSING})

    def get_urls(self) -> list[Any]:
        """Add the names that fields suggest."""
        return [path("names/", self.admin_site.admin_view(names_view), name="ledger_names"), *super().get_urls()]

    def possible_actions(self, obj: Merchant) -> Collection[str]:
        """Offer what the status allows."""
        return possible_changes(obj.status, {"close", "waive_fees"})

    def has_freeze_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may freeze, unfreeze and close."""
        return request.user.has_perm("merchants.freeze_merchant")

    def has_waive_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may waive fees."""
        return request.user.has_perm("fees.add_feeschedule")

    def _ask(
        self,
        request: HttpRequest,
        object_id: str,
        title: str,
        explanation: str,
        change: Change,
        *,
        did: str,
        money: Callable[[Merchant], str] | None = None,
        operation: Callable[[Merchant, dict[str, Any]], Operation] | None = None,
        is_final: bool = False,
    ) -> HttpResponse:
        merchant: Merchant = self.wanted_object(request, object_id)

        def perform(values: dict[str, Any]) -> Done:
            asked = None if operation is None else asked_instead(request, operation(merchant, values), values)
            if asked is not None:
                return asked
            return Done(change(merchant, values))

        question = Question(
            f"{title} {merchant.name}",
            explanation,
            perform,
            understood=None if money is None else lambda _values: money(merchant),
            did=did,
            operation=None if operation is None else partial(operation, merchant),
            is_final=is_final,
        )
        return ask(self, request, merchant, question, reverse("admin:merchants_merchant_change", args=[object_id]))

    @action(description="Freeze", url_path="freeze", permissions=["freeze"], icon="pause", attrs=CAREFUL)
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Freeze the merchant: no money moves in or out of any of its accounts."""

        def change(merchant: Merchant, values: dict[str, Any]) -> str:
            del values
            require_change(set_merchant_status(merchant.id, Status.FROZEN), merchant)
            return f"Frozen with {money_of(merchant)}"

        explanation = "No money will move in or out of any of its accounts, until it is unfrozen."
        return self._ask(request, object_id, "Freeze", explanation, change, did="Frozen", money=lambda m: f"{money_of(m)} will not move.")

    @action(description="Unfreeze", url_path="unfreeze", permissions=["freeze"], icon="resume")
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Unfreeze the merchant: money moves again."""

        def change(merchant: Merchant, values: dict[str, Any]) -> str:
            del values
            require_change(set_merchant_status(merchant.id, Status.ACTIVE), merchant)
            return f"Unfrozen with {money_of(merchant)}"

        explanation = "Money will move in and out of its accounts again."
        return self._ask(
            request, object_id, "Unfreeze", explanation, change, did="Unfrozen", money=lambda m: f"{money_of(m)} can move again."
        )

    @action(description="Close for good", url_path="close", permissions=["freeze"])
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close the merchant for good, if it holds nothing."""

        def operation(merchant: Merchant, values: dict[str, Any]) -> CloseMerchant:
            return CloseMerchant(MerchantIdentity(merchant.id, merchant.name), values["reason"])

        def change(merchant: Merchant, values: dict[str, Any]) -> str:
            del values
            require_change(close_merchant(merchant.id), merchant)
            return "Closed"

        return self._ask(request, object_id, "Close", CLOSING, change, did="Closed", operation=operation, is_final=True)

    @action(description="Waive fees", url_path="waive", permissions=["waive"], icon="percent")
    def waive_fees(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Append a schedule of zero, in force from now on."""

        def draft(merchant: Merchant, values: dict[str, Any]) -> FeeSchedule:
            return waiver(merchant_id=merchant.id, currency=None, note=values["reason"])

        def operation(merchant: Merchant, values: dict[str, Any]) -> AppendVersion:
            return version_of(draft(merchant, values), merchant_name=merchant.name, at_once=True)

        def change(merchant: Merchant, values: dict[str, Any]) -> str:
            schedule = append_schedule(draft(merchant, values), by=request.user)  # type: ignore[arg-type]  # it is logged in
            return f"Fees waived (schedule version {schedule.version})"

        explanation = "It will pay no fees from now on, in any currency."
        return self._ask(request, object_id, "Waive fees of", explanation, change, did="Fees waived", operation=operation)
