"""The rule of the second factor: a time-based code (TOTP, django-otp).

``console/second_factor.py`` has its page.

Where it is required, a password alone opens no page of the admin, gets no token, and makes no
session that the API accepts.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.models import Device
from django_otp.plugins.otp_totp.models import TOTPDevice


def is_required() -> bool:
    """Whether members of the staff must show a second factor."""
    return settings.LEDGER_ADMIN_TOTP == "required"


def accepts(device: TOTPDevice, code: str) -> bool:
    """Whether a code is right, and was not used before.

    After a wrong code, django-otp refuses all codes for a while, which doubles each time. The
    device is locked: if two callers show one code at once, one of them is refused.
    """
    if not (code.isascii() and code.isdigit()):
        return False
    with transaction.atomic():
        locked = TOTPDevice.objects.select_for_update().filter(pk=device.pk).first()
        if locked is None:
            return False
        allowed, _ = locked.verify_is_allowed()
        return bool(allowed and locked.verify_token(code))


def confirmed_device(user: AbstractUser) -> TOTPDevice | None:
    """Return the device that a user has enrolled."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).order_by("pk").first()


def is_device_of(user: AbstractUser, persistent_id: object) -> bool:
    """Whether the user still has the device that a session or token names: a reset removes it."""
    device = Device.from_persistent_id(persistent_id) if isinstance(persistent_id, str) else None
    return device is not None and device.confirmed and device.user_id == user.pk


def session_shows_it(session: SessionBase, user: AbstractUser) -> bool:
    """Whether the second factor was shown in this session.

    For calls outside the admin's middleware.
    """
    return is_device_of(user, session.get(DEVICE_ID_SESSION_KEY))
