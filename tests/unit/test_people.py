"""People in plain values: the state of a user, the scopes of roles, and what refusals say of a person."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from ledger_project.kernel.actors import PLATFORM_SCOPES, Scope
from people.domain import ROLE_SCOPES, Role, UserExists, UserNotFound, UserStatus, status_of

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SOMEBODY = UUID("01a216c7-6198-761b-a7f5-ceb5ba110734")


def test_a_user_is_invited_until_a_password_was_chosen() -> None:
    assert status_of(is_active=True, activated_at=None) is UserStatus.INVITED
    assert status_of(is_active=True, activated_at=NOW) is UserStatus.ACTIVE


def test_a_suspended_user_is_suspended_whether_it_was_active_or_not() -> None:
    assert status_of(is_active=False, activated_at=NOW) is UserStatus.SUSPENDED
    assert status_of(is_active=False, activated_at=None) is UserStatus.SUSPENDED


def test_each_role_has_what_the_one_below_it_has_and_none_has_the_platforms() -> None:
    viewer, operator, owner = (ROLE_SCOPES[role] for role in (Role.VIEWER, Role.OPERATOR, Role.OWNER))
    assert viewer < operator < owner
    assert Scope.TRANSFERS_WRITE in operator - viewer
    assert all(scope.endswith(":read") for scope in viewer)
    assert owner.isdisjoint(PLATFORM_SCOPES)


def test_refusals_name_a_user_by_id_only() -> None:
    taken, missing = UserExists(SOMEBODY), UserNotFound(SOMEBODY)
    assert (taken.code, taken.extra()) == ("user_exists", {"user_id": str(SOMEBODY)})
    assert (missing.code, missing.extra()) == ("user_not_found", {"user_id": str(SOMEBODY)})
    assert str(SOMEBODY) in str(taken)
    assert "@" not in f"{taken}{missing}"
