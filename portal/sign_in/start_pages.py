"""Where people begin after they have signed in."""

from __future__ import annotations

from django.conf import settings

from people.models import User

ADMIN, WALLETS, BEGIN = "/admin/", "/app/", "/app/begin/"


def start_page(user: User) -> str:
    """Return the admin for members of the staff who act for no merchant; for others the wallets or,
    where anybody may sign up, the page that makes the first one's owner.
    """
    if user.memberships.exists():
        return WALLETS
    if user.is_staff:
        return ADMIN
    return BEGIN if settings.LEDGER_SIGN_UP else WALLETS
