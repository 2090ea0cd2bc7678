"""``python -m tests.faults.webhook_receiver PORT FILE``: a receiver of webhooks that may be killed at any moment.

It appends each request to a file, as one line of JSON, before it answers. Whoever kills it does not take back what was written.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _open(path: str) -> int:
    """Open the file. A line that a kill has cut off ends here."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        os.write(file, b"\n")
    return file


async def _serve(port: int, path: str) -> None:
    file = _open(path)

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = _LENGTH.search(head)
                body = await reader.readexactly(int(found[1]) if found else 0)
                line, *fields = head.decode("latin-1").rstrip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in fields)}
                kept = [line.split(" ")[1], *(headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")), body.decode()]
                os.write(file, json.dumps(kept).encode() + b"\n")
                writer.write(b"HTTP/1.1 204 Kept\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(receive, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2]))
