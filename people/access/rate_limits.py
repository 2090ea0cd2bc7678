"""How often somebody may call: a token bucket for each credential and each address, in the memory of this process.

Memory, not the database: a brake that asks the database for every request is one more thing to brake for. So the limits are those of
one worker, and the service as a whole allows as many times more as it has workers. A rate of zero is no limit.

Many callers may share an address: an office, a mobile network, a proxy that nobody named. So a stranger's requests are counted apart from
those of callers who got in, and bad credentials slow down nobody but who sends them.
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
    """The buckets of one kind of caller. Whoever was not seen for long is forgotten, and then has a full bucket, as is due."""

    def __init__(self) -> None:
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_CAPACITY)

    def take(self, caller: str, *, rate: float, burst: float | None = None) -> None:
        """Count one request. Raises ``RateLimited`` if there have been more than ``rate`` a second, but for a burst."""
        now = time.monotonic()
        capacity = max(1.0, rate * BURST_S) if burst is None else burst
        left, at = self._buckets.get(caller, (capacity, now))
        left = min(capacity, left + (now - at) * rate)
        if left < 1.0:
            self._buckets[caller] = left, now
            raise RateLimited(retry_after_s=max(1, math.ceil((1.0 - left) / rate)))
        self._buckets[caller] = left - 1.0, now

    def release_all(self) -> None:
        """Start afresh; for tests."""
        self._buckets.clear()


_addresses, _strangers, _credentials, _failures = Brake(), Brake(), Brake(), Brake()


def address_of(request: HttpRequest) -> str:
    """Return whom to count a request against: the caller's IPv4 address or IPv6 network of 64 bits, which one customer has alone.

    Behind a proxy it is what uvicorn makes of ``X-Forwarded-For``, from the proxies that ``FORWARDED_ALLOW_IPS`` names.
    """
    host: str = request.META.get("REMOTE_ADDR") or ""
    return ":".join(host.split(":")[:4]) if host.count(":") > 3 else host


def brake_address(request: HttpRequest) -> None:
    """Count a request of a caller who got in against its address. Raises ``RateLimited``."""
    if settings.LEDGER_RATE_ADDRESS:
        _addresses.take(address_of(request), rate=settings.LEDGER_RATE_ADDRESS)


def brake_stranger(request: HttpRequest) -> None:
    """Count a request without a credential, or with one that was not good before, against its address. Raises ``RateLimited``.

    This bounds what strangers make the database look up. A good credential is a stranger's once; then it is known.
    """
    if settings.LEDGER_RATE_ADDRESS:
        _strangers.take(address_of(request), rate=settings.LEDGER_RATE_ADDRESS)


def brake_credential(credential: str) -> None:
    """Count a request against its credential, named with its owner, since two merchants may have tokens of one subject.

    Raises ``RateLimited``.
    """
    if settings.LEDGER_RATE_CREDENTIAL:
        _credentials.take(credential, rate=settings.LEDGER_RATE_CREDENTIAL)


def count_failure(request: HttpRequest) -> None:
    """Count a credential that was none against its address. Raises ``RateLimited`` when it is one too many."""
    if settings.LEDGER_RATE_FAILURES:
        _failures.take(address_of(request), rate=settings.LEDGER_RATE_FAILURES)


def release_all() -> None:
    """Start afresh; for tests."""
    for brake in (_addresses, _strangers, _credentials, _failures):
        brake.release_all()
