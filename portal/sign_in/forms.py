"""The forms of sign-in."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import LoginForm as AllauthLoginForm
from allauth.account.forms import ResetPasswordForm
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django import forms

from people.access.second_factor import accepts, mark_shown, step_of
from people.models import User
from people.selectors.users import with_email

_CODE_ATTRIBUTES = {"autocomplete": "one-time-code", "inputmode": "numeric", "autocapitalize": "off", "spellcheck": "false"}


def _plain(code: str) -> str:
    """Return a code as it was typed, without the blanks and dashes that make it readable."""
    return "".join(code.split()).replace("-", "")


class LoginForm(AllauthLoginForm):
    """A name and a password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = forms.CharField(
            label="E-mail address or user name",
            max_length=254,
            widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "off", "spellcheck": "false", "autofocus": True}),
        )
        self.fields["password"] = forms.CharField(
            label="Password",
            max_length=4096,
            strip=False,
            widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        )

    def user_credentials(self) -> dict[str, str]:
        """Return what the backend checks (people/access/backends.py)."""
        return {"username": self.cleaned_data["login"], "password": self.cleaned_data["password"]}


class ResetForm(ResetPasswordForm):
    """The e-mail address of somebody who has forgotten the password."""

    email = forms.EmailField(label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    def clean_email(self) -> str:
        """Find the user. The answer is the same without one."""
        address: str = self.cleaned_data["email"]
        self.users = list(with_email(User.objects.filter(is_active=True), address))
        return address


class _Codes(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    user: Any
    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs={**_CODE_ATTRIBUTES, "autofocus": True}),
        help_text="The six digits that your authenticator app shows now, or one of your recovery codes.",
    )

    def clean_code(self) -> str:
        """Check the code once, for all processes."""
        code = _plain(self.cleaned_data["code"])
        device = accepts(self.user, code, or_recovery=True)
        if device is None:
            raise get_adapter().validation_error("incorrect_code")
        device.user = self.user
        self.authenticator = device
        return code

    def save(self) -> None:
        """Remember that the second factor was shown."""
        super().save()  # type: ignore[misc]  # of allauth's form beside this one
        mark_shown(context.request.session, self.authenticator)


class CodeForm(_Codes, AuthenticateForm):
    """The code after the password."""


class CodeAgainForm(_Codes, ReauthenticateForm):
    """The code of somebody who is signed in."""


class EnrolForm(ActivateTOTPForm):
    """The first code of a new authenticator app."""

    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs=_CODE_ATTRIBUTES),
        help_text="The six digits that the app shows for this account.",
    )
    step: int
    """The step of 30 seconds that the code belongs to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Keep the secret that the session was shown: a second tab must not replace it."""
        session = context.request.session
        shown = session.get(SECRET_SESSION_KEY)
        super().__init__(*args, **kwargs)
        if shown:
            self.secret = session[SECRET_SESSION_KEY] = shown

    def clean_code(self) -> str:
        """Check that the app knows the secret."""
        code = _plain(self.cleaned_data["code"])
        step = step_of(self.secret, code, now_s=time.time())
        if step is None:
            raise get_adapter().validation_error("incorrect_code")
        self.step = step
        return code
