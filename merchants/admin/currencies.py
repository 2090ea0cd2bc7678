"""Currencies in the admin: operators add them and switch them off, with a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from console.form_fields import whole_number_field
from merchants.models import Currency


class CurrencyForm(forms.ModelForm):
    """A currency, and why it is added or changed."""

    reason = forms.CharField(max_length=400, widget=UnfoldAdminTextInputWidget(), help_text="Kept with the change, for good.")

    class Meta:
        model = Currency
        fields = ("code", "exponent", "name", "is_active")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "exponent" in self.fields:  # Django's own field reads 1_0 as ten
            self.fields["exponent"] = whole_number_field(widget=UnfoldAdminTextInputWidget(), help_text=self.fields["exponent"].help_text)


@admin.register(Currency)
class CurrencyAdmin(ModelAdmin):
    """Currencies. Code and exponent never change: stored amounts depend on them."""

    form = CurrencyForm
    actions = None
    list_display = ("code", "name", "exponent", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Currency | None = None) -> tuple[str, ...]:
        """Return what cannot be edited: the code and the exponent of a currency that exists."""
        del request
        return ("code", "exponent") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Currency | None = None) -> bool:
        """Currencies are switched off, not deleted."""
        return False

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> str:
        """Return the record of a change: which fields, and the reason."""
        del request, formsets
        changed = ", ".join(name for name in form.changed_data if name != "reason")
        return f"{'Added' if add else f'Changed {changed}'}: {form.cleaned_data['reason']}"
