"""Memberships in the admin: rows of a user, with the merchant by its name.

The form that invites somebody has a first one.
"""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from merchants.domain import MerchantIdentity
from merchants.models import Merchant
from merchants.selectors import identify_now
from people.domain import Role
from people.models import Membership
from people.services.users import NewUser

_ROLES = [(role.value, role.value) for role in Role]


def _merchant_named(name: str) -> MerchantIdentity | None:
    """Return the merchant of a form; None for an empty text. Raises ``ValidationError``."""
    merchant = identify_now(names=[name]).merchant(name) if name else None
    if name and merchant is None:
        raise forms.ValidationError(f"There is no merchant named {name!r}.")
    return merchant


class InvitationForm(forms.Form):
    """Somebody who is to be invited, and a role at one merchant."""

    email = forms.EmailField(max_length=254, widget=UnfoldAdminEmailInputWidget(), help_text="The invitation goes there.")
    name = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget(), help_text="As the person wants to be called.")
    merchant = forms.CharField(
        max_length=64, required=False, widget=UnfoldAdminTextInputWidget(), help_text="Its name; empty: memberships come later."
    )
    role = forms.ChoiceField(choices=_ROLES, widget=UnfoldAdminSelectWidget())

    def clean_merchant(self) -> MerchantIdentity | None:
        """Return the merchant of that name."""
        return _merchant_named(self.cleaned_data["merchant"])

    def new_user(self) -> NewUser:
        """Return who is to be invited."""
        values = self.cleaned_data
        merchant: MerchantIdentity | None = values["merchant"]
        return NewUser(values["email"], values["name"], [] if merchant is None else [(merchant.name, Role(values["role"]))])


class MembershipForm(forms.ModelForm):
    """A membership, with the merchant by its name. The merchant of a membership stays."""

    merchant = forms.CharField(max_length=64, widget=UnfoldAdminTextInputWidget())

    class Meta:
        model = Membership
        fields = ("merchant", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["merchant"] = self.instance.merchant.name
            self.fields["merchant"].disabled = True

    def clean_merchant(self) -> Merchant:
        """Return the merchant of that name."""
        found = _merchant_named(self.cleaned_data["merchant"])
        assert found is not None  # the field is required
        return Merchant.objects.get(id=found.id)


class MembershipInline(TabularInline):
    """The merchants for which a user acts."""

    model = Membership
    form = MembershipForm
    fields = ("merchant", "role")
    extra = 0
