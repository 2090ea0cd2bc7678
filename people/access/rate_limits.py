"""Rate limits: a token bucket for each credential and each address.

Limits are kept in the memory of one worker: checking them must not load the database. The service
as a whole allows as many times more as it has workers. A rate of zero is no limit.

Many callers may share an address: an office, a mobile network, an unnamed proxy. So requests of
strangers are counted apart from those of admitted callers, and bad credentials slow down their own
sender only.
"""

from __future__ import annotations

import math
import time

from cachetools import LRUCache
from django.conf import settings
from django.http import HttpRequest

from ledger_project.kernel.actors import RateLimited

BURST_S = 2.0
"""Seconds' worth of requests that may come at once after a pause."""

_CAPACITY = 20_000


class Brake:
    """The buckets of one kind of caller.

    A caller that was not seen for long is forgotten: its bucket is full again.
    """

    def __init__(self) -> None:
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_CAPACITY)

    def take(self, caller: str, *, rate: float, burst: float | None = None) -> None:
        """Count one request.

        Raises ``RateLimited`` for more than ``rate`` a second, apart from a burst.
        """
        now = time.monotonic()
        capacity = max(1.0, rate * BURST_S) if burst is None else burst
        left, at = self._buckets.get(caller, (capacity, now))
        left = min(capacity, left + (now - at) * rate)
        if left < 1.0:
            self._buckets[caller] = left, now
            raise RateLimited(retry_after_s=max(1, math.ceil((1.0 - left) / rate)))
        self._buckets[caller] = left - 1.0, now

    def release_all(self) -> None:
        """Empty all buckets. For tests."""
        self._buckets.clear()


_addresses, _strangers, _credentials, _failures = Brake(), Brake(), Brake(), Brake()


def address_of(request: HttpRequest) -> str:
    """Return the address to count a request against: an IPv4 address, or the network of an IPv6
    address (64 bits).

    Behind a proxy it comes from ``X-Forwarded-For``, if ``FORWARDED_ALLOW_IPS`` names the proxy.
    """
    host: str = request.META.get("REMOTE_ADDR") or ""
    return ":".join(host.split(":")[:4]) if host.count(":") > 3 else host


def brake_address(request: HttpRequest) -> None:
    """Count an admitted request against its address. Raises ``RateLimited``."""
    if settings.LEDGER_RATE_ADDRESS:
        _addresses.take(address_of(request), rate=settings.LEDGER_RATE_ADDRESS)


def brake_stranger(request: HttpRequest) -> None:
    """Count a request of a stranger against its address.

    Raises ``RateLimited``.

    A stranger has no credential, or one that is not remembered. This limits the look-ups in the
    database. A good credential is a stranger's once; then it is remembered.
    """
    if settings.LEDGER_RATE_ADDRESS:
        _strangers.take(address_of(request), rate=settings.LEDGER_RATE_ADDRESS)


def brake_credential(credential: str) -> None:
    """Count a request against its credential.

    Raises ``RateLimited``.

    The owner is part of the name: two merchants may have tokens with one subject.
    """
    if settings.LEDGER_RATE_CREDENTIAL:
        _credentials.take(credential, rate=settings.LEDGER_RATE_CREDENTIAL)


def count_failure(request: HttpRequest) -> None:
    """Count a bad credential against its address. Raises ``RateLimited`` for too many."""
    if settings.LEDGER_RATE_FAILURES:
        _failures.take(address_of(request), rate=settings.LEDGER_RATE_FAILURES)


def release_all() -> None:
    """Empty all buckets. For tests."""
    for brake in (_addresses, _strangers, _credentials, _failures):
        brake.release_all()
