"""System checks of our own settings: a wrong setting is reported at start-up."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - as Django names it

from events.services.signing import load_signers
from ledger_project.http.limits import OTHER_FILES, open_files_limit
from ledger_project.kernel.configuration import ConfigurationError
from transfers.sql.idempotency import LONGEST_RETENTION_DAYS

LONGEST_LEEWAY_S = 300
"""Seconds. Clocks that differ by more must be set right."""

KEPT_FROM_S, KEPT_TO_S = 3600, LONGEST_RETENTION_DAYS * 24 * 3600
"""Seconds. The purge relies on postings that are over in an hour, and on the ring of tables."""

SHORTEST_APPROVAL_S, LONGEST_APPROVAL_S = 60, 90 * 24 * 3600
"""Seconds. A person needs a minute; what is older than 90 days is not what was asked for."""

LARGEST_CLOCK_TOLERANCE = 9
"""Seconds. transfers/sql/guards.sql allows one more, for the time between reading the clock and
writing."""


@register()
def check_settings(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report numbers with which the service cannot keep its promises."""
    del app_configs, kwargs
    positive = (
        "LEDGER_IDEMPOTENCY_WAIT",
        "LEDGER_BATCH_MAX",
        "LEDGER_QUEUE_MAX",
        "LEDGER_POSTING_TIMEOUT",
        "LEDGER_CLOCK_TOLERANCE",
        "LEDGER_READER_THREADS",
        "LEDGER_PAGE_CONNECTIONS",
        "LEDGER_READ_QUEUE_MAX",
        "LEDGER_READ_TIMEOUT",
        "LEDGER_IDLE_TRANSACTION_TIMEOUT",
        "LEDGER_MAX_BODY_BYTES",
        "LEDGER_CONNECTIONS_MAX",
        "LEDGER_HEAD_TIMEOUT",
        "LEDGER_BODY_TIMEOUT",
        "LEDGER_WRITE_TIMEOUT",
        "LEDGER_CREDENTIAL_CACHE",
        "LEDGER_WEBHOOK_RETENTION",
    )
    errors: list[CheckMessage] = [
        Error(f"{name} is {getattr(settings, name)}; it must be more than zero.", id="ledger.E001")
        for name in positive
        if getattr(settings, name) <= 0
    ]
    if settings.DATABASES["default"]["ENGINE"] != "ledger_project.database.backend":
        errors.append(Error("The ledger needs PostgreSQL: its promises rest on row locks.", id="ledger.E002"))
    if settings.LEDGER_POSTING_TIMEOUT < settings.LEDGER_IDEMPOTENCY_WAIT:
        errors.append(Error("LEDGER_POSTING_TIMEOUT must not be below LEDGER_IDEMPOTENCY_WAIT.", id="ledger.E003"))
    if not 0 <= settings.LEDGER_JWT_LEEWAY <= LONGEST_LEEWAY_S:
        errors.append(
            Error(f"LEDGER_JWT_LEEWAY is {settings.LEDGER_JWT_LEEWAY}; it is from 0 to {LONGEST_LEEWAY_S} seconds.", id="ledger.E006")
        )
    if settings.LEDGER_CLOCK_TOLERANCE > LARGEST_CLOCK_TOLERANCE:
        detail = f"it must be at most {LARGEST_CLOCK_TOLERANCE}: the database refuses times that are 10 seconds ahead."
        errors.append(Error(f"LEDGER_CLOCK_TOLERANCE is {settings.LEDGER_CLOCK_TOLERANCE}; {detail}", id="ledger.E020"))
    return errors


