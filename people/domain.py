"""People, in plain values: the role of a member, the state of a user, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ledger_project.kernel.actors import MERCHANT_SCOPES, Scope
from ledger_project.kernel.refusals import Refusal


class Role(StrEnum):
    """What a member may do for a merchant."""

    OWNER = "owner"
    """Everything that a merchant's credential may do, people too."""
    OPERATOR = "operator"
    """Read everything but people, and move money."""
    VIEWER = "viewer"
    """Read everything but people."""


_READING = frozenset({Scope.MERCHANTS_READ, Scope.TRANSFERS_READ, Scope.FEES_READ, Scope.EVENTS_READ, Scope.WEBHOOKS_READ})

ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.OWNER: MERCHANT_SCOPES,
    Role.OPERATOR: _READING | {Scope.TRANSFERS_WRITE},
    Role.VIEWER: _READING,
}
"""The scopes of each role."""


class UserStatus(StrEnum):
    """Whether a user can sign in."""

    INVITED = "invited"
    """Not yet: the user has never chosen a password."""
    ACTIVE = "active"
    SUSPENDED = "suspended"
    """No more, until the platform makes the user active again."""


def status_of(*, is_active: bool, activated_at: datetime | None) -> UserStatus:
    """Return the state of a user."""
    if not is_active:
        return UserStatus.SUSPENDED
    return UserStatus.INVITED if activated_at is None else UserStatus.ACTIVE


class UserExists(Refusal):
    """Another user has that e-mail address, regardless of case."""

    code = "user_exists"
    title = "User exists"

    def __init__(self, user_id: UUID) -> None:
        # Without the address: the answer is kept, and addresses can be erased.
        super().__init__(f"The user {user_id} has this e-mail address already.")
        self.user_id = user_id

    def extra(self) -> Mapping[str, object]:
        """The user who has the address."""
        return {"user_id": str(self.user_id)}


class UserNotFound(Refusal):
    """No user has that id, or the user was erased, or is no member of the caller's merchant."""

    code = "user_not_found"
    title = "User not found"

    def __init__(self, user_id: UUID | str) -> None:
        super().__init__(f"There is no user {user_id}.")
        self.user_id = str(user_id)

    def extra(self) -> Mapping[str, object]:
        """The id that was asked for."""
        return {"user_id": self.user_id}
