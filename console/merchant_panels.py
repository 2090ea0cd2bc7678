"""Panels of a merchant: its balances, its newest movements and its open holds."""

from __future__ import annotations

from django.db.models import F, QuerySet
from django.urls import reverse

from console.amounts import shown
from console.panels import STATEMENT_HEADERS, Cell, Panel, entry_row
from merchants.domain import AccountKind
from merchants.models import Account, Merchant
from merchants.selectors import known_currency
from transfers.domain.hold_outcomes import HoldStatus
from transfers.models import Hold
from transfers.selectors import get_balances_now
from transfers.selectors.balances import last_posted_at
from transfers.selectors.statements import get_period, period_lines

RECENT = 20


def balances_panel(merchant: Merchant) -> Panel:
    """Return the balances of a merchant, one row for each currency."""
    _, balances = get_balances_now(merchant.id, currency=None, at=None)
    rows = [
        [
            Cell(b.currency.code, reverse("admin:merchants_account_change", args=[b.account_id])),
            Cell(shown(b.available_minor, b.currency), is_number=True),
            Cell(shown(b.held_minor, b.currency), is_number=True),
            Cell(shown(b.available_minor + b.held_minor, b.currency), is_number=True),
        ]
        for b in balances
    ]
    return Panel("Balances", ("Currency", "Available", "Held", "Balance"), rows)


def moved_wallets(merchant: Merchant) -> QuerySet[Account]:
    """Return the wallets of a merchant in which something was posted, the last moved one first."""
    wallets = Account.objects.filter(merchant=merchant, kind=AccountKind.WALLET).select_related("merchant")
    return wallets.alias(last_at=last_posted_at(F("pk"))).filter(last_at__isnull=False).order_by("-last_at")


def movements_panel(merchant: Merchant) -> Panel:
    """Return the newest entries of all wallets of a merchant."""
    # As many wallets as there are rows have all of them, however many currencies it has.
    found = [
        line
        for account in moved_wallets(merchant)[:RECENT]
        for line in period_lines(get_period(account, start=None, end=None), before=None, limit=RECENT)
    ]
    newest = sorted(found, key=lambda line: line.created_at, reverse=True)[:RECENT]
    return Panel("Recent movements", STATEMENT_HEADERS, [entry_row(line) for line in newest])


def open_holds_panel(merchant: Merchant) -> list[Panel]:
    """Return the newest open holds that a merchant pays, if it has any."""
    holds = Hold.objects.filter(source_merchant=merchant, status=HoldStatus.OPEN).select_related("target_merchant")[:RECENT]
    rows = [
        [
            Cell(str(hold.id), reverse("admin:transfers_hold_change", args=[hold.id])),
            Cell(hold.target_merchant.name, reverse("admin:merchants_merchant_change", args=[hold.target_merchant_id])),
            Cell(shown(hold.amount_minor, known_currency(hold.currency_id)), is_number=True),
            Cell(f"{hold.expires_at:%Y-%m-%d %H:%M:%S}"),
        ]
        for hold in holds
    ]
    return [Panel("Open holds", ("Hold", "For", "Amount", "Expires (UTC)"), rows)] if rows else []
