"""Reading settings from the environment; a wrong one raises ``ConfigurationError``."""

import os
import secrets
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

import dj_email_url

from ledger_project.kernel.configuration import ConfigurationError
from ledger_project.process.private_files import kept_value


def authentication_mode(text: str) -> Literal["open", "required"]:
    """Return what LEDGER_AUTH says. Raises ``ConfigurationError``."""
    if text not in {"open", "required"}:
        raise ConfigurationError(f"LEDGER_AUTH is {text!r}; it is 'required' or 'open'")
    return cast('Literal["open", "required"]', text)


def second_factor_mode(text: str) -> Literal["required", "off"]:
    """Return what LEDGER_ADMIN_TOTP says. Raises ``ConfigurationError``."""
    if text not in {"required", "off"}:
        raise ConfigurationError(f"LEDGER_ADMIN_TOTP is {text!r}; it is 'required' or 'off'")
    return cast('Literal["required", "off"]', text)


def mail_settings(url: str, *, data_dir: Path) -> dict[str, object]:
    """Return Django's settings of mail for a URL such as ``submission://user:password@host:587``.

    Without one, each mail is a file in the data folder. Raises ``ConfigurationError``, which never
    quotes the URL: it may have a password.
    """
    # Less than the time for which a claim of a mail holds (events/services/mail.py).
    found: dict[str, object] = {"EMAIL_TIMEOUT": 30}
    if not url:
        return found | {"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend", "EMAIL_FILE_PATH": str(data_dir / "mail")}
    try:
        named: dict[str, object] = dj_email_url.parse(url)
    except ValueError:
        named = {}
    if "EMAIL_BACKEND" not in named:
        raise ConfigurationError("EMAIL_URL is not the URL of a mail server, as submission://user:password@host:587")
    return {name: value for name, value in named.items() if value is not None} | found


def public_url(text: str, *, port: int) -> str:
    """Return the address of the service without a slash at its end; that of this machine if none is
    set. Raises ``ConfigurationError``.
    """
    if not text:
        return f"http://127.0.0.1:{port}"
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(f"LEDGER_PUBLIC_URL is {text!r}; it is the address of this service, as https://ledger.example")
    return text.rstrip("/")


def periodic_mode(text: str) -> Literal["web", "worker"]:
    """Return what LEDGER_PERIODIC says. Raises ``ConfigurationError``."""
    if text not in {"web", "worker"}:
        raise ConfigurationError(f"LEDGER_PERIODIC is {text!r}; it is 'web' or 'worker'")
    return cast('Literal["web", "worker"]', text)


def environment_secret(name: str) -> str:
    """Return a secret: the value of the variable, or the content of the file that ``<name>_FILE``
    names.

    Returns "" for neither. Container platforms hand secrets over as files, because an environment
    is inherited and shown by many tools. Raises ``ConfigurationError``, which never quotes the
    secret.
    """
    value, path = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if not path:
        return value
    if value:
        raise ConfigurationError(f"{name} and {name}_FILE are both set; one of them is enough")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"{name}_FILE cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}_FILE is not text") from None


def secret_key(configured: str, *, data_dir: Path, embedded: bool, debug: bool) -> str:
    """Return Django's secret key.

    Without a configured one, embedded and debug mode make one and keep it in the data folder.
    Raises ``ConfigurationError`` for a real database without a key.
    """
    if configured:
        return configured
    if not embedded and not debug:
        raise ConfigurationError("SECRET_KEY is not set; with DATABASE_URL a long random one is required")
    return kept_value(data_dir / "secret_key", secrets.token_urlsafe(50))
