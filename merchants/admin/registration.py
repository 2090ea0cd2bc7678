"""New merchants by operators: a page that the list of merchants leads to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from console.amounts import shown
from console.balances import expected_balances, posted_balances
from console.outcomes import Done, posting
from console.pages import ReadOnlyAdmin
from console.posting_forms import CurrencyField, PostingForm, amount_field, typed_amount
from console.postings import details_for
from console.questions import Question, ask
from ledger_project.kernel.money import CurrencyUnit, format_minor
from merchants.domain import NAME_PATTERN
from merchants.models import Merchant
from merchants.selectors import identify_now
from transfers.domain.commands import RegisterMerchant
from transfers.services.registration import RegistrationRequest, build_registration

_NAME = re.compile(NAME_PATTERN, re.ASCII)


class RegistrationForm(PostingForm):
    """A new merchant with a wallet. ``may_deposit`` says whether the user may give it money."""

    name = forms.CharField(
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Letters, digits, “_”, “-” and “.”, beginning with a letter or a digit. It never changes.",
    )
    display_name = forms.CharField(
        required=False, max_length=200, widget=UnfoldAdminTextInputWidget(), help_text="What people call it. Optional."
    )
    receipt_email = forms.EmailField(
        required=False,
        max_length=254,
        widget=UnfoldAdminEmailInputWidget(),
        label="E-mail for receipts",
        help_text="Receipts of its transfers are mailed there. Optional.",
    )
    currency = CurrencyField(help_text="Of its first wallet.")
    opening = amount_field(
        required=False, label="Opening balance", help_text="A deposit: money that came from outside already. Empty is none."
    )
    field_order = ("name", "display_name", "receipt_email", "currency", "opening", "reason")

    def __init__(self, *args: Any, may_deposit: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_deposit:
            del self.fields["opening"]

    def clean_name(self) -> str:
        """Return the name if it can be one."""
        name: str = self.cleaned_data["name"]
        if _NAME.fullmatch(name) is None:
            raise forms.ValidationError("1 to 64 letters, digits, “_”, “-” or “.” are expected, beginning with a letter or a digit.")
        return name

    def clean_display_name(self) -> str | None:
        """Return the name for people, None for an empty one. It has one line."""
        name: str = self.cleaned_data["display_name"]
        if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in name):
            raise forms.ValidationError("Control characters and line breaks are not allowed.")
        return name or None

    def clean_opening(self) -> int:
        """Return the opening balance in minor units."""
        unit: CurrencyUnit | None = self.cleaned_data.get("currency")
        text = self.cleaned_data["opening"]
        return typed_amount(text, unit) if text and unit is not None else 0


class RegistrationAdmin(ReadOnlyAdmin):
    """An admin of merchants with the page that registers one."""

    actions_list = ("register_action",)

    def has_register_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may register merchants."""
        del object_id
        return request.user.has_perm("merchants.add_merchant")

    @action(description="Register a merchant", url_path="register", permissions=["register"])
    def register_action(self, request: HttpRequest) -> HttpResponse:
        """Register a merchant, with a wallet and perhaps an opening balance."""
        return ask(self, request, None, registration_question(request), reverse("admin:merchants_merchant_changelist"))


def registration_question(request: HttpRequest) -> Question:
    """Return the question before a registration. An opening balance needs the permission of a
    deposit.
    """

    def command(values: dict[str, Any]) -> RegisterMerchant:
        unit: CurrencyUnit = values["currency"]
        wanted = RegistrationRequest(
            merchant_name=values["name"],
            currency=unit.code,
            initial_balance=format_minor(values.get("opening") or 0, unit.exponent),
            details=details_for(request, values["reason"]),
            display_name=values["display_name"],
            receipt_email=values["receipt_email"] or None,
        )
        return build_registration(wanted, unit)

    def told(transfer_id: UUID | None, values: dict[str, Any]) -> Done:
        page = reverse("admin:merchants_merchant_change", args=[_registered(values).pk])
        if transfer_id is None:
            return Done(f"Registered {values['name']} with an empty {values['currency'].code} wallet", page=page)
        opening = shown(values["opening"], values["currency"])
        return Done(f"Registered {values['name']} with {opening} by {transfer_id}", numbers=posted_balances(transfer_id), page=page)

    return Question(
        "Register a merchant",
        "A merchant holds money and pays and receives. It stays for good: it can be closed, not deleted.",
        posting(request, command, told),
        partial(RegistrationForm, may_deposit=request.user.has_perm("transfers.deposit_transfer")),
        is_posting=True,
        operation=command,
        understood=_understood,
        state=lambda values: expected_balances(command({"reason": "", **values})) if _is_complete(values) else "",
        repeats="Registered ",
        about=_find,
    )


def _find(values: Mapping[str, Any]) -> Merchant | None:
    """Return the merchant of that name, if there is one."""
    found = identify_now(names=[values["name"]]).merchant(values["name"])
    return None if found is None else Merchant.objects.get(id=found.id)


def _registered(values: Mapping[str, Any]) -> Merchant:
    """Return the merchant that the form has registered."""
    found = _find(values)
    if found is None:
        raise LookupError(values["name"])
    return found


def _is_complete(values: Mapping[str, Any]) -> bool:
    return bool(values.get("name")) and isinstance(values.get("currency"), CurrencyUnit)


def _understood(values: Mapping[str, Any]) -> str:
    """Return in words what a registration with these values would do."""
    if not _is_complete(values):
        return "No name and no currency yet."
    name, unit = values["name"], values["currency"]
    called = f" ({values['display_name']})" if values.get("display_name") else ""
    receipts = f" Receipts go to {values['receipt_email']}." if values.get("receipt_email") else ""
    wallet = f"{name}{called} is registered with a {unit.code} wallet"
    if not values.get("opening"):
        return f"{wallet}, which is empty.{receipts}"
    return f"{wallet}, and {shown(values['opening'], unit)} comes from outside into it.{receipts}"
