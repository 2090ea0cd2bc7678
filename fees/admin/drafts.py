"""The form that appends a version of a fee schedule."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from console.form_fields import JsonField, decimal_field, whole_number_field
from fees.domain import Payer, Rounding
from fees.models import FeeSchedule
from fees.services import check_draft
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from ledger_project.kernel.days import moment_of
from ledger_project.kernel.errors import ValidationFailed
from merchants.models import Merchant


class DraftForm(forms.ModelForm):
    """A new version of a schedule.

    The operator types the merchant's name: a list to choose from may have a million merchants.
    ``token`` becomes the id of the version, so that a form that is sent twice appends once.
    """

    token = forms.UUIDField(required=False, widget=forms.HiddenInput)
    merchant_name = forms.CharField(
        required=False, label="Merchant", widget=UnfoldAdminTextInputWidget(), help_text="Exact name; empty is everybody."
    )
    rate = decimal_field(Decimal, widget=UnfoldAdminTextInputWidget(), help_text="Share of the amount: 0.01 is 1%.")
    flat_minor = whole_number_field(widget=UnfoldAdminTextInputWidget(), help_text="Minor units.", initial=0)
    minimum_minor = whole_number_field(required=False, widget=UnfoldAdminTextInputWidget(), help_text="Minor units.")
    maximum_minor = whole_number_field(required=False, widget=UnfoldAdminTextInputWidget(), help_text="Minor units.")
    tiers = JsonField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text='[{"up_to_minor": 10000, "rate": "0.02", "flat_minor": 0}, {"up_to_minor": null, …}]',
    )
    effective_from = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget(), help_text="UTC, as in 2026-12-31T00:00:00Z; empty is now."
    )

    class Meta:
        model = FeeSchedule
        fields = (
            "currency",
            "kind",
            "rate",
            "flat_minor",
            "minimum_minor",
            "maximum_minor",
            "tier_mode",
            "tiers",
            "rounding",
            "payer",
            "note",
        )
        widgets = {
            "currency": UnfoldAdminSelectWidget(),
            "kind": UnfoldAdminSelectWidget(),
            "tier_mode": UnfoldAdminSelectWidget(),
            "rounding": UnfoldAdminSelectWidget(choices=[(m.value, m.value) for m in Rounding]),
            "payer": UnfoldAdminSelectWidget(choices=[(p.value, p.value) for p in Payer]),
            "note": UnfoldAdminTextInputWidget(),
        }

    field_order = ("merchant_name", "currency", "kind", "rate", "flat_minor", "minimum_minor", "maximum_minor", "tier_mode", "tiers")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, nothing in (("currency", "every currency"), ("kind", "transfers and captures"), ("tier_mode", "no tiers")):
            field: Any = self.fields[name]
            field.choices = [(value, label if value else nothing) for value, label in field.choices]

    def clean_token(self) -> UUID:
        """Take the token as the id of the version."""
        token: UUID = self.cleaned_data["token"] or new_id()
        self.instance.id = token
        return token

    def clean_merchant_name(self) -> str:
        """Find the merchant by its name; empty is everybody."""
        name = self.cleaned_data["merchant_name"].strip()
        if name:
            self.instance.merchant = Merchant.objects.filter(name__iexact=name).first()
            if self.instance.merchant is None:
                raise forms.ValidationError(f"There is no merchant named {name!r}.")
        return str(name)

    def clean_tiers(self) -> Any:
        """Return the tiers; none for an empty field."""
        return self.cleaned_data["tiers"] or []

    def clean_effective_from(self) -> datetime:
        """Return the moment; now for an empty field."""
        text = self.cleaned_data["effective_from"]
        moment = moment_of(text) if text else database_now()
        if moment is None:
            raise forms.ValidationError("A moment with its offset is expected, as in 2026-12-31T00:00:00Z.")
        return moment

    def clean(self) -> dict[str, Any]:
        """Give the version its moment; ``_post_clean`` checks it as the service does."""
        values = super().clean() or {}
        self.instance.effective_from = values.get("effective_from") or database_now()
        return values

    def _post_clean(self) -> None:
        # The service says in words what is wrong; the constraints only have names.
        self.instance.validate_constraints = lambda exclude=None: None
        super()._post_clean()  # type: ignore[misc]  # private, and not in the stubs
        self.instance.kind = self.instance.kind or None
        self.instance.tier_mode = self.instance.tier_mode or None
        if not self.errors:
            try:
                check_draft(self.instance, database_now())
            except ValidationFailed as failed:
                for error in failed.errors:
                    self.add_error(error.field if error.field in self.fields else None, error.detail)

    def says_what(self, stored: FeeSchedule) -> bool:
        """Whether the form has the terms of a stored version; an empty moment is not compared."""
        names = [*self.Meta.fields, "merchant_id", *(["effective_from"] if self.data.get("effective_from") else [])]
        return all(getattr(self.instance, name) == getattr(stored, name) for name in names)
