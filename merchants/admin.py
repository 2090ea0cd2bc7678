"""Merchants, their accounts and currencies in the admin: look up, follow the money, freeze with a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action

from fees.services import waive
from ledger_project.admin_base import Cell, Panel, Question, ReadOnlyAdmin, ask
from ledger_project.kernel.money import Money
from merchants.admin_keys import ApiKeyAdmin
from merchants.domain import Status
from merchants.models import Account, Currency, Merchant
from merchants.selectors import known_currency
from merchants.services import set_account_status, set_merchant_status
from transfers.admin_panels import entry_row, statement_panel
from transfers.selectors import get_balances
from transfers.selectors.statements import get_period, period_lines
from transfers.services.closing import close_merchant
from transfers.views.statement_files import csv_response

__all__ = ["AccountAdmin", "ApiKeyAdmin", "CurrencyAdmin", "MerchantAdmin"]


def _amount(amount_minor: int, code: str) -> Cell:
    return Cell(str(Money(amount_minor, known_currency(code))), is_number=True)


@admin.register(Currency)
class CurrencyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Currencies: operators add them and switch them off; code and exponent stay, stored amounts depend on them."""

    list_display = ("code", "name", "exponent", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Currency | None = None) -> tuple[str, ...]:
        """Once there, a currency keeps its code and exponent."""
        del request
        return ("code", "exponent") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Currency | None = None) -> bool:
        """Currencies are switched off, not deleted."""
        return False


@admin.register(Merchant)
class MerchantAdmin(ReadOnlyAdmin):
    """A merchant: balances per currency, recent movements, freeze and unfreeze with a reason, close when empty."""

    list_display = ("name", "status", "created_at")
    list_filter = ("status",)
    search_fields = ("name",)
    ordering = ("-id",)
    readonly_fields = ("id", "name", "status", "metadata", "created_at")
    fields = readonly_fields
    actions_detail = ("freeze", "unfreeze", "close", "waive_fees")

    def panels(self, request: HttpRequest, obj: Merchant) -> list[Panel]:
        """Balances and the newest lines of every wallet."""
        del request
        _, balances = get_balances(obj.id, currency=None, at=None)
        rows = [
            [
                Cell(b.currency.code, reverse("admin:merchants_account_change", args=[b.account_id])),
                _amount(b.available_minor, b.currency.code),
                _amount(b.held_minor, b.currency.code),
                _amount(b.available_minor + b.held_minor, b.currency.code),
            ]
            for b in balances
        ]
        found = [
            line
            for account in Account.objects.filter(merchant=obj, kind="wallet").select_related("merchant")
            for line in period_lines(get_period(account, start=None, end=None), before=None, limit=10)
        ]
        recent = [entry_row(line) for line in sorted(found, key=lambda line: line.created_at, reverse=True)[:20]]
        return [
            Panel("Balances", ("Currency", "Available", "Held", "Balance"), rows),
            Panel("Recent movements", ("When (UTC)", "What", "Counterparty", "Amount", "Balance after", "Memo"), recent),
        ]

    def has_freeze_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may freeze, unfreeze and close."""
        return request.user.has_perm("merchants.freeze_merchant")

    def has_waive_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may waive fees."""
        return request.user.has_perm("fees.add_feeschedule")

    def _ask(self, request: HttpRequest, object_id: str, title: str, explanation: str, change: Any) -> HttpResponse:
        merchant = Merchant.objects.get(id=UUID(object_id))
        question = Question(f"{title} {merchant.name}", explanation, lambda _values: change(merchant))
        return ask(self, request, merchant, question, reverse("admin:merchants_merchant_change", args=[object_id]))

    @action(description="Freeze", url_path="freeze", permissions=["freeze"])
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """No money moves in or out of any of its accounts."""

        def change(merchant: Merchant) -> str:
            set_merchant_status(merchant.id, Status.FROZEN)
            return "Frozen"

        return self._ask(request, object_id, "Freeze", "No money will move in or out of any of its accounts, until it is unfrozen.", change)

    @action(description="Unfreeze", url_path="unfreeze", permissions=["freeze"])
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Money moves again."""

        def change(merchant: Merchant) -> str:
            set_merchant_status(merchant.id, Status.ACTIVE)
            return "Unfrozen"

        return self._ask(request, object_id, "Unfreeze", "Money will move in and out of its accounts again.", change)

    @action(description="Close", url_path="close", permissions=["freeze"])
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For good, when it holds nothing."""

        def change(merchant: Merchant) -> str:
            close_merchant(merchant.id)
            return "Closed"

        return self._ask(request, object_id, "Close", "For good; only a merchant that holds nothing can be closed.", change)

    @action(description="Waive fees", url_path="waive", permissions=["waive"])
    def waive_fees(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A schedule of zero from now on."""

        def change(merchant: Merchant) -> str:
            user = request.user
            schedule = waive(merchant_id=merchant.id, currency=None, by=user, note=request.POST.get("reason", ""))  # type: ignore[arg-type]
            return f"Fees waived (schedule version {schedule.version})"

        return self._ask(request, object_id, "Waive fees of", "It will pay no fees from now on, in any currency.", change)


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """An account: its statement with running balance, its export, freeze and unfreeze with a reason."""

    list_display = ("merchant", "currency", "kind", "status", "created_at")
    list_filter = ("kind", "status")
    search_fields = ("merchant__name__istartswith", "id")
    search_help_text = "Beginning of the merchant's name, or an account's id."
    list_select_related = ("merchant", "currency")
    ordering = ("-id",)
    readonly_fields = ("id", "merchant", "currency", "kind", "status", "overdraft_limit_minor", "created_at")
    fields = readonly_fields
    actions_detail = ("freeze", "unfreeze")

    def panels(self, request: HttpRequest, obj: Account) -> list[Panel]:
        """The statement, by pages."""
        return [statement_panel(request, obj)]

    def get_urls(self) -> list[Any]:
        """Add the export."""
        return [path("<path:object_id>/export.csv", self.admin_site.admin_view(self.export), name="account_export"), *super().get_urls()]

    def export(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Return the whole statement as CSV, streamed."""
        account = self.get_object(request, object_id)
        if account is None or not self.has_view_permission(request, account):
            return HttpResponse(status=404)
        return csv_response(get_period(account, start=None, end=None))

    def has_freeze_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may freeze and unfreeze."""
        return request.user.has_perm("merchants.freeze_merchant")

    def _ask(self, request: HttpRequest, object_id: str, title: str, status: Status) -> HttpResponse:
        account = Account.objects.select_related("merchant").get(id=UUID(object_id))

        def change(_values: dict[str, Any]) -> str:
            set_account_status(account.id, status)
            return "Frozen" if status is Status.FROZEN else "Unfrozen"

        question = Question(
            f"{title} this account", f"The {account.currency_id} {account.kind} account of {account.merchant.name}.", change
        )
        return ask(self, request, account, question, reverse("admin:merchants_account_change", args=[object_id]))

    @action(description="Freeze", url_path="freeze", permissions=["freeze"])
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """No money moves in or out."""
        return self._ask(request, object_id, "Freeze", Status.FROZEN)

    @action(description="Unfreeze", url_path="unfreeze", permissions=["freeze"])
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Money moves again."""
        return self._ask(request, object_id, "Unfreeze", Status.ACTIVE)
