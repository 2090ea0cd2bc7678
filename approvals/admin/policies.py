"""Policies in the admin: which actions need a second person, from which amount on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from approvals.domain.policies import WITHOUT_AMOUNT
from approvals.models import ApprovalPolicy
from approvals.services.policies import end_policy, set_policy
from console.amounts import shown
from ledger_project.kernel.money import InvalidAmount, format_minor, parse_typed_major
from merchants.selectors import known_currency


class PolicyForm(forms.ModelForm):
    """An action, a currency and an amount in its major units, and why."""

    from_amount = forms.CharField(
        required=False,
        strip=False,
        max_length=64,
        label="From this amount on",
        widget=UnfoldAdminTextInputWidget(),
        help_text="In major units, as in 1,000.00; empty is every amount. It needs a currency.",
    )
    reason = forms.CharField(max_length=400, widget=UnfoldAdminTextInputWidget(), help_text="Kept with the change, for good.")

    class Meta:
        model = ApprovalPolicy
        fields = ("action", "currency")
        widgets = {
            "action": UnfoldAdminSelectWidget(attrs={"data-without-amount": " ".join(sorted(action.value for action in WITHOUT_AMOUNT))}),
            "currency": UnfoldAdminSelectWidget(),
        }
        help_texts = {"currency": "Empty is every currency."}

    class Media:
        js = ("console/policy_form.js",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        policy = self.instance
        if policy.currency_id and policy.from_minor:
            self.fields["from_amount"].initial = format_minor(policy.from_minor, known_currency(policy.currency_id).exponent)

    def clean(self) -> dict[str, Any]:
        """Read the amount in the units of the currency."""
        values = super().clean() or {}
        action = values.get("action") or self.instance.action
        currency = values.get("currency", self.instance.currency)
        text = values.get("from_amount", "")
        self.instance.from_minor = 0
        if text and action in WITHOUT_AMOUNT:
            self.add_error("from_amount", "This action has no amount: leave it empty.")
        elif text and currency is None:
            self.add_error("from_amount", "An amount needs a currency.")
        elif text:
            try:
                self.instance.from_minor = parse_typed_major(text, known_currency(currency.code))
            except InvalidAmount as error:
                self.add_error("from_amount", str(error))
        return values


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(ModelAdmin):
    """Policies. When a change is saved, every process of the service goes by it."""

    form = PolicyForm
    actions = None
    list_display = ("action", "in_currency", "from_amount", "created_at")
    list_filter = ("action",)
    ordering = ("action", "currency_id")
    sortable_by = ()
    fields = ("action", "currency", "from_amount", "reason")

    @display(description="Currency")
    def in_currency(self, obj: ApprovalPolicy) -> str:
        """Return the currency, or words for all."""
        return obj.currency_id or "every currency"

    @display(description="From this amount on")
    def from_amount(self, obj: ApprovalPolicy) -> str:
        """Return the amount in major units, or words for all."""
        return "every amount" if not obj.currency_id or not obj.from_minor else shown(obj.from_minor, known_currency(obj.currency_id))

    def get_fields(self, request: HttpRequest, obj: ApprovalPolicy | None = None) -> tuple[str, ...]:
        """Return the fields: an action without an amount has no field for one."""
        del request
        return tuple(name for name in self.fields if name != "from_amount" or obj is None or obj.action not in WITHOUT_AMOUNT)

    def get_readonly_fields(self, request: HttpRequest, obj: ApprovalPolicy | None = None) -> tuple[str, ...]:
        """Return what makes a policy that policy: another action or currency is another one."""
        del request
        return ("action", "currency") if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field of a column, without a menu to change the currency itself."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for name in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, name):
                setattr(field.widget, name, False)
        return field

    def save_model(self, request: HttpRequest, obj: ApprovalPolicy, form: Any, change: bool) -> None:
        """Set the policy."""
        del form, change
        set_policy(obj, principal=f"admin:{request.user.pk}")

    def delete_model(self, request: HttpRequest, obj: ApprovalPolicy) -> None:
        """End the policy."""
        end_policy(obj, principal=f"admin:{request.user.pk}")

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApprovalPolicy]) -> None:
        """End the policies."""
        for policy in queryset:
            self.delete_model(request, policy)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> str:
        """Return the record of a change: what needs a second person now, and why."""
        del request, formsets, add
        return f"{form.instance}, {self.from_amount(form.instance)}: {form.cleaned_data['reason']}"
