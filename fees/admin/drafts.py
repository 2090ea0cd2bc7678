"""The form that appends a version of a fee schedule: in per cent, and in major units of its
currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from console.completion import COMPLETED
from fees.admin.tier_rows import TierRow, read_rows, rows_from, rows_of, shown_rows, sorted_rows
from fees.admin.typed import NoRate, is_zero, money_of, money_text, percent_text, rate_of
from fees.domain import Payer, Rounding
from fees.models import FeeSchedule
from fees.selectors import drafted_schedule
from fees.services import check_draft
from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from ledger_project.kernel.days import moment_of
from ledger_project.kernel.errors import ValidationFailed
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount
from merchants.models import Merchant
from merchants.selectors import find_currency_now, known_currency

_MONEY = {"flat": "flat_minor", "minimum": "minimum_minor", "maximum": "maximum_minor"}
"""The inputs of money, each with the column that its minor units are stored in."""

_FIELD_OF = {"rate": "percent", **{column: name for name, column in _MONEY.items()}}
"""The inputs at which what the service says of a column is shown, where the names differ."""

_CHOICES: Mapping[str, Mapping[str, str]] = {
    "currency": {"": "every currency"},
    "kind": {"": "transfers and captures", "transfer": "transfers only", "capture": "captures only"},
    "tier_mode": {
        "": "no tiers",
        "volume": "the whole amount at its tier's terms",
        "graduated": "each slice at its own tier's terms",
    },
    "rounding": {mode.value: mode.value.replace("_", "-") for mode in Rounding},
    "payer": {payer.value: f"the {payer.value}" for payer in Payer},
}
"""The words of choices, by input and value."""

_CHANGES_OF_ROWS = ("add_tier", "remove_tier", "sort_tiers")
"""The buttons that change the rows of tiers where no JavaScript does, and nothing else."""


def _typed_field(label: str, **options: Any) -> forms.CharField:
    """Return a field for a number that a person types. Nothing is stripped from it."""
    widget = UnfoldAdminTextInputWidget({"inputmode": "decimal", "autocomplete": "off"})
    return forms.CharField(label=label, required=False, strip=False, max_length=64, widget=widget, **options)


class DraftForm(forms.ModelForm):
    """A new version of a schedule.

    The operator types the merchant's name: a list to choose from may have a million merchants.
    ``token`` becomes the id of the version, so that a form that is sent twice appends once.
    ``rows`` are the tiers, each with what is wrong with it.
    """

    token = forms.UUIDField(required=False, widget=forms.HiddenInput)
    merchant_name = forms.CharField(
        required=False,
        label="Merchant",
        max_length=64,
        widget=UnfoldAdminTextInputWidget({**COMPLETED}),
        help_text="The name. Empty is everyone.",
    )
    percent = _typed_field("Rate, per cent of the amount", help_text="As in 1 or 1.25. 0 is no rate.")
    flat = _typed_field("Flat part", help_text="Added to each fee.")
    minimum = _typed_field("Minimum", help_text="The smallest fee. Empty is none.")
    maximum = _typed_field("Maximum", help_text="The largest fee. Empty is none.")
    effective_from = forms.CharField(
        required=False,
        label="In force from (UTC)",
        max_length=64,
        widget=UnfoldAdminTextInputWidget({"type": "datetime-local", "step": "1"}),
        help_text="In UTC, not in the time of this computer. Empty is as soon as it is saved.",
    )
    amounts = forms.CharField(
        required=False,
        label="Amounts to try",
        max_length=400,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        help_text="For the preview, as in 10 112.50 5,000. Empty is a choice of small and large ones.",
    )

    class Meta:
        model = FeeSchedule
        fields = ("currency", "kind", "tier_mode", "rounding", "payer", "note")
        labels: ClassVar = {"tier_mode": "Tiers", "note": "Reason", "kind": "For", "payer": "Paid by"}
        help_texts: ClassVar = {"note": "Kept with the version, for good."}
        widgets: ClassVar = {
            "currency": UnfoldAdminSelectWidget(),
            "kind": UnfoldAdminSelectWidget(),
            "tier_mode": UnfoldAdminSelectWidget(),
            "rounding": UnfoldAdminSelectWidget(),
            "payer": UnfoldAdminSelectWidget(),
            "note": UnfoldAdminTextInputWidget(),
        }

    def __init__(self, data: Mapping[str, Any] | None = None, *, rows: Sequence[TierRow] = (), **options: Any) -> None:
        super().__init__(data, **options)
        self.rows = shown_rows(rows if data is None else rows_of(data))
        self.tiers_error = ""
        for name, words in _CHOICES.items():
            chosen: Any = self.fields[name]
            chosen.choices = [(value, words.get(str(value), label)) for value, label in chosen.choices]

    @property
    def unit(self) -> CurrencyUnit | None:
        """The currency that the form names, if it names one."""
        code = self["currency"].value()
        return find_currency_now(str(code)) if code else None

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

    def clean_effective_from(self) -> datetime:
        """Return the moment, in UTC where no offset says otherwise; now for an empty field."""
        text = self.cleaned_data["effective_from"]
        moment = moment_of(f"{text}Z") or moment_of(text) if text else database_now()
        if moment is None:
            raise forms.ValidationError("A day and a time are expected, as in 2026-12-31T00:00.")
        return moment

    def clean(self) -> dict[str, Any]:
        """Read rates and money by the currency; ``_post_clean`` checks as the service does."""
        values = super().clean() or {}
        self.instance.effective_from = values.get("effective_from") or database_now()
        self._read_money(values)
        self._read_rate(values.get("percent", ""), has_tiers=bool(values.get("tier_mode")))
        self._read_tiers(has_mode=bool(values.get("tier_mode")))
        return values

    def _read_money(self, values: Mapping[str, Any]) -> None:
        for name, column in _MONEY.items():
            text = values.get(name, "")
            try:
                minor = self._money(text) if text else None
            except (InvalidAmount, forms.ValidationError) as error:
                self.add_error(name, error if isinstance(error, forms.ValidationError) else str(error))
                continue
            setattr(self.instance, column, (minor or 0) if name == "flat" else minor)

    def _money(self, text: str) -> int:
        if self.unit is not None:
            return money_of(text, self.unit)
        if is_zero(text):
            return 0
        raise forms.ValidationError("This is money: choose a currency, or leave it empty.")

    def _read_rate(self, text: str, *, has_tiers: bool) -> None:
        if has_tiers and text:
            self.add_error("percent", "Each tier has a rate of its own: leave this empty.")
        elif not has_tiers and not text:
            self.add_error("percent", "A rate is expected; 0 is no rate.")
        try:
            self.instance.rate = rate_of(text) if text else Decimal(0)
        except NoRate as error:
            self.add_error("percent", str(error))

    def _read_tiers(self, *, has_mode: bool) -> None:
        self.instance.tiers = []
        rows = [row for row in self.rows if not row.is_empty]
        if not has_mode and not rows:
            return
        if not has_mode:
            self._refuse_tiers("These rows are not used: choose how tiers apply, or empty them.")
        elif self.unit is None:
            self._refuse_tiers("Tiers are money: choose a currency.")
        elif not rows:
            self._refuse_tiers("At least one tier is expected.")
        else:
            self.instance.tiers, read = read_rows(rows, self.unit)
            self.rows = shown_rows(read)
            if any(row.errors for row in read):
                self._refuse_tiers("Not all rows can be used.")

    def _refuse_tiers(self, words: str) -> None:
        self.tiers_error = words
        self.add_error(None, f"Tiers: {words}")

    def _post_clean(self) -> None:
        # The service says in words what is wrong; the constraints only have names.
        self.instance.validate_constraints = lambda exclude=None: None
        super()._post_clean()  # type: ignore[misc]  # private, and not in the stubs
        self.instance.kind = self.instance.kind or None
        self.instance.tier_mode = self.instance.tier_mode or None
        if self.is_previewable:
            try:
                check_draft(self.instance, database_now())
            except ValidationFailed as failed:
                self.show(failed)

    @property
    def is_previewable(self) -> bool:
        """Whether the terms are known: all but the reason is right."""
        return self.is_bound and set(self.errors) <= {"note"}

    def show(self, failed: ValidationFailed) -> None:
        """Show what the service says, each at the input that it is about."""
        for error in failed.errors:
            name = _FIELD_OF.get(error.field, error.field)
            if name == "note" and "note" in self.errors:
                continue
            if name == "tiers":
                self._refuse_tiers(error.detail)
            else:
                self.add_error(name if name in self.fields else None, error.detail)

    def says_what(self, stored: FeeSchedule) -> bool:
        """Whether the form has the terms of a stored version; an empty moment is not compared."""
        names = ["merchant_id", "currency_id", "kind", "tier_mode", "rounding", "payer", "note", "rate", *_MONEY.values(), "tiers"]
        if self.data.get("effective_from"):
            names.append("effective_from")
        return all(getattr(self.instance, name) == getattr(stored, name) for name in names)


def values_of(version: FeeSchedule) -> tuple[dict[str, object], list[TierRow]]:
    """Return what the form shows of a stored version, and its tiers as rows.

    The form with these values says the same version again, to the digit. Its moment and its reason
    are left out: the next version has its own. So is a rate beside tiers: it charges nothing.
    """
    schedule = drafted_schedule(version)
    unit = known_currency(schedule.currency) if schedule.currency else None
    values: dict[str, object] = {
        "merchant_name": version.merchant.name if version.merchant else "",
        "currency": version.currency_id or "",
        "kind": version.kind or "",
        "percent": "" if schedule.tier_mode else percent_text(schedule.rate),
        "tier_mode": version.tier_mode or "",
        "rounding": version.rounding,
        "payer": version.payer,
    }
    if unit is None:
        return values, []
    money = {name: getattr(schedule, column) for name, column in _MONEY.items()}
    money["flat"] = money["flat"] or None
    values |= {name: "" if minor is None else money_text(minor, unit) for name, minor in money.items()}
    return values, rows_from(schedule.tiers, unit)


def reshaped(data: Mapping[str, Any]) -> DraftForm | None:
    """Return the form as it was filled in, with one row more, one less, or sorted rows, if it was
    sent by a button that does this; else None. Nothing is checked.
    """
    if not any(name in data for name in _CHANGES_OF_ROWS):
        return None
    form = DraftForm(initial={name: data.get(name, "") for name in DraftForm.base_fields})
    rows = rows_of(data)
    removed = str(data.get("remove_tier", ""))
    if removed.isascii() and removed.isdecimal() and len(removed) < 4 and int(removed) < len(rows):
        del rows[int(removed)]
    form.rows = shown_rows(sorted_rows(rows, form.unit) if "sort_tiers" in data else rows, more=int("add_tier" in data))
    return form
