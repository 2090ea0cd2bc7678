"""Settings of the packages that sign people in: django-allauth and django-axes.

``settings.py`` takes them over. docs/authorization.md says what they promise.
"""

from __future__ import annotations

from datetime import timedelta

APPS = ["axes", "allauth", "allauth.account", "allauth.mfa"]

BACKENDS = ["axes.backends.AxesStandaloneBackend", "people.access.backends.PeopleBackend"]


def allauth_settings(*, is_limited: bool) -> dict[str, object]:
    """Return the settings of django-allauth.

    Without ``is_limited``, as in open mode, attempts are counted by django-axes alone.
    """
    return {
        "ACCOUNT_ADAPTER": "portal.sign_in.adapters.AccountAdapter",
        "ACCOUNT_LOGIN_METHODS": {"username"},  # the backend looks for an e-mail address as well
        "ACCOUNT_SIGNUP_FIELDS": ["username*", "password1*"],  # its form is not used; portal/sign_in has one
        "ACCOUNT_EMAIL_VERIFICATION": "none",  # an address is proven by the link that sets the first password
        "ACCOUNT_EMAIL_NOTIFICATIONS": True,
        "ACCOUNT_EMAIL_SUBJECT_PREFIX": "",
        "ACCOUNT_SESSION_REMEMBER": True,  # for SESSION_COOKIE_AGE
        "ACCOUNT_LOGOUT_REDIRECT_URL": "/app/login/",
        "ACCOUNT_FORMS": {"login": "portal.sign_in.forms.LoginForm", "reset_password": "portal.sign_in.forms.ResetForm"},
        "ACCOUNT_RATE_LIMITS": _rates(is_limited=is_limited),
        "MFA_ADAPTER": "portal.sign_in.adapters.SecondFactorAdapter",
        "MFA_SUPPORTED_TYPES": ["totp", "recovery_codes"],
        "MFA_TOTP_ISSUER": "Ledger",
        "MFA_RECOVERY_CODES_SHOW_ONCE": True,
        "MFA_ALLOW_UNVERIFIED_EMAIL": True,
        "MFA_FORMS": {
            "authenticate": "portal.sign_in.forms.CodeForm",
            "reauthenticate": "portal.sign_in.forms.CodeAgainForm",
            "activate_totp": "portal.sign_in.forms.EnrolForm",
        },
    }


def _rates(*, is_limited: bool) -> dict[str, str]:
    """Return how often an address may do what. Each worker process counts in its own memory.

    Wrong passwords and codes are counted elsewhere, for all processes: django-axes and
    people/access/second_factor.py.
    """
    names = ("login", "signup", "reset_password", "reset_password_from_key", "change_password", "reauthenticate", "change_email")
    rates = ("30/m/ip", "10/m/ip", "10/m/ip,3/m/key", "20/m/ip", "5/m/user", "10/m/user", "5/m/user")
    return dict(zip(names, rates if is_limited else ("",) * len(names), strict=True)) | {"login_failed": ""}


AXES_SETTINGS: dict[str, object] = {
    "AXES_FAILURE_LIMIT": 5,
    "AXES_COOLOFF_TIME": timedelta(minutes=15),
    "AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"]],
    "AXES_USERNAME_CALLABLE": "people.access.backends.lockout_name",
    "AXES_LOCKOUT_TEMPLATE": "account/locked.html",
    "AXES_RESET_ON_SUCCESS": True,
    "AXES_ENABLE_ADMIN": False,
    "AXES_VERBOSE": False,
}
