"""Links of a merchant's page to what an operator can do with its money."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from console.panels import Cell
from merchants.domain import AccountKind, Status
from merchants.models import Account, Merchant

LINKED_WALLETS = 5
"""The most wallets that have links; those of the others are on their own pages."""


def money_links(request: HttpRequest, merchant: Merchant) -> list[Cell]:
    """Return links to a deposit into each wallet, a withdrawal and a transfer.

    Those that the user may do, and none for a merchant whose money does not move.
    """
    if merchant.status != Status.ACTIVE:
        return []
    named = [("Deposit", "deposit"), ("Withdraw", "withdraw")]
    allowed = [(words, name) for words, name in named if request.user.has_perm(f"transfers.{name}_transfer")]
    links = []
    if allowed:
        wallets = Account.objects.filter(merchant=merchant, kind=AccountKind.WALLET, status=Status.ACTIVE).order_by("currency")
        for wallet in wallets[:LINKED_WALLETS]:
            links += [
                Cell(f"{words} {wallet.currency_id}", reverse(f"admin:merchants_account_{name}_action", args=[wallet.id]))
                for words, name in allowed
            ]
    if request.user.has_perm("transfers.make_transfer"):
        links.append(
            Cell(
                f"Transfer from {merchant.name}", f"{reverse('admin:transfers_transfer_make_action')}?{urlencode({'from': merchant.name})}"
            )
        )
    return links
