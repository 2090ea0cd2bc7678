"""The HTTP client of webhooks: it connects to no address that was not judged.

A name may resolve to one address when it is judged and to another when it is used. So the judgement
stands where the socket of a connection is made: the address that it is made for is the one that is
connected to. Redirects are not followed, proxies and cookies are not used, and certificates are
verified against the name in the URL.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from events.domain.addresses import Reach, Target, UrlRefused, check_addresses, reach_of, read_url
from events.sending.attempts import Attempt

TIMEOUT_S = 15.0
"""Seconds of an attempt: looking the name up, connecting, sending, and the head of the answer."""

LOOK_UP_S = 5.0
"""Seconds to look a name up when a URL is registered."""

_CONNECTIONS = 512
_PER_RECEIVER = 64
_LOOK_UP_THREADS = 16
_NAMES_KEPT_S = 30
"""How long an answer of the name service is used again. Each connection is judged all the same."""

_READ_BYTES = 64 * 1024
_READ_S = 1.0
"""How much of an answer's body is read, and for how long, so that its connection can be used
again. Nobody looks at it."""

_REFUSED = "its address is not one that a webhook may reach"

LookUp = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a name. Raises ``OSError``."""


def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, by the system's resolver. Raises ``OSError``."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


class _AddressRefused(OSError):
    """A connection to this address must not be made."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, _REFUSED)


class _Resolver(AbstractResolver):
    """Looks names up on threads of its own, and refuses names with an address that is not within
    reach.
    """

    def __init__(self, look_up: LookUp, threads: ThreadPoolExecutor, reach: Reach) -> None:
        self._look_up, self._threads, self._reach = look_up, threads, reach

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of a name. Raises ``OSError``."""
        del family
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port)
        try:
            check_addresses(list(found), self._reach)
        except UrlRefused:
            raise _AddressRefused from None
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is kept open."""


def _socket_within(reach: Reach, address_info: tuple[Any, ...]) -> socket.socket:
    """Return the socket for a connection. Raises ``_AddressRefused``."""
    family, kind, protocol, _, address = address_info
    if not reach_of(str(address[0])) & reach:
        raise _AddressRefused
    return socket.socket(family=family, type=kind, proto=protocol)


class Client:
    """The client of one event loop.

    ``is_open`` says whether this is open mode, where loopback may be reached. ``close`` ends it.
    """

    def __init__(self, *, is_open: Callable[[], bool], look_up: LookUp = look_up) -> None:
        self._is_open, self._look_up = is_open, look_up
        self._threads = ThreadPoolExecutor(_LOOK_UP_THREADS, thread_name_prefix="look-up")
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}

    async def check(self, url: str) -> None:
        """Raise ``UrlRefused`` unless a webhook may have this URL: its form, and all addresses that
        its name has now.
        """
        target = read_url(url, is_open=self._is_open())
        check_addresses(await self._addresses(target), target.reach)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Send a body, in ``TIMEOUT_S`` seconds at most. A failure is an attempt, not an error."""
        started = time.monotonic()
        try:
            target = read_url(url, is_open=self._is_open())
            async with asyncio.timeout(TIMEOUT_S):
                status, retry_after = await self._send(self._session(target.reach), url, headers, body)
        except UrlRefused as refused:
            return Attempt(None, 0, f"the URL is not allowed: {refused}")
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            return Attempt(None, _milliseconds_since(started), _words(error))
        remark = "redirects are not followed" if 300 <= status < 400 else None
        return Attempt(status, _milliseconds_since(started), remark, retry_after)

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _addresses(self, target: Target) -> list[str]:
        resolving = asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, target.host, target.port)
        try:
            return list(await asyncio.wait_for(resolving, LOOK_UP_S))
        except (OSError, UnicodeError):
            return []

    async def _send(self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str | None]:
        try:
            return await _send_once(session, url, headers, body)
        except aiohttp.ServerDisconnectedError:
            # The receiver has closed a connection that was kept open since the last delivery.
            return await _send_once(session, url, headers, body)

    def _session(self, reach: Reach) -> aiohttp.ClientSession:
        session = self._sessions.get(reach)
        if session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Resolver(self._look_up, self._threads, reach),
                socket_factory=partial(_socket_within, reach),
                ttl_dns_cache=_NAMES_KEPT_S,
                limit=_CONNECTIONS,
                limit_per_host=_PER_RECEIVER,
            )
            session = self._sessions[reach] = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Ledger-Webhooks/1", "Accept-Encoding": "identity", "Content-Type": "application/json"},
                auto_decompress=False,
                trust_env=False,
            )
        return session


async def _send_once(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str | None]:
    """Return the status and the ``Retry-After`` of the answer."""
    async with session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False) as answer:
        await _drain(answer)
        return answer.status, answer.headers.get("Retry-After")


async def _drain(answer: aiohttp.ClientResponse) -> None:
    """Read a short body, so that the connection can be used again; close it for any other.

    The answer is the status. So it counts, whatever happens to its body.
    """
    try:
        async with asyncio.timeout(_READ_S):
            left = _READ_BYTES
            while left > 0 and not answer.content.at_eof():
                left -= len(await answer.content.readany())
    except (TimeoutError, aiohttp.ClientError, OSError):
        left = 0
    if left <= 0:
        answer.close()


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


_WORDS: Sequence[tuple[type[Exception], str]] = (
    (aiohttp.ClientConnectorDNSError, "its name does not resolve"),
    (aiohttp.ClientConnectorCertificateError, "its certificate is not good: {}"),
    (aiohttp.ClientSSLError, "no TLS connection: {}"),
    (aiohttp.ClientConnectorError, "no connection: {}"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
)


def _words(error: Exception) -> str:
    """Return what went wrong, in words for the receiver's owner."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    if _REFUSED in str(error):
        return _REFUSED
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words.format(str(error)[:150])
    return "the connection was lost before the answer"
