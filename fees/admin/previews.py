"""What the page of the form shows: the fields in groups, and what the draft would charge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.forms import BoundField

from console.panels import Panel
from fees.admin.drafts import DraftForm
from fees.admin.panels import comparison_panels, preview_panel
from fees.selectors import charging_instead, scope_versions
from fees.services import check_order
from ledger_project.database.clock import database_now
from ledger_project.kernel.errors import ValidationFailed

_GROUPS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Whom it is for", {"merchant_name": "", "currency": "", "kind": ""}),
    ("What it charges", {"percent": "rate", "flat": "currency", "minimum": "currency", "maximum": "currency", "tier_mode": "currency"}),
    ("How and when", {"rounding": "", "payer": "", "effective_from": "", "note": ""}),
    ("Preview", {"amounts": ""}),
)
"""The groups of the form's fields, each field with what it needs to apply (fee_form.js)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that are shown together; the tiers stand below those of what it charges."""

    title: str
    fields: Sequence[tuple[BoundField, str]]
    has_tiers: bool


def groups_of(form: DraftForm) -> list[Group]:
    """Return the fields of the form in groups."""
    return [Group(title, [(form[name], needs) for name, needs in names.items()], title == "What it charges") for title, names in _GROUPS]


def check_as_next(form: DraftForm) -> None:
    """Show on the form that its version cannot be the next one of its scope, if that is so."""
    if not form.is_previewable:
        return
    draft = form.instance
    try:
        check_order(draft, scope_versions(draft.merchant_id, draft.currency_id, draft.kind))
    except ValidationFailed as failed:
        form.show(failed)


def draft_panels(form: DraftForm) -> list[Panel]:
    """Return what a draft would charge, and what differs from that which charges now."""
    if not form.is_previewable:
        return []
    draft, amounts = form.instance, form.cleaned_data.get("amounts", "")
    charging = charging_instead(draft, database_now())
    beside = [] if charging is None else comparison_panels(charging, draft, amounts)
    return [preview_panel(draft, amounts, f"What it would charge: the {draft.payer} pays"), *beside]


def preview_state(form: DraftForm) -> str:
    """Return in words what the preview shows."""
    if form.is_previewable:
        return "This is what the form says. Nothing is stored yet."
    if not form.is_bound:
        return ""
    wrong = [
        " ".join([*([f"{form[name].label}:"] if name in form.fields else []), *map(str, errors)]) for name, errors in form.errors.items()
    ]
    return f"Not understood yet. {' '.join(wrong)}"
