"""Fee schedules in the admin: append a version, see before saving what it would charge, compare, and never edit."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from console.amounts import shown
from console.form_fields import JsonField, decimal_field, whole_number_field
from console.pages import Cell, Panel, ReadOnlyAdmin
from fees.domain import Payer, Rounding
from fees.models import FeeSchedule
from fees.selectors import state_of, time_line
from fees.services import VersionExists, append_schedule, check_draft, preview
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from ledger_project.kernel.days import moment_of
from ledger_project.kernel.errors import ValidationFailed
from ledger_project.kernel.money import Currency as Unit
from merchants.models import Currency, Merchant
from merchants.selectors import known_currency

SAMPLES_MAJOR = ("1", "10", "99.99", "1000", "25000")
CURRENCY_LESS_SAMPLES = ("USD", "JPY", "KWD", "BTC")
"""Currencies of 2, 0, 3 and 8 decimals, to show a draft that is for all of them."""


class DraftForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A new version. The merchant is named, not picked from a list that may be a million long.

    ``token`` becomes the version's id, so that a form that is sent twice appends once.
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
        """Have the version's id."""
        token: UUID = self.cleaned_data["token"] or new_id()
        self.instance.id = token
        return token

    def clean_merchant_name(self) -> str:
        """Find the merchant."""
        name = self.cleaned_data["merchant_name"].strip()
        if name:
            self.instance.merchant = Merchant.objects.filter(name__iexact=name).first()
            if self.instance.merchant is None:
                raise forms.ValidationError(f"There is no merchant named {name!r}.")
        return str(name)

    def clean_tiers(self) -> Any:
        """Nothing is no tiers."""
        return self.cleaned_data["tiers"] or []

    def clean_effective_from(self) -> datetime:
        """Parse the moment; empty is now."""
        text = self.cleaned_data["effective_from"]
        moment = moment_of(text) if text else database_now()
        if moment is None:
            raise forms.ValidationError("A moment with its offset is expected, as in 2026-12-31T00:00:00Z.")
        return moment

    def clean(self) -> dict[str, Any]:
        """Put the version together and check it as the service will."""
        values = super().clean() or {}
        self.instance.effective_from = values.get("effective_from") or database_now()
        return values

    def _post_clean(self) -> None:
        # The service says what is wrong in words; the constraints would only give their names.
        self.instance.validate_constraints = lambda exclude=None: None
        super()._post_clean()  # type: ignore[misc]
        self.instance.kind = self.instance.kind or None
        self.instance.tier_mode = self.instance.tier_mode or None
        if not self.errors:
            try:
                check_draft(self.instance, database_now())
            except ValidationFailed as failed:
                for error in failed.errors:
                    self.add_error(error.field if error.field in self.fields else None, error.detail)

    def says_what(self, stored: FeeSchedule) -> bool:
        """Whether this form says just what a stored version does: a moment that was left empty is not compared."""
        names = [*self.Meta.fields, "merchant_id", *(["effective_from"] if self.data.get("effective_from") else [])]
        return all(getattr(self.instance, name) == getattr(stored, name) for name in names)


def preview_panels(draft: FeeSchedule) -> list[Panel]:
    """Return what a draft would charge on sample amounts, in its currency or in some of each exponent."""
    codes = [draft.currency_id] if draft.currency_id else list(CURRENCY_LESS_SAMPLES)
    units = {c.code: Unit(c.code, c.exponent) for c in Currency.objects.filter(code__in=codes)}
    rows = []
    for code in codes:
        unit = units[code]
        amounts = sorted({int(Decimal(sample) * 10**unit.exponent) for sample in SAMPLES_MAJOR})
        for line in preview(draft, amounts):
            explained = line.explanation
            rows.append(
                [
                    Cell(shown(line.amount_minor, unit), is_number=True),
                    Cell(shown(explained.fee_minor, unit), is_number=True),
                    Cell(" + ".join(explained.parts)),
                    Cell(f"{explained.exact.normalize():f}", is_number=True),
                    Cell(str(explained.rounded_minor), is_number=True),
                ]
            )
    return [Panel("What it would charge", ("Amount", "Fee", "How, in minor units", "Exactly", "Rounded"), rows)]


