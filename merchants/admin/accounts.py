"""Accounts in the admin: the statement, its export, freeze, and the overdraft limit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from approvals.domain.operations import SetOverdraft
from console.amounts import shown
from console.outcomes import asked_instead
from console.pages import ExactSearch, amount_column, object_link
from console.panels import Panel
from console.questions import Done, Question, ReasonForm, ask
from console.statements import StatementFilters, statement_panel
from ledger_project.kernel.ids import id_in
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, parse_major
from merchants.admin.list_bars import ACCOUNT_COLUMNS, AccountBar
from merchants.admin.statements import choose_statements, statements_page, statements_zip
from merchants.admin.states import STATUS_COLOURS, possible_changes, require_change
from merchants.domain import AccountKind, MerchantIdentity, Status
from merchants.models import Account, Merchant
from merchants.selectors import known_currency
from merchants.services import set_account_status, set_overdraft_limit
from transfers.admin.cash import CashAdmin
from transfers.selectors.balances import balance_at, last_balance
from transfers.statements.camt053 import NotRepresentable
from transfers.statements.formats import StatementFormat, statement_file


class OverdraftForm(ReasonForm):
    """How far below zero a wallet may go."""

    limit = forms.CharField(
        max_length=80, strip=False, widget=UnfoldAdminTextInputWidget(), help_text="In major units; 0 takes the overdraft away."
    )
    field_order = ("limit", "reason")

    def __init__(self, *args: Any, unit: CurrencyUnit, **kwargs: Any) -> None:
        self.unit = unit
        super().__init__(*args, **kwargs)

    def clean_limit(self) -> int:
        """Return the limit in minor units."""
        try:
            return parse_major(self.cleaned_data["limit"], self.unit)
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from None


@admin.register(Account)
class AccountAdmin(ExactSearch, CashAdmin):
    """An account: its statement and its export; changes of status and overdraft limit."""

    list_display = ("merchant", "currency", "kind", "state", "balance", "created_at")
    list_filter = (AccountBar,)
    exported = ACCOUNT_COLUMNS
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = "Part of the merchant's name, or an account's id."
    list_select_related = ("merchant", "currency")
    ordering = ("-id",)
    readonly_fields = ("merchant_link", "currency", "kind", "state", "balance", "overdraft_limit", "id", "created_at")
    fields = readonly_fields
    overdraft_limit = amount_column("overdraft_limit_minor", "Overdraft limit")
    actions_detail = (*CashAdmin.cash_actions, "freeze", "unfreeze", "overdraft")
    actions = ("statements",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Add the balance of each account: one look-up for each row that is shown."""
        queryset: QuerySet[Account] = super().get_queryset(request).select_related("merchant", "currency")
        return queryset.annotate(balance_minor=last_balance(F("pk")))

    def export_rows(self, request: HttpRequest, keys: Sequence[Any]) -> list[Any]:
        """Return accounts with the balances that the list shows: those of now, or of a moment."""
        bar = AccountBar(request, dict(request.GET.lists()), Account, self)
        moment = bar.moment_of_balance()
        rows = self.get_queryset(request) if moment is None else Account.objects.annotate(balance_minor=balance_at(F("pk"), moment))
        found = rows.select_related("merchant").in_bulk(list(keys))
        return [found[key] for key in keys if key in found]

    def search_for(self, queryset: QuerySet[Account], text: str) -> QuerySet[Account]:
        """Find by id, or by a part of the merchant's name."""
        wanted = id_in(text)
        if wanted is not None:
            return queryset.filter(id=wanted)
        named = list(Merchant.objects.filter(name__icontains=text).values_list("id", flat=True)[:200])
        return queryset.filter(merchant_id__in=named)

    @display(description="Balance")
    def balance(self, obj: Account) -> str:
        """Return the balance in major units; zero for an account without entries."""
        return shown(int(getattr(obj, "balance_minor", 0) or 0), known_currency(obj.currency_id))

    @display(description="Status", label=STATUS_COLOURS)
    def state(self, obj: Account) -> str:
        """Return the status of the account, and that of its merchant unless it is active."""
        return obj.status if obj.merchant.status == Status.ACTIVE else f"{obj.status}, merchant {obj.merchant.status}"

    @display(description="Merchant")
    def merchant_link(self, obj: Account) -> str:
        """Return a link to the merchant."""
        return object_link("merchants_merchant", obj.merchant_id, obj.merchant.name)

    def panels(self, request: HttpRequest, obj: Account) -> list[Panel]:
        """Return one page of the statement."""
        return [statement_panel(request, obj)]

    def possible_actions(self, obj: Account) -> Collection[str]:
        """Offer what the status allows; only a wallet has an overdraft limit."""
        overdraft = {"overdraft"} if obj.kind == AccountKind.WALLET else set()
        return possible_changes(obj.status, overdraft | self.possible_cash(obj))

    def get_urls(self) -> list[Any]:
        """Add the files of the statement, and the page for several accounts."""
        wrap = self.admin_site.admin_view
        exports = [
            path("statements/", wrap(statements_page), name="account_statements"),
            path("statements/statements.zip", wrap(statements_zip), name="account_statements_zip"),
            path("<path:object_id>/export.csv", wrap(self.export), {"form": StatementFormat.CSV}, name="account_csv"),
            path("<path:object_id>/statement.pdf", wrap(self.export), {"form": StatementFormat.PDF}, name="account_pdf"),
            path("<path:object_id>/statement.xml", wrap(self.export), {"form": StatementFormat.CAMT053}, name="account_camt053"),
        ]
        return [*exports, *super().get_urls()]

    @action(description="Statements of these accounts (ZIP)")
    def statements(self, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
        """Go to the page for the statements of the accounts that are checked."""
        return choose_statements(request, queryset)

    def export(self, request: HttpRequest, object_id: str, form: StatementFormat) -> HttpResponseBase:
        """Return the statement of the days as a file; or the account's page, which says what is
        wrong with them.
        """
        account: Account = self.wanted_object(request, object_id)
        if not self.has_view_permission(request, account):
            raise PermissionDenied
        filters = StatementFilters.of(request)
        problem = filters.problem
        if not problem and filters.entry_type and form is not StatementFormat.CSV:
            problem = f"{form.words} holds a statement as a whole. Only CSV can be of one type of entry."
        if not problem:
            try:
                days = filters.days
                return statement_file(form, filters.period(account), start=days.start, end=days.end, entry_type=filters.entry_type)
            except NotRepresentable as error:
                problem = f"{error}."
        messages.error(request, f"No file was made. {problem}")
        return HttpResponseRedirect(f"{reverse('admin:merchants_account_change', args=[object_id])}?{request.GET.urlencode()}")

    def has_freeze_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may freeze and unfreeze."""
        return request.user.has_perm("merchants.freeze_merchant")

    def has_overdraft_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may set overdraft limits."""
        return request.user.has_perm("merchants.set_overdraft")

    @action(description="Overdraft", url_path="overdraft", permissions=["overdraft"])
    def overdraft(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Set how far below zero the wallet may go."""
        account: Account = self.wanted_object(request, object_id)
        if account.kind != AccountKind.WALLET:
            raise Http404
        unit = known_currency(account.currency_id)

        def wanted(values: dict[str, Any]) -> SetOverdraft:
            merchant = MerchantIdentity(account.merchant_id, account.merchant.name)
            return SetOverdraft(account.id, merchant, unit, values["limit"], values["reason"])

        def change(values: dict[str, Any]) -> Done:
            asked = asked_instead(request, wanted(values), values)
            if asked is not None:
                return asked
            require_change(set_overdraft_limit(account.id, values["limit"]), account)
            return Done(f"Overdraft limit {shown(values['limit'], unit)}")

        explanation = (
            f"The {account.currency_id} wallet of {account.merchant.name} may go so far below zero; now {self.overdraft_limit(account)}."
            " A limit below what is spent of it already is taken: nothing more is spent."
        )

        def understood(values: Mapping[str, Any]) -> str:
            return "" if values["limit"] is None else f"The limit will be {shown(values['limit'], unit)}."

        question = Question(
            "Set the overdraft limit",
            explanation,
            change,
            partial(OverdraftForm, unit=unit),
            understood=understood,
            operation=wanted,
            did="Overdraft limit",
        )
        return ask(self, request, account, question, reverse("admin:merchants_account_change", args=[object_id]))

    def _ask(self, request: HttpRequest, object_id: str, title: str, status: Status) -> HttpResponse:
        account: Account = self.wanted_object(request, object_id)

        did = "Frozen" if status is Status.FROZEN else "Unfrozen"

        def change(_values: dict[str, Any]) -> Done:
            require_change(set_account_status(account.id, status), account)
            return Done(f"{did} with {self.balance(account)}")

        moves = "will not move" if status is Status.FROZEN else "can move again"
        question = Question(
            f"{title} this account",
            f"The {account.currency_id} {account.kind} account of {account.merchant.name}.",
            change,
            understood=lambda _values: f"{self.balance(account)} {moves}.",
            did=did,
        )
        return ask(self, request, account, question, reverse("admin:merchants_account_change", args=[object_id]))

    @action(description="Freeze", url_path="freeze", permissions=["freeze"])
    def freeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Freeze the account: no money moves in or out."""
        return self._ask(request, object_id, "Freeze", Status.FROZEN)

    @action(description="Unfreeze", url_path="unfreeze", permissions=["freeze"])
    def unfreeze(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Unfreeze the account: money moves again."""
        return self._ask(request, object_id, "Unfreeze", Status.ACTIVE)
