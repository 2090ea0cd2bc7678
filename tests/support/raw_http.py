"""Requests by socket, byte for byte, and the answers to them."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.support.servers import Service

PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's value."""
        return json.loads(self.body)

    @property
    def outcome(self) -> tuple[int, str | None]:
        """Return the status and the problem's code, or the transfer's amount."""
        value = self.json()
        return self.status, value.get("code") or value.get("amount")


def head(line: str, *headers: str) -> bytes:
    """Return a request's head."""
    return "\r\n".join([f"{line} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode("latin-1")


def chunked(body: bytes, *sizes: int) -> bytes:
    """Return a body in chunks of these sizes, and one of what is left."""
    coded, rest = b"", body
    for size in (*sizes, len(body)):
        piece, rest = rest[:size], rest[size:]
        coded += b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""
    return coded + b"0\r\n\r\n"


def answers_of(received: bytes) -> list[Answer]:
    """Return the whole answers in a stream of them."""
    found = []
    while b"\r\n\r\n" in received:
        top, _, rest = received.partition(b"\r\n\r\n")
        status, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            break
        found.append(Answer(int(status.split()[1]), headers, rest[:length]))
        received = rest[length:]
    return found


def connect(service: Service) -> socket.socket:
    """Return a new connection."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S)


def read(client: socket.socket, count: int) -> list[Answer]:
    """Return answers: so many, or as many as there are when the connection ends. 100 is none."""
    received = b""
    while len([answer for answer in answers_of(received) if answer.status >= 200]) < count:
        try:
            piece = client.recv(65536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            break
        received += piece
    return [answer for answer in answers_of(received) if answer.status >= 200]


def ask(service: Service, *parts: bytes, count: int = 1, half_close: bool = False) -> list[Answer]:
    """Send parts over a new connection, perhaps end our side of it, and return the answers."""
    with connect(service) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BrokenPipeError, ConnectionResetError):  # the service may answer and hang up before it has heard everything
            for part in parts:
                client.sendall(part)
            if half_close:
                client.shutdown(socket.SHUT_WR)
        return read(client, count)
