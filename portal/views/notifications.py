"""Where a merchant's receipts go by mail."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from ledger_project.kernel.actors import Scope
from ledger_project.kernel.errors import LedgerError
from merchants.models import Merchant
from merchants.services import change_merchant
from portal.members import Member, member_of
from portal.settings_pages import refused, settings_page, unfit


class AddressForm(forms.Form):
    """The address for receipts; empty for none."""

    receipt_email = forms.EmailField(
        label="Address for receipts",
        required=False,
        max_length=254,
        help_text="After each movement, a receipt goes there as PDF. Leave it empty to get none.",
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notifications(request: HttpRequest, merchant_name: str) -> HttpResponse:
    """Show and set the address for receipts."""
    member = member_of(request, merchant_name)
    member.require(Scope.MERCHANTS_WRITE if request.method == "POST" else Scope.MERCHANTS_READ)
    known = Merchant.objects.values_list("receipt_email", flat=True).get(id=member.merchant.id)
    form = AddressForm(request.POST or None, initial={"receipt_email": known or ""})
    if request.method != "POST":
        return settings_page(request, member, "settings", {"form": form, "known": known})
    if not form.is_valid():
        return settings_page(request, member, "settings", {"form": form, "known": known}, notices=unfit(form))
    return _change(request, member, form, known)


def _change(request: HttpRequest, member: Member, form: AddressForm, known: str | None) -> HttpResponse:
    address = form.cleaned_data["receipt_email"] or None
    try:
        change_merchant(member.merchant.id, {"receipt_email": address})
    except LedgerError as error:
        return settings_page(request, member, "settings", {"form": form, "known": known}, notices=refused(form, error))
    messages.success(request, f"Receipts go to {address} now." if address else "No receipts are mailed now.")
    return redirect("portal:settings", member.merchant.name)
