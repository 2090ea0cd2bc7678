"""Settings that cannot work are told in one line."""

import os
import secrets
from pathlib import Path
from typing import Literal, cast


class ConfigurationError(ValueError):
    """A setting from the environment is wrong; the message says which and what would be right."""


def authentication_mode(text: str) -> Literal["open", "required"]:
    """Return what LEDGER_AUTH says. Raises ``ConfigurationError``."""
    if text not in {"open", "required"}:
        raise ConfigurationError(f"LEDGER_AUTH is {text!r}; it is 'required' or 'open'")
    return cast('Literal["open", "required"]', text)


def secret_key(configured: str, *, data_dir: Path, embedded: bool, debug: bool) -> str:
    """Return Django's secret key: the configured one, or in embedded and debug mode one that is made once and kept in the data folder.

    Raises ``ConfigurationError`` where a real database is served without a key.
    """
    if configured:
        return configured
    if not embedded and not debug:
        raise ConfigurationError("SECRET_KEY is not set; with DATABASE_URL a long random one is required")
    return kept_value(data_dir / "secret_key", secrets.token_urlsafe(50))


def kept_value(path: Path, new: str) -> str:
    """Return what a private file holds; the first call puts ``new`` there, whoever else calls at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(new)
    return new
