"""JSON of users, memberships and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import EmailAddress, Enumeration, MerchantName, ShownName, StrictString
from ledger_project.http.members import timestamp
from merchants.domain import fold
from people.domain import Role, UserStatus
from people.models.users import USERNAME_LENGTH
from people.selectors.users import UserFacts

ROLES = [role.value for role in Role]
STATUSES = [status.value for status in UserStatus]
MOST_MEMBERSHIPS = 100


class TokenBody(serializers.Serializer[Any]):
    """Who asks, by user name or e-mail address."""

    schema_rules: ClassVar[Mapping[str, Any]] = {"oneOf": [{"required": ["username"]}, {"required": ["email"]}]}

    username = StrictString(required=False, max_length=USERNAME_LENGTH)
    email = StrictString(required=False, max_length=USERNAME_LENGTH)
    password = StrictString(max_length=4096)
    merchant_name = StrictString(
        required=False, max_length=64, help_text="For which merchant. Needed by a member of several, and by staff who act as a member."
    )
    otp = StrictString(
        required=False,
        max_length=8,
        help_text="The code of the authenticator app, or a recovery code, where a second factor is required. Each counts once.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse both names and neither."""
        if ("username" in attrs) == ("email" in attrs):
            raise serializers.ValidationError({"email": ["either email or username is expected"]}, code="required")
        return attrs


class RefreshBody(serializers.Serializer[Any]):
    """The refresh token that was handed out before."""

    refresh = StrictString(max_length=4096)


class TokenJson(serializers.Serializer[Any]):
    """An access token, for `Authorization: Bearer`."""

    access = serializers.CharField()
    refresh = serializers.CharField(required=False, help_text="Only when a password was given.")
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds.")
    scope = serializers.CharField(help_text="Scopes, separated by spaces: those of a member's role, or of the permissions of staff.")


class MembershipBody(serializers.Serializer[Any]):
    """A role at a merchant."""

    merchant_name = MerchantName()
    role = Enumeration(ROLES)


class FirstMembershipBody(serializers.Serializer[Any]):
    """A role at a merchant, for a user who is invited."""

    merchant_name = MerchantName()
    role = Enumeration(ROLES, required=False, default=Role.OWNER.value)


class UserBody(serializers.Serializer[Any]):
    """Somebody who is to be invited."""

    email = EmailAddress()
    name = ShownName()
    merchants = FirstMembershipBody(many=True, required=False, default=[])

    def validate_merchants(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse a merchant that is named twice, and very many."""
        if len(value) > MOST_MEMBERSHIPS:
            raise serializers.ValidationError(f"{MOST_MEMBERSHIPS} merchants at most", code="max_length")
        names = [fold(one["merchant_name"]) for one in value]
        if len(set(names)) < len(names):
            raise serializers.ValidationError("a merchant is named once", code="repeated")
        return value


class UserChangeBody(serializers.Serializer[Any]):
    """What is changed of a user; members that are left out stay."""

    name = ShownName(required=False)
    status = Enumeration([UserStatus.ACTIVE.value, UserStatus.SUSPENDED.value], required=False)


class NothingBody(serializers.Serializer[Any]):
    """An empty object."""


class UserQuery(PageQuery):
    """The filters of users."""

    email = StrictString(required=False, max_length=254, help_text="The whole address, regardless of case.")
    merchant = StrictString(required=False, max_length=64, help_text="Members of this merchant.")
    status = Enumeration(STATUSES, required=False)


class MembershipJson(serializers.Serializer[Any]):
    """A role at a merchant."""

    merchant_name = serializers.CharField()
    role = serializers.ChoiceField(ROLES)


class UserJson(serializers.Serializer[Any]):
    """A user. A merchant's credential sees the membership of its own merchant only."""

    id = serializers.UUIDField()
    email = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(STATUSES)
    memberships = MembershipJson(many=True)
    created_at = serializers.DateTimeField()


class UserPageJson(serializers.Serializer[Any]):
    """A page of users."""

    items = UserJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)


def membership_json(merchant_name: str, role: Role) -> dict[str, object]:
    """Return a membership as JSON."""
    return {"merchant_name": merchant_name, "role": role.value}


def user_json(user: UserFacts) -> dict[str, object]:
    """Return a user as JSON."""
    return {
        "id": str(user.id),
        "email": user.email or None,
        "name": user.name or None,
        "status": user.status.value,
        "memberships": [membership_json(name, role) for name, role in user.memberships],
        "created_at": timestamp(user.created_at),
    }
