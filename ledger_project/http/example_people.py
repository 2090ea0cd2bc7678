"""The examples of users in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

USER = "0199c0de-0000-7000-8000-000000011001"


def people_bodies(merchant: str, key: str) -> dict[str, Mapping[str, object]]:
    """Return the example of each body about people, by its call.

    ``key`` is new in each document, and so is the address made of it.
    """
    member = {"merchant_name": merchant, "role": "operator"}
    return {
        "create_token": {"username": "operator", "password": "a long pass phrase"},
        "refresh_token": {"refresh": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"},
        "create_user": {"email": f"{key}@mira.example", "name": "Mira Ōe", "merchants": [member]},
        "change_user": {"name": "Mira Ōe-Lind"},
        "set_membership": member,
    }


def people_answers(merchant: str, time: str) -> dict[str, object]:
    """Return the example of each answer about people, by its schema's name."""
    member = {"merchant_name": merchant, "role": "operator"}
    user = {
        "id": USER,
        "email": "mira@mira.example",
        "name": "Mira Ōe",
        "status": "invited",
        "memberships": [member],
        "created_at": time,
    }
    return {
        "TokenJson": {
            "access": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl",
            "refresh": "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "merchants:read transfers:read",
        },
        "UserJson": user,
        "UserPageJson": {"items": [user], "next_cursor": None},
        "MembershipJson": member,
    }
