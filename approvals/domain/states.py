"""The states of an approval, and who is one person."""

from __future__ import annotations

from enum import StrEnum


class ApprovalStatus(StrEnum):
    """Where an approval stands. All but ``pending`` are final."""

    PENDING = "pending"
    """It waits for another person, until it expires."""
    APPROVED = "approved"
    """Another person approved, and the command was carried out."""
    REJECTED = "rejected"
    """Another person rejected it."""
    EXPIRED = "expired"
    """Nobody decided in time."""
    FAILED = "failed"
    """Another person approved, and the ledger refused the command."""


_PERSONS = ("admin:", "user:", "session:user-", "jwt:user-")
"""The beginnings of the principals of a person: in the admin, in the portal, by a session, and by
an access token."""


def person_of(principal: str) -> str:
    """Return who stands behind a principal: one person in the admin and by the API is the same."""
    for prefix in _PERSONS:
        if principal.startswith(prefix):
            return f"person:{principal.removeprefix(prefix)}"
    return principal
