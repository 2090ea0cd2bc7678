"""Where the numbers of the dashboard lead: to exactly the rows that they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.urls import reverse

from console.list_filters import midnight
from merchants.domain import AccountKind
from merchants.models import Account
from transfers.figures.summary import Summary
from transfers.selectors.statements import MOVED


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses of the lists, with the currency and the period of some figures.

    The address of a list that the user may not open is empty.
    """

    summary: Summary
    user: PermissionsMixin | AnonymousUser

    def transfers(self, first: date | None = None, last: date | None = None, **filters: str) -> str:
        """Return the transfers of some days; of the whole period, if no days are given."""
        return self._list("transfers_transfer", {"currency": self.summary.currency.code, **filters, **self._days(first, last)})

    def refusals(self, **filters: str) -> str:
        """Return the refusals of the period. They are counted as soon as they are there."""
        days = {"from": f"{self.summary.first}", "to": f"{self.summary.last}"}
        return self._list("transfers_refusal", {**filters, **days})

    def open_holds(self) -> str:
        """Return the holds that are open now."""
        return self._list("transfers_hold", {"currency": self.summary.currency.code, "status": "open"})

    def value(self, kind: str, day: date | None = None) -> str:
        """Return what merchants have at the end of a day, or of the period, without the treasury.

        ``kind`` is a kind of account, or ``value`` for wallets and held money.
        """
        at = self.summary.end_of(day or self.summary.last)
        filters = {"currency": self.summary.currency.code, "kind": kind, "owner": "merchants", "at": _moment(at)}
        return self._list("merchants_account", filters)

    def statements(self, merchant_ids: list[UUID]) -> Mapping[UUID, str]:
        """Return by merchant the entries of its wallet in the period, without those of holds."""
        wallets = Account.objects.filter(
            merchant_id__in=merchant_ids, currency_id=self.summary.currency.code, kind=AccountKind.WALLET.value
        ).values_list("merchant_id", "id")
        query = urlencode({"type": MOVED, "from": self.summary.first, "to": self.summary.last})
        return {merchant_id: f"{reverse('admin:merchants_account_change', args=[wallet])}?{query}" for merchant_id, wallet in wallets}

    def _days(self, first: date | None, last: date | None) -> dict[str, str]:
        first, last = first or self.summary.first, last or self.summary.last
        is_late = midnight(last + timedelta(days=1)) > self.summary.as_of
        before = {"before": _moment(self.summary.as_of)} if is_late else {}
        return {"from": f"{first}", "to": f"{last}", **before}

    def _list(self, page: str, filters: Mapping[str, str]) -> str:
        app, model = page.split("_")
        return f"{reverse(f'admin:{page}_changelist')}?{urlencode(filters)}" if self.user.has_perm(f"{app}.view_{model}") else ""


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
