"""What django-allauth asks the project."""

from __future__ import annotations

import secrets
import time
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from people.access.second_factor import sealed, unsealed
from people.models import User
from portal.sign_in.start_pages import start_page

log = structlog.get_logger(__name__)

FRESH_S = 300.0
"""Seconds after a password or code was given for which it is not asked again before a change of the
second factor."""

_WRONG = "The name and the password do not belong together, or there were too many attempts."


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in, password reset and mails."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": _WRONG,
        "incorrect_password": "This is not your password.",
        "incorrect_code": "This code is not right, or it was used before. Wait for the next one.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse: allauth's own form is not used."""
        del request
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Answer with pages always: no page of ours asks for anything else here."""
        del request
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a sign-in may lead there: to this host only."""
        request: HttpRequest = self.request
        return url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure())

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Return where a person begins."""
        assert request.user.is_authenticated
        return start_page(request.user)

    def is_reauthentication_required(self, *, app: str, **others: Any) -> bool:
        """Whether the password is asked again: not while the sign-in is fresh."""
        records = get_authentication_records(self.request, self.request.user)
        if any(time.time() - record["at"] < FRESH_S for record in records):
            return False
        return bool(super().is_reauthentication_required(app=app, **others))

    def set_password(self, user: User, password: str) -> None:
        """Keep a new password. Whoever got here by a mail has proven the address as well."""
        user.set_password(password)
        user.activated_at = user.activated_at or timezone.now()
        user.mail_due_at = None  # no invitation any more
        user.save(update_fields=["password", "activated_at", "mail_due_at"])

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Tell people of changes to how they sign in."""
        address = email or user.email
        if address:
            super().send_notification_mail(template_prefix, user, context=context, email=address)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail.

        A mail server that does not answer is logged. It must not tell a stranger which address has
        an account, and it must not undo what the person did.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # SMTPException is one
            log.error("mail.not_sent", kind=template_prefix, error=type(error).__name__)  # noqa: TRY400 - a traceback would name the address


class SecondFactorAdapter(DefaultMFAAdapter):
    """Second factors at rest, and their picture."""

    def encrypt(self, text: str) -> str:
        """Return a secret as it is stored."""
        return sealed(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return a stored secret.

        If ``SECRET_KEY`` is another one now, the outcome is random: recovery codes are made of it,
        and those of a known text could be calculated by anybody.
        """
        return unsealed(encrypted_text) or secrets.token_hex(40)

    def get_totp_label(self, user: User) -> str:
        """Return what the authenticator app shows beside the code."""
        return user.get_username()

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code as an element for a page."""
        from qrcode import make  # noqa: PLC0415 - only this page draws: the images' library is large
        from qrcode.image.svg import SvgPathImage  # noqa: PLC0415 - the same

        drawing: str = make(url, image_factory=SvgPathImage, box_size=12).to_string(encoding="unicode")
        return drawing
