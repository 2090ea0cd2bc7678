"""Several statements at once, as a ZIP that is streamed: it takes the memory of one page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from zipfile import ZIP_DEFLATED, ZipFile

from django.http import StreamingHttpResponse

from transfers.selectors.statements import Period
from transfers.statements.csv import peoples_lines

_LEVEL = 1
"""A page of a thousand lines is compressed on the event loop, so it must be quick."""


class _Pipe:
    """What a ZIP is written into, and taken out of again piece by piece; it cannot be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        """Take a piece in."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing: there is nothing behind."""

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def statements_zip(statements: Sequence[tuple[str, Period]]) -> StreamingHttpResponse:
    """Return the CSV for people of several periods, each under its name."""
    return StreamingHttpResponse(_pieces(statements), content_type="application/zip")


async def _pieces(statements: Sequence[tuple[str, Period]]) -> AsyncIterator[bytes]:
    pipe = _Pipe()
    with ZipFile(pipe, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as archive:  # type: ignore[call-overload]  # it needs no more than this
        for name, period in statements:
            with archive.open(name.replace("/", "_").replace("\\", "_"), "w", force_zip64=True) as file:
                async for lines in peoples_lines(period):
                    file.write(lines)
                    yield pipe.taken()
    yield pipe.taken()