@register()
def check_retention(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report a retention of idempotency keys that the tables cannot keep."""
    del app_configs, kwargs
    if KEPT_FROM_S <= settings.LEDGER_IDEMPOTENCY_RETENTION <= KEPT_TO_S:
        return []
    detail = f"it is from {KEPT_FROM_S} seconds (an hour) to {KEPT_TO_S} ({LONGEST_RETENTION_DAYS} days)."
    return [Error(f"LEDGER_IDEMPOTENCY_RETENTION is {settings.LEDGER_IDEMPOTENCY_RETENTION}; {detail}", id="ledger.E024")]


@register()
def check_approval_lifetime(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report approvals that nobody could decide, or that wait for ever."""
    del app_configs, kwargs
    if SHORTEST_APPROVAL_S <= settings.LEDGER_APPROVAL_LIFETIME <= LONGEST_APPROVAL_S:
        return []
    detail = f"it is from {SHORTEST_APPROVAL_S} seconds to {LONGEST_APPROVAL_S} (90 days)."
    return [Error(f"LEDGER_APPROVAL_LIFETIME is {settings.LEDGER_APPROVAL_LIFETIME}; {detail}", id="ledger.E029")]


@register()
def check_receipt_keys(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report keys that can sign or verify no receipt."""
    del app_configs, kwargs
    try:
        load_signers(settings.LEDGER_RECEIPT_SIGNING_KEY, settings.LEDGER_RECEIPT_FORMER_KEYS)
    except ConfigurationError as error:
        return [Error(f"{error}.", hint="'openssl genpkey -algorithm ed25519' makes one.", id="ledger.E025")]
    return []


@register(deploy=True)
def check_receipts_are_signed(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report a production without a key for receipts."""
    del app_configs, kwargs
    if settings.LEDGER_RECEIPT_SIGNING_KEY or settings.LEDGER_EMBEDDED or settings.DEBUG:
        return []
    hint = "Make a key with 'openssl genpkey -algorithm ed25519' and keep it for good."
    return [Warning("LEDGER_RECEIPT_SIGNING_KEY is not set: receipts are not signed.", hint=hint, id="ledger.W026")]


@register(deploy=True)
def check_money_is_real(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report a production in which members make money."""
    del app_configs, kwargs
    if not settings.LEDGER_SANDBOX:
        return []
    hint = "Leave LEDGER_SANDBOX out: then operators confirm what comes in."
    return [Warning("LEDGER_SANDBOX is on: members add money that nobody has paid.", hint=hint, id="ledger.W029")]


@register(deploy=True)
def check_mail_is_sent(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report a production whose mail stays in files."""
    del app_configs, kwargs
    if not settings.EMAIL_BACKEND.endswith("filebased.EmailBackend"):
        return []
    return [Warning("EMAIL_URL is not set: mail is kept in files and sent to nobody.", hint="Name a mail server.", id="ledger.W027")]


@register(deploy=True)
def check_public_url(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report a production whose mails have links to the machine of their reader."""
    del app_configs, kwargs
    if not is_loopback(urlsplit(settings.LEDGER_PUBLIC_URL).hostname or ""):
        return []
    hint = "Set it to the address that people use, as https://ledger.example."
    return [Warning("LEDGER_PUBLIC_URL is not set: links in mails lead to 127.0.0.1.", hint=hint, id="ledger.W028")]


@register()
def check_open_mode(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report open mode, except with DEBUG or on loopback.

    Open mode is for trying out on one's own machine. ``LEDGER_BIND`` says where the service
    listens.
    """
    del app_configs, kwargs
    if settings.LEDGER_AUTH != "open":
        return []
    hint = "Use LEDGER_AUTH=required and make a credential with 'manage.py api_key create'."
    if settings.LEDGER_BIND and not is_loopback(settings.LEDGER_BIND):
        return [
            Error(f"LEDGER_AUTH=open with the public bind {settings.LEDGER_BIND}: anybody could move money.", hint=hint, id="ledger.E004")
        ]
    if not settings.LEDGER_BIND and not settings.DEBUG:
        return [Error("LEDGER_AUTH=open with DEBUG=False: anybody could move money.", hint=hint, id="ledger.E005")]
    return []


@register()
def check_connections(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report more connections than this process may open files: each connection is an open file."""
    del app_configs, kwargs
    needed, allowed = settings.LEDGER_CONNECTIONS_MAX + OTHER_FILES, open_files_limit()
    if needed <= allowed:
        return []
    problem = f"LEDGER_CONNECTIONS_MAX is {settings.LEDGER_CONNECTIONS_MAX}, and a process may have {allowed} files open."
    return [Warning(problem, hint=f"Allow {needed} files (ulimit -n {needed}), or set fewer connections.", id="ledger.W021")]


@register()
def check_proxies(app_configs: Sequence[Any] | None, **kwargs: object) -> list[CheckMessage]:
    """Report proxies that are misspelt, and a setting that trusts every proxy.

    With a misspelt proxy all callers share its address. With one too many, callers choose theirs.
    """
    del app_configs, kwargs
    if settings.FORWARDED_ALLOW_IPS == ["*"]:
        problem = "FORWARDED_ALLOW_IPS is '*': every caller can choose the address that it is limited and locked out by."
        return [Warning(problem, hint="Name the addresses or networks of your proxies.", id="ledger.W022")]
    return [
        Error(f"FORWARDED_ALLOW_IPS has {proxy!r}; an address or a network of a proxy is expected, as 10.0.0.0/8.", id="ledger.E023")
        for proxy in settings.FORWARDED_ALLOW_IPS
        if not _is_network(proxy)
    ]


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
