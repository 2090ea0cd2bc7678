"""Who signs in with a password: by user name, or by e-mail address."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from people.models import User
from people.selectors.users import with_email


class PeopleBackend(ModelBackend):
    """Checks passwords. A name that nobody has costs as much time as one with a wrong password."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **others: Any
    ) -> User | None:
        """Return the active user with this user name or, if there is none, with this e-mail
        address, and this password; None otherwise.
        """
        del request
        if not username or password is None or others:
            return None
        user = User.objects.filter(username=username).first() or with_email(User.objects.all(), username).first()
        if user is None:
            User().set_password(password)  # the time that a check takes
            return None
        return user if user.check_password(password) and self.user_can_authenticate(user) else None


def lockout_name(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str | None:
    """Return the name whose wrong passwords django-axes counts: spellings of one name are one."""
    name = (credentials or {}).get("username")
    if name is None and request is not None:
        name = request.POST.get("login") or request.POST.get("username")
    return None if name is None else str(name).strip().lower()
