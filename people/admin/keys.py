"""API keys in the admin: made, listed and revoked.

The secret is shown once, on the page after the form.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from console.merchant_filter import OfMerchant
from console.pages import ReadOnlyAdmin
from console.questions import Done, Question, ask
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import Scope
from merchants.domain import MerchantIdentity
from merchants.selectors import identify_now
from people.credentials import KeyRefused, NewKey, create_key, revoke_key
from people.models import ApiKey


class NewKeyForm(forms.Form):
    """The name, owner and scopes of a new key.

    ``token`` becomes the key's id, so that a form that is sent twice makes one key.
    """

    token = forms.UUIDField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget(), help_text="What will use it.")
    merchant = forms.CharField(
        max_length=64, required=False, widget=UnfoldAdminTextInputWidget(), help_text="Its name; empty for a key of the platform's."
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope], widget=forms.CheckboxSelectMultiple(), help_text="As few as it needs."
    )
    expires_in_days = forms.IntegerField(
        min_value=1, max_value=3650, required=False, widget=UnfoldAdminIntegerFieldWidget(), help_text="Empty: it does not expire."
    )

    def clean_merchant(self) -> MerchantIdentity | None:
        """Return the merchant of that name."""
        name: str = self.cleaned_data["merchant"]
        merchant = identify_now(names=[name]).merchant(name) if name else None
        if name and merchant is None:
            raise forms.ValidationError(f"There is no merchant named {name!r}.")
        return merchant

    def make(self) -> NewKey:
        """Make the key. Raises ``KeyRefused``, also if this form has made it before."""
        values = self.cleaned_data
        days: int | None = values["expires_in_days"]
        return create_key(
            name=values["name"],
            merchant=values["merchant"],
            scopes=[Scope(text) for text in values["scopes"]],
            expires_at=None if days is None else datetime.now(UTC) + timedelta(days=days),
            key_id=values["token"],
        )


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """API keys with owner, name, scopes and last use. The secret is not stored, only its hash."""

    list_display = ("prefix", "name", "owner", "state", "last_used_at", "expires_at")
    search_fields = ("prefix", "name", "merchant__name__istartswith")
    list_filter = (OfMerchant,)
    list_select_related = ("merchant",)
    ordering = ("-id",)
    fields = ("id", "prefix", "name", "owner", "scopes", "state", "created_at", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields
    actions_detail = ("revoke",)

    @display(description="Whose")
    def owner(self, obj: ApiKey) -> str:
        """The merchant's, or the platform's."""
        return obj.merchant.name if obj.merchant else "the platform"

    @display(description="State")
    def state(self, obj: ApiKey) -> str:
        """Whether it works."""
        return obj.state(datetime.now(UTC))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may make keys."""
        del obj
        return request.user.has_perm("people.add_apikey")

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may revoke keys."""
        del object_id
        return request.user.has_perm("people.revoke_apikey")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the form, make the key, and show its secret.

        No message, cookie or session holds the secret.
        """
        del form_url, extra_context
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewKeyForm(request.POST or None, initial={"token": new_id()})
        made: NewKey | None = None
        if request.method == "POST" and form.is_valid():
            try:
                made = form.make()
            except KeyRefused as error:
                form.add_error(None, str(error))
        if made is not None:
            key = ApiKey.objects.get(id=made.id)
            LogEntry.objects.log_actions(request.user.pk or 0, [key], ADDITION, change_message="Made", single_object=True)
        context = {
            **self.admin_site.each_context(request),
            "title": "New API key",
            "form": form,
            "made": made,
            "opts": ApiKey._meta,
            "back": reverse("admin:people_apikey_changelist"),
        }
        response = TemplateResponse(request, "ledger/new_key.html", context)
        add_never_cache_headers(response)
        return response

    @action(description="Revoke", url_path="revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End it for good."""
        key: ApiKey = self.wanted_object(request, object_id)

        def perform(_values: dict[str, Any]) -> Done:
            revoke_key(key.id)
            return Done("Revoked")

        explanation = f"Whatever uses “{key.name}” is refused from a few seconds on, for good."
        question = Question(f"Revoke {key.prefix}", explanation, perform, did="Revoked")
        return ask(self, request, key, question, reverse("admin:people_apikey_change", args=[object_id]))
