"""Authenticator apps of tests, and the codes that they show."""

from __future__ import annotations

import secrets
import time
from base64 import b32encode
from typing import Any

from allauth.mfa.models import Authenticator

from people.access.second_factor import code_at, sealed, unsealed


def enrol(user: Any) -> Authenticator:
    """Enrol an app for a user, as its page does."""
    secret = b32encode(secrets.token_bytes(20)).decode()
    return Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": sealed(secret)})


def code_of(device: Authenticator, steps: int = 0) -> str:
    """Return the code that the app shows now, or so many steps of 30 seconds later."""
    return code_at(unsealed(device.data["secret"]), int(time.time()) // 30 + steps)


def end_wait(device: Authenticator) -> None:
    """Have the wait after wrong codes be over."""
    device.refresh_from_db()
    device.data |= {"failures": 0}
    device.save()
