"""The body of a request: whole, or refused.

The announced length, or the end of the chunks, is compared with the received bytes. An empty body
may mean "all of it" (a reversal, a capture), so a lost body must never look like an empty one.
"""

from __future__ import annotations

from django.conf import settings

from ledger_project.http.asgi import Receive
from ledger_project.http.problems import BadRequest
from ledger_project.kernel.errors import MalformedJson, PayloadTooLarge


class Disconnected(Exception):
    """The client closed the connection before its request was complete."""


async def receive_body(receive: Receive, *, length: str | None, coding: str | None) -> bytes:
    """Return the whole body of a request.

    Raises ``MalformedJson`` for a body of another length than announced. Raises ``PayloadTooLarge``
    and ``BadRequest`` before it has read all bytes: the connection cannot be used again. Raises
    ``Disconnected``.
    """
    announced = _announced(length, coding)
    limit = settings.LEDGER_MAX_BODY_BYTES
    if announced is not None and announced > limit:
        raise PayloadTooLarge(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise PayloadTooLarge(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            break
    if announced is not None and size != announced:
        raise MalformedJson(f"The body has {size} bytes, and Content-Length announces {announced}: the request did not come whole.")
    if coding is not None and not size:
        raise MalformedJson("Transfer-Encoding announces a body, and it is empty; a request without a body announces none.")
    return b"".join(chunks)


def _announced(length: str | None, coding: str | None) -> int | None:
    """Return the announced number of bytes; None for an unknown one.

    Raises ``BadRequest`` (RFC 9112, section 6.3).
    """
    if coding is not None:
        if coding.strip().lower() != "chunked":
            raise BadRequest(f"Transfer-Encoding is {coding[:40]!r}; only 'chunked' is understood.")
        if length is not None:
            raise BadRequest("Content-Length and Transfer-Encoding are both sent; a body's length is told in one way.")
        return None
    if length is None:
        return None
    if not (length.isascii() and length.isdigit()):
        raise BadRequest(f"Content-Length is {length[:40]!r}; a number of bytes in digits is expected.")
    # A very long number is too large, whatever its last digits are; int() of all digits would be
    # slow.
    return int((length.lstrip("0") or "0")[:20])
