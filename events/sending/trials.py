"""What callers have done at once: a URL is judged, a message is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from events.domain.addresses import UrlRefused
from events.domain.errors import UrlNotAllowed
from events.sending.attempts import Attempt
from events.sending.signatures import signed_headers
from events.services.secrets import unsealed

if TYPE_CHECKING:
    from events.sending.client import Client

_clients: dict[asyncio.AbstractEventLoop, Client] = {}


async def new_client() -> Client:
    """Return a client.

    Its library takes a third of a second to import. So that is done where the first webhook needs
    it, on a thread, and not at the start of every process.
    """
    kind: type[Client] = await asyncio.to_thread(import_string, "events.sending.client.Client")
    return kind(is_open=lambda: settings.LEDGER_AUTH == "open")


async def _client() -> Client:
    """Return the client of the running loop, for what callers ask for."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        made = await new_client()
        _clients.setdefault(loop, made)
    return _clients[loop]


async def close_client() -> None:
    """Close the running loop's client."""
    found = _clients.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


async def check_url(url: str) -> None:
    """Raise ``UrlNotAllowed`` unless a webhook may point there now."""
    try:
        await (await _client()).check(url)
    except UrlRefused as refused:
        raise UrlNotAllowed(str(refused)) from None


async def check_url_once(url: str) -> None:
    """The same by a client of its own, for synchronous code: its loop may end with this call."""
    own = await new_client()
    try:
        await own.check(url)
    except UrlRefused as refused:
        raise UrlNotAllowed(str(refused)) from None
    finally:
        await own.close()


async def send_now(url: str, message_id: UUID, body: str, *, stored_secrets: Sequence[str], now: datetime) -> Attempt:
    """Send a message, signed by the secrets that can be read."""
    return await _send(await _client(), url, (message_id, body), stored_secrets=stored_secrets, now=now)


async def send_once(url: str, message_id: UUID, body: str, *, stored_secrets: Sequence[str], now: datetime) -> Attempt:
    """The same by a client of its own, for synchronous code: its loop may end with this call."""
    own = await new_client()
    try:
        return await _send(own, url, (message_id, body), stored_secrets=stored_secrets, now=now)
    finally:
        await own.close()


async def _send(by: Client, url: str, message: tuple[UUID, str], *, stored_secrets: Sequence[str], now: datetime) -> Attempt:
    secrets = [secret for stored in stored_secrets if (secret := unsealed(stored)) is not None]
    if not secrets:
        return Attempt(None, 0, "the service cannot read the secret; rotate it")
    message_id, body = message
    headers = signed_headers(str(message_id), body, secrets=secrets, now=now)
    return await by.post(url, headers, body.encode())