def _words(value: object) -> str:
    """Return a term of a version as one reads it."""
    if value is None or value == []:
        return "—"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def compare_panel(one: FeeSchedule, other: FeeSchedule) -> Panel:
    """Return two versions side by side; what differs is marked."""
    names = ("rate", "flat_minor", "minimum_minor", "maximum_minor", "tier_mode", "tiers", "rounding", "payer", "effective_from", "note")
    rows = [
        [
            Cell(name.replace("_minor", ", minor units").replace("_", " ").capitalize()),
            Cell(_words(getattr(one, name))),
            Cell(_words(getattr(other, name))),
            Cell("differs" if getattr(one, name) != getattr(other, name) else ""),
        ]
        for name in names
    ]
    return Panel(f"Version {one.version} beside version {other.version}", ("", f"v{one.version}", f"v{other.version}", ""), rows)


@admin.register(FeeSchedule)
class FeeScheduleAdmin(ReadOnlyAdmin):
    """Schedules: a list with what is in force, a time line for each scope, and a form that appends."""

    list_display = ("scope", "version", "state", "rate_percent", "payer", "effective_from", "note")
    list_filter = ("kind", "payer")
    search_fields = ("merchant__name__istartswith",)
    search_help_text = "Beginning of a merchant's name."
    list_select_related = ("merchant", "currency")
    fields = (
        "version", "state", "whom", "in_currency", "for_kind", "rate_percent", "flat", "minimum", "maximum", "tier_terms",
        "rounding", "payer", "effective_from", "note", "created_by", "created_at", "id",
    )  # fmt: skip
    readonly_fields = fields
    actions_list = ("append",)
    actions_detail = ("append_like",)

    @display(description="State", label={"in force": "success", "future": "info", "superseded": "warning"})
    def state(self, obj: FeeSchedule) -> str:
        """Whether it charges now, later, or no more."""
        return state_of(obj, time_line(obj), database_now())

    @display(description="Who pays by it")
    def whom(self, obj: FeeSchedule) -> str:
        """The merchant, linked."""
        if obj.merchant is None:
            return "everybody who has no schedule of their own"
        return format_html('<a href="{}">{}</a>', reverse("admin:merchants_merchant_change", args=[obj.merchant_id]), obj.merchant.name)

    @display(description="Currency")
    def in_currency(self, obj: FeeSchedule) -> str:
        """In words."""
        return obj.currency_id or "every currency"

    @display(description="Kind")
    def for_kind(self, obj: FeeSchedule) -> str:
        """In words."""
        return obj.kind or "transfers and captures"

    def _money(self, obj: FeeSchedule, minor: int | None) -> str:
        if minor is None:
            return "none"
        return shown(minor, known_currency(obj.currency_id)) if obj.currency_id else str(minor)

    @display(description="Flat part")
    def flat(self, obj: FeeSchedule) -> str:
        """In major units; only schedules of one currency have any."""
        return self._money(obj, obj.flat_minor or None)

    @display(description="Minimum")
    def minimum(self, obj: FeeSchedule) -> str:
        """In major units."""
        return self._money(obj, obj.minimum_minor)

    @display(description="Maximum")
    def maximum(self, obj: FeeSchedule) -> str:
        """In major units."""
        return self._money(obj, obj.maximum_minor)

    @display(description="Tiers")
    def tier_terms(self, obj: FeeSchedule) -> str:
        """Each tier's terms, and how they work together."""
        if not obj.tiers:
            return "none"
        terms = [
            f"{'beyond' if tier['up_to_minor'] is None else 'up to ' + self._money(obj, tier['up_to_minor'])}: "
            f"{(Decimal(str(tier.get('rate', '0'))) * 100).normalize():f}% + {self._money(obj, tier.get('flat_minor', 0))}"
            for tier in obj.tiers
        ]
        return f"{obj.tier_mode}: " + "; ".join(terms)

    @display(description="Rate")
    def rate_percent(self, obj: FeeSchedule) -> str:
        """In percent, without zeros that say nothing."""
        return f"{(obj.rate * 100).normalize():f}%" if not obj.tiers else "tiers"

    def panels(self, request: HttpRequest, obj: FeeSchedule) -> list[Panel]:
        """The scope's time line, the comparison that was asked for, and what this version charges."""
        versions, now = time_line(obj), database_now()
        here = reverse("admin:fees_feeschedule_change", args=[obj.id])
        rows = [
            [
                Cell(f"v{v.version}", reverse("admin:fees_feeschedule_change", args=[v.id])),
                Cell(f"{v.effective_from:%Y-%m-%d %H:%M:%S}"),
                Cell(state_of(v, versions, now)),
                Cell(self.rate_percent(v)),
                Cell(v.note),
                Cell(str(v.created_by or "—")),
                Cell("compare", f"{here}?compare={v.version}") if v.id != obj.id else Cell("this one"),
            ]
            for v in versions
        ]
        panels = [Panel("Time line of this scope", ("Version", "In force from (UTC)", "State", "Rate", "Why", "By", ""), rows)]
        wanted = request.GET.get("compare")
        other = next((v for v in versions if str(v.version) == wanted), None)
        return [*panels, *([compare_panel(obj, other)] if other else []), *preview_panels(obj)]

    def has_append_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may append versions."""
        return request.user.has_perm("fees.add_feeschedule")

    @action(description="Append a version", url_path="append", permissions=["append"])
    def append(self, request: HttpRequest) -> HttpResponse:
        """Go to the empty form."""
        return HttpResponseRedirect(reverse("admin:fee_append"))

    @action(description="Append a version to this scope", url_path="append-like", permissions=["append"])
    def append_like(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form filled with this version."""
        return HttpResponseRedirect(f"{reverse('admin:fee_append')}?like={object_id}")

    def get_urls(self) -> list[Any]:
        """Add the form."""
        return [path("new-version/", self.admin_site.admin_view(self.append_view), name="fee_append"), *super().get_urls()]

    def append_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form; preview or save what it holds."""
        if not self.has_append_permission(request):
            return HttpResponse(status=403)
        form = DraftForm(request.POST or None, initial=self._initial(request))
        panels: list[Panel] = []
        if request.method == "POST" and form.is_valid():
            if "save" in request.POST:
                saved = self._save(request, form)
                if saved is not None:
                    return HttpResponseRedirect(reverse("admin:fees_feeschedule_change", args=[saved.id]))
            else:
                panels = preview_panels(form.instance)
        context = {
            **self.admin_site.each_context(request),
            "title": "A new version of a fee schedule",
            "form": form,
            "panels": panels,
            "opts": FeeSchedule._meta,
            "back": reverse("admin:fees_feeschedule_changelist"),
        }
        return TemplateResponse(request, "fees/append.html", context)

    def _save(self, request: HttpRequest, form: DraftForm) -> FeeSchedule | None:
        """Store a version and the record of who did it together, once for each form; None and an error on the form where it cannot be."""
        try:
            with transaction.atomic():
                saved = append_schedule(form.instance, by=User.objects.get(pk=request.user.pk or 0))
                LogEntry.objects.log_actions(
                    request.user.pk or 0, [saved], ADDITION, change_message=f"Appended: {saved.note}", single_object=True
                )
        except ValidationFailed as failed:
            form.add_error(None, str(failed))
            return None
        except VersionExists:
            stored = FeeSchedule.objects.get(id=form.instance.id)
            if not form.says_what(stored):
                form.add_error(None, f"This form was sent before: version {stored.version} is stored, with other terms. Open a new form.")
                return None
            messages.success(request, f"Version {stored.version} for {stored.scope} is stored (this form was sent before).")
            return stored
        messages.success(request, f"Version {saved.version} for {saved.scope} is stored.")
        return saved

    def _initial(self, request: HttpRequest) -> dict[str, Any]:
        like = request.GET.get("like")
        row = self.get_object(request, like) if like else None
        if row is None:
            return {"token": new_id(), "merchant_name": request.GET.get("merchant", ""), "rate": "0.01"}
        names = [name for name in DraftForm.Meta.fields if name != "note"]
        values = {name: getattr(row, name) for name in names} | {"merchant_name": row.merchant.name if row.merchant else ""}
        return values | {"token": new_id(), "rate": f"{row.rate.normalize():f}"}
