"""A way to the database that ends sessions as a dying server does: with its last words, and a reset right behind them."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Iterator

from django.db import connection

_LAST_WORDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


class ResettingProxy:
    """Passes bytes between callers and the database, until it is told to answer the next ones with a reset."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_over = False
        self.resets_next = False
        self._host, self._server_port = str(connection.settings_dict["HOST"]), int(connection.settings_dict["PORT"] or 5432)

    def serve(self) -> None:
        """Serve one caller after the other, until ``close``."""
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            with caller, self._connect() as server:
                self._pass_on(caller, server)

    def _pass_on(self, caller: socket.socket, server: socket.socket) -> None:
        while not self._is_over:
            for source in select.select([caller, server], [], [], 0.1)[0]:
                received = source.recv(65536)
                if source is caller and received and self.resets_next:
                    caller.sendall(b"E" + struct.pack("!i", 4 + len(_LAST_WORDS)) + _LAST_WORDS)
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.resets_next = False
                    return
                if not received:
                    return
                (server if source is caller else caller).sendall(received)

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._server_port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._server_port}")
        return server

    def close(self) -> None:
        self._is_over = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def resetting_proxy() -> Iterator[ResettingProxy]:
    """Run one in a thread."""
    proxy = ResettingProxy()
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
