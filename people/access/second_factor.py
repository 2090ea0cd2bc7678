"""The rule of the second factor: a time-based code (TOTP, RFC 6238), or a recovery code.

Whoever has enrolled an authenticator app must show it: a password alone opens no page and gets no
token. Members of the staff must enrol one where ``LEDGER_ADMIN_TOTP`` is ``required``.

The apps are rows of django-allauth's table. Codes are checked here and not by its views, because a
code must count once for all processes: the row of the app is locked, and keeps the last step that
was used and how often a wrong code came.
"""

from __future__ import annotations

import base64
import hmac
import math
import time
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from ledger_project.database.sealing import seal, unseal
from people.models import User

SESSION_KEY = "second_factor"
"""In a session: the number of the authenticator app that was shown."""

_PURPOSE = "ledger.people.second-factor.v1"
_STEP_S = 30
_TOLERANCE = 1
"""Steps before and after the present one whose codes are accepted: clocks of telephones differ."""

LONGEST_WAIT_S = 900.0
"""Seconds. The wait after wrong codes doubles from one second up to this."""


def is_required() -> bool:
    """Whether members of the staff must show a second factor."""
    return settings.LEDGER_ADMIN_TOTP == "required"


def enrolled(user: User) -> Authenticator | None:
    """Return the authenticator app that a user has enrolled."""
    return Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).first()


def must_enrol(user: User) -> bool:
    """Whether a user who has no authenticator app must enrol one before anything else."""
    return is_required() and user.is_staff


def is_needed(user: User) -> bool:
    """Whether a password alone is not enough for a user."""
    return must_enrol(user) or enrolled(user) is not None


def mark_shown(session: SessionBase, device: Authenticator) -> None:
    """Remember in a session that this app, or a recovery code beside it, was shown."""
    session[SESSION_KEY] = device.pk


def is_device_of(user: User, number: object) -> bool:
    """Whether the user still has the app that a session or token names: a reset removes it."""
    device = enrolled(user)
    return device is not None and device.pk == number


def is_missing(session: SessionBase, user: User) -> bool:
    """Whether a session lacks the second factor that its user has, or must have."""
    device = enrolled(user)
    if device is None:
        return must_enrol(user)
    return bool(session.get(SESSION_KEY) != device.pk)


def reset(user: User) -> int:
    """Forget a user's app and recovery codes. Returns how many rows are gone."""
    count, _ = Authenticator.objects.filter(user_id=user.pk).delete()
    return int(count)


def sealed(secret: str) -> str:
    """Return the secret of an app, or the seed of recovery codes, as it is stored."""
    return seal(secret, purpose=_PURPOSE)


def unsealed(stored: str) -> str:
    """Return a stored secret; "" if ``SECRET_KEY`` is another one now: no code fits that."""
    return unseal(stored, purpose=_PURPOSE) or ""


def code_at(secret: str, step: int) -> str:
    """Return the six digits of an app at a step of 30 seconds (RFC 4226, section 5.3)."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"


def step_of(secret: str, code: str, *, now_s: float) -> int | None:
    """Return the step whose code this is, among the present one and those beside it."""
    if not (secret and _is_code(code)):
        return None
    present = int(now_s) // _STEP_S
    steps = range(present - _TOLERANCE, present + _TOLERANCE + 1)
    return next((step for step in steps if hmac.compare_digest(code_at(secret, step), code)), None)


def accepts(user: User, code: str, *, or_recovery: bool = False) -> Authenticator | None:
    """Return the user's app if a code is right and was not used before; None otherwise.

    After a wrong code all codes are refused for a while, which doubles each time. The app is
    locked: if two callers show one code at once, one of them is refused. ``or_recovery`` accepts a
    recovery code as well.
    """
    if not _is_code(code):
        return None
    with transaction.atomic():
        device = Authenticator.objects.select_for_update().filter(user_id=user.pk, type=Authenticator.Type.TOTP).first()
        if device is None or not _may_try(device.data):
            return None
        step = step_of(unsealed(device.data["secret"]), code, now_s=time.time())
        is_right = step is not None and step > device.data.get("last_step", 0)
        if is_right:
            device.data["last_step"] = step
        elif or_recovery:
            is_right = _takes_recovery_code(user, code)
        _count(device.data, is_right=is_right)
        device.save(update_fields=["data"])
    return device if is_right else None


def keep_used(device: Authenticator, step: int) -> None:
    """Remember the step whose code enrolled an app: that code must not count a second time."""
    device.data["last_step"] = step
    device.save(update_fields=["data"])


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _may_try(state: dict[str, Any]) -> bool:
    """Whether the wait after the last wrong code is over; a clock that was put back ends it."""
    failures, failed_at_s = state.get("failures", 0), state.get("failed_at_s", 0.0)
    waited_s = time.time() - failed_at_s
    return bool(not failures or waited_s < 0 or waited_s >= min(math.ldexp(1.0, min(failures, 20) - 1), LONGEST_WAIT_S))


def _count(state: dict[str, Any], *, is_right: bool) -> None:
    state["failures"] = 0 if is_right else state.get("failures", 0) + 1
    state["failed_at_s"] = 0.0 if is_right else time.time()


def _takes_recovery_code(user: User, code: str) -> bool:
    codes = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).first()
    return codes is not None and bool(codes.wrap().validate_code(code))
