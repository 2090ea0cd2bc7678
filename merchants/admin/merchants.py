"""Merchants in the admin: balances and movements; freeze, close and waive fees with a reason."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.http import content_disposition_header
from unfold.decorators import action, display

from console.pages import ReadOnlyAdmin
from console.panels import Cell, Panel, StatementFilters, balances_panel, movements_panel, open_holds_panel, presets
from console.questions import Done, Question, ask
from fees.services import waive
from merchants.admin.states import STATUS_COLOURS, money_of, possible_changes, require_change
from merchants.domain import AccountKind, Status
from merchants.models import Account, Merchant
from merchants.services import set_merchant_status
from transfers.admin.refusals import refusals_panel
from transfers.services.merchant_closure import close_merchant
from transfers.statements.archive import statements_zip

Change = Callable[[Merchant, dict[str, Any]], str]


@admin.register(Merchant)
class MerchantAdmin(ReadOnlyAdmin):
    """A merchant: its balances, recent movements and open holds; changes of its status, with a
    reason.
    """

    list_display = ("name", "display_name", "state", "created_at")
    list_filter = ("status",)
    search_fields = ("name",)
    ordering = ("-id",)
    readonly_fields = ("name", "display_name", "receipt_email", "state", "id", "metadata", "created_at")
    fields = readonly_fields
    actions_detail = ("freeze", "unfreeze", "close", "waive_fees")

    @display(description="Status", label=STATUS_COLOURS)
    def state(self, obj: Merchant) -> str:
        """Return the status."""
        return obj.status

    def panels(self, request: HttpRequest, obj: Merchant) -> list[Panel]:
        """Return balances, open holds, the newest entries and refusals, with links to the lists."""
        links = [
            Cell("All accounts", f"{reverse('admin:merchants_account_changelist')}?q={obj.name}"),
            Cell("All holds", f"{reverse('admin:transfers_hold_changelist')}?q={obj.name}"),
            Cell("Fee schedules", f"{reverse('admin:fees_feeschedule_changelist')}?q={obj.name}"),
            Cell("A new fee version", f"{reverse('admin:fee_append')}?merchant={obj.name}"),
        ]
        if request.user.has_perm("merchants.view_account"):
            archive = reverse("admin:merchant_statements", args=[obj.id])
            links += [Cell(f"Statements of all wallets, {preset.text.lower()} (ZIP)", f"{archive}{preset.url}") for preset in presets()]
        return [replace(balances_panel(obj), links=links), *open_holds_panel(obj), movements_panel(obj), *refusals_panel(request, obj)]

    def get_urls(self) -> list[Any]:
        """Add the statements of all wallets."""
        wrap = self.admin_site.admin_view
        return [path("<path:object_id>/statements.zip", wrap(self.statements), name="merchant_statements"), *super().get_urls()]

    def statements(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Return the statements of all wallets as a ZIP of CSV; for a wrong period, the merchant's
        page, which says what is wrong.
        """
        merchant: Merchant = self.wanted_object(request, object_id)
        if not request.user.has_perm("merchants.view_account"):
            raise PermissionDenied
        filters = replace(StatementFilters.of(request), entry_type="")
        if filters.problem:
            messages.error(request, f"No file was made. {filters.problem}")
            return HttpResponseRedirect(reverse("admin:merchants_merchant_change", args=[object_id]))
        wallets = Account.objects.filter(merchant=merchant, kind=AccountKind.WALLET).select_related("merchant").order_by("currency")
        response = statements_zip([(filters.file_name(wallet, "csv"), filters.period(wallet)) for wallet in wallets])
        first, last = filters.days(merchant.created_at)
        name = f"statements-{merchant.name}-{first}-to-{last}.zip"
        response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
        return response

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
    ) -> HttpResponse:
        merchant: Merchant = self.wanted_object(request, object_id)
        question = Question(
            f"{title} {merchant.name}",
            explanation,
            lambda values: Done(change(merchant, values)),
            understood=None if money is None else lambda _values: money(merchant),
            did=did,
        )
        return ask(self, request, merchant, question, reverse("admin:merchants_merchant_change", args=[object_id]))

    @action(description="Freeze", url_path="freeze", permissions=["freeze"])
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Freeze the merchant: no money moves in or out of any of its accounts."""

        def change(merchant: Merchant, values: dict[str, Any]) -> str:
            del values
            require_change(set_merchant_status(merchant.id, Status.FROZEN), merchant)
            return f"Frozen with {money_of(merchant)}"

        explanation = "No money will move in or out of any of its accounts, until it is unfrozen."
        return self._ask(request, object_id, "Freeze", explanation, change, did="Frozen", money=lambda m: f"{money_of(m)} will not move.")

    @action(description="Unfreeze", url_path="unfreeze", permissions=["freeze"])
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

        def change(merchant: Merchant, values: dict[str, Any]) -> str:
            del values
            require_change(close_merchant(merchant.id), merchant)
            return "Closed"

        return self._ask(request, object_id, "Close", "For good; only a merchant that holds nothing can be closed.", change, did="Closed")

    @action(description="Waive fees", url_path="waive", permissions=["waive"])
    def waive_fees(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Append a schedule of zero, in force from now on."""

        def change(merchant: Merchant, values: dict[str, Any]) -> str:
            user = request.user
            schedule = waive(merchant_id=merchant.id, currency=None, by=user, note=values["reason"])  # type: ignore[arg-type]  # it is logged in
            return f"Fees waived (schedule version {schedule.version})"

        return self._ask(
            request, object_id, "Waive fees of", "It will pay no fees from now on, in any currency.", change, did="Fees waived"
        )
