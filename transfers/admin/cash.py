"""Deposits and withdrawals by operators: buttons on the page of a wallet, with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from console.amounts import shown
from console.balances import balance_now, expected_balances, posted_balances
from console.outcomes import Done, posting
from console.pages import ReadOnlyAdmin
from console.posting_forms import PostingForm, amount_field, typed_amount
from console.postings import details_for
from console.questions import Question, ask
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import AccountKind, MerchantIdentity, Status, effective_status
from merchants.models import Account
from merchants.selectors import known_currency
from transfers.domain.commands import Deposit, Withdraw
from transfers.domain.outcome import required

LONGEST_REFERENCE = 255


class CashForm(PostingForm):
    """How much comes or goes, and what the bank calls it."""

    amount = amount_field(help_text="As in 1,050.00 or 1050.00.")
    external_reference = forms.CharField(
        required=False,
        max_length=LONGEST_REFERENCE,
        widget=UnfoldAdminTextInputWidget(),
        label="External reference",
        help_text="As the bank's statement shows it. A wallet takes each one once, so no money is entered twice.",
    )
    field_order = ("amount", "external_reference", "reason")

    def __init__(self, *args: Any, unit: CurrencyUnit, **kwargs: Any) -> None:
        self.unit = unit
        super().__init__(*args, **kwargs)

    def clean_amount(self) -> int:
        """Return the amount in minor units."""
        return typed_amount(self.cleaned_data["amount"], self.unit)


class CashAdmin(ReadOnlyAdmin):
    """An admin of accounts with the actions that bring money into a wallet and out of it."""

    cash_actions = ("deposit_action", "withdraw_action")

    def possible_cash(self, account: Account) -> set[str]:
        """Offer both for an active wallet of an active merchant."""
        is_active = effective_status(account.status, account.merchant.status) is Status.ACTIVE
        return set(self.cash_actions) if account.kind == AccountKind.WALLET and is_active else set()

    def has_deposit_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may deposit."""
        del object_id
        return request.user.has_perm("transfers.deposit_transfer")

    def has_withdraw_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may withdraw."""
        del object_id
        return request.user.has_perm("transfers.withdraw_transfer")

    @action(description="Deposit", url_path="deposit", permissions=["deposit"])
    def deposit_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Bring money from outside into the wallet."""
        return self._move(request, object_id, Deposit)

    @action(description="Withdraw", url_path="withdraw", permissions=["withdraw"])
    def withdraw_action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send money from the wallet to the outside."""
        return self._move(request, object_id, Withdraw)

    def _move(self, request: HttpRequest, object_id: str, movement: type[Deposit] | type[Withdraw]) -> HttpResponse:
        account: Account = self.wanted_object(request, object_id)
        if account.kind != AccountKind.WALLET:
            raise Http404
        question = cash_question(request, account, movement)
        return ask(self, request, account, question, reverse("admin:merchants_account_change", args=[object_id]))


def cash_question(request: HttpRequest, account: Account, movement: type[Deposit] | type[Withdraw]) -> Question:
    """Return the question before a deposit into a wallet or a withdrawal from it."""
    merchant, unit = MerchantIdentity(account.merchant_id, account.merchant.name), known_currency(account.currency_id)
    is_deposit = movement is Deposit
    did, way = ("Deposited", "into") if is_deposit else ("Withdrew", "from")

    def command(values: dict[str, Any]) -> Deposit | Withdraw:
        details = details_for(request, values["reason"], external_reference=values["external_reference"] or None)
        return movement(merchant, unit, values["amount"], details)

    def record(values: Mapping[str, Any]) -> str:
        return f"{did} {shown(values['amount'], unit)} by "

    def told(transfer_id: UUID | None, values: Mapping[str, Any]) -> Done:
        made = required(transfer_id)
        return Done(f"{record(values)}{made}", numbers=posted_balances(made))

    def state(values: Mapping[str, Any]) -> str:
        return balance_now(merchant, unit) if values.get("amount") is None else expected_balances(command({"reason": "", **values}))

    return Question(
        f"{'Deposit' if is_deposit else 'Withdraw'} {unit.code} {way} the wallet of {merchant.name}",
        "Money comes from outside: enter it when it is there. No fee is charged."
        if is_deposit
        else "Money goes to the outside: the ledger only writes it down, so have it sent, too. No fee is charged.",
        posting(request, command, told),
        partial(CashForm, unit=unit),
        is_posting=True,
        operation=command,
        understood=partial(_understood, merchant, unit, is_deposit=is_deposit),
        state=state,
        repeats=record,
    )


def _understood(merchant: MerchantIdentity, unit: CurrencyUnit, values: Mapping[str, Any], *, is_deposit: bool) -> str:
    """Return in words what a deposit or a withdrawal with these values would do."""
    if values.get("amount") is None:
        return "No amount yet."
    amount, wallet = shown(values["amount"], unit), f"the {unit.code} wallet of {merchant.name}"
    words = f"{amount} comes from outside into {wallet}" if is_deposit else f"{amount} goes from {wallet} to the outside"
    reference = values.get("external_reference")
    return f"{words}, with the external reference {reference}." if reference else f"{words}, without an external reference."
