"""System checks of our own settings: what cannot work is told at start-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def check_settings(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Numbers must be in the range in which the service can keep its promises."""
    del app_configs, kwargs
    positive = (
        "LEDGER_IDEMPOTENCY_WAIT",
        "LEDGER_IDEMPOTENCY_RETENTION",
        "LEDGER_BATCH_MAX",
        "LEDGER_QUEUE_MAX",
        "LEDGER_POSTING_TIMEOUT",
        "LEDGER_READER_THREADS",
        "LEDGER_MAX_BODY_BYTES",
    )
    errors: list[CheckMessage] = [
        Error(f"{name} is {getattr(settings, name)}; it must be more than zero.", id="ledger.E001")
        for name in positive
        if getattr(settings, name) <= 0
    ]
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        errors.append(Error("The ledger needs PostgreSQL: its promises rest on row locks.", id="ledger.E002"))
    if settings.LEDGER_POSTING_TIMEOUT < settings.LEDGER_IDEMPOTENCY_WAIT:
        errors.append(Error("LEDGER_POSTING_TIMEOUT must not be below LEDGER_IDEMPOTENCY_WAIT.", id="ledger.E003"))
    return errors
