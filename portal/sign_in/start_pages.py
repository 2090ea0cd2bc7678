"""Where people begin after they have signed in."""

from __future__ import annotations

from people.models import User

ADMIN, WALLETS = "/admin/", "/app/"


def start_page(user: User) -> str:
    """Return the admin for members of the staff who act for no merchant; the wallets for others."""
    return ADMIN if user.is_staff and not user.memberships.exists() else WALLETS
