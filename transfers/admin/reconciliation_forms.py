"""The form that starts a reconciliation, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from console.questions import ReasonForm
from ledger_project.kernel.days import day_of, moment_of
from ledger_project.kernel.ids import id_in
from merchants.models import Account
from transfers.models import RequestedReconciliation
from transfers.reconciliation.run import last_reconciliation
from transfers.services.requested_reconciliations import Kind, ToProve, absence_of_worker, estimated_entries

_WHAT = {
    "whole": "everything",
    "incremental": "what is new since the last clean verdict",
    "since": "what was posted since a day or a moment",
    "account": "what touches one account",
}


class StartForm(ReasonForm):
    """What is to be proved."""

    what = forms.ChoiceField(choices=list(_WHAT.items()), widget=UnfoldAdminSelectWidget(), label="Prove")
    since = forms.CharField(
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(),
        help_text="As 2026-01-31, or 2026-01-31T12:00:00Z.",
    )
    account = forms.CharField(required=False, max_length=40, widget=UnfoldAdminTextInputWidget(), help_text="The id of an account.")
    field_order = ("what", "since", "account", "reason")

    def clean_since(self) -> datetime | None:
        """Return the moment; of a day, its beginning in UTC."""
        text = self.cleaned_data["since"].strip()
        day = day_of(text)
        moment = datetime.combine(day, time(), UTC) if day else moment_of(text)
        if text and moment is None:
            raise forms.ValidationError("This is no day and no moment.")
        return moment

    def clean_account(self) -> UUID | None:
        """Return the id of an account that exists."""
        text = self.cleaned_data["account"].strip()
        wanted = id_in(text)
        if text and (wanted is None or not Account.objects.filter(id=wanted).exists()):
            raise forms.ValidationError("There is no account of this id.")
        return wanted

    def clean(self) -> dict[str, Any]:
        """Refuse a moment or an account that is missing, or that the choice has no use for."""
        values: dict[str, Any] = super().clean() or {}
        for name in ("since", "account"):
            if name not in values:
                continue
            if values.get("what") == name and values[name] is None:
                self.add_error(name, "This is needed for what is to be proved.")
            elif values.get("what") != name and values[name] is not None:
                self.add_error(name, "What is to be proved has no use for this: leave it empty, or choose otherwise.")
        return values


def wanted_of(values: Mapping[str, Any]) -> ToProve:
    """Return what a form asks for."""
    kind = Kind(values["what"]) if values["what"] in Kind.values else Kind.NARROW
    return ToProve(kind, values["since"], values["account"])


def id_of(token: str) -> UUID:
    """Return the id of what a form asks for: a form that is sent twice asks once."""
    return uuid5(NAMESPACE_OID, f"reconciliation {token}")


def scope_words(requested: RequestedReconciliation) -> str:
    """Return in words what is proved."""
    if requested.since is not None:
        return f"what was posted since {requested.since:%Y-%m-%d %H:%M:%S} UTC"
    return f"what touches account {requested.account_id}" if requested.account_id else _WHAT[requested.kind]


def understood_start(values: Mapping[str, Any]) -> str:
    """Return what would be proved, and how long the last proof of all took."""
    what = values.get("what") or "whole"
    words = [f"It proves {_WHAT[what]}."]
    if what == "whole":
        words.append(f"There are about {estimated_entries():,} entries.")
        last = last_reconciliation(Kind.WHOLE)
        if last is not None:
            seen = f"{last.verdict}, {last.entries_checked:,} entries"
            words.append(f"The last proof of all ended on {last.finished_at:%Y-%m-%d %H:%M} UTC: {seen}.")
    absence = absence_of_worker()
    if absence:
        words.append(f"{absence} It waits until manage.py run_periodic is started.")
    return " ".join(words)
