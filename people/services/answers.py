"""Answers about a person that are stored under an idempotency key: sealed with a key of the
person's row.

Stored answers are never changed. So that they can be erased, they are stored encrypted, and the key
is in the row of the user. Erasing the user removes the key: nobody can read the answers any more.
"""

from __future__ import annotations

import json
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken

from people.models import User


def new_answer_key() -> bytes:
    """Return the key of a new user's answers."""
    return Fernet.generate_key()


def sealed_answer(user_id: UUID, body: bytes) -> bytes:
    """Return an answer about a user as it is stored."""
    key = User.objects.values_list("answer_key", flat=True).get(pk=user_id)
    assert key is not None  # a user has a key until it is erased
    return json.dumps({"user_id": str(user_id), "sealed": Fernet(bytes(key)).encrypt(body).decode()}).encode()


def opened_answer(stored: bytes) -> tuple[UUID, bytes | None]:
    """Return the user of a stored answer, and the answer; None if the user was erased."""
    found = json.loads(stored)
    user_id = UUID(found["user_id"])
    key = User.objects.filter(pk=user_id).values_list("answer_key", flat=True).first()
    if key is None:
        return user_id, None
    try:
        return user_id, Fernet(bytes(key)).decrypt(found["sealed"].encode())
    except InvalidToken:
        return user_id, None
