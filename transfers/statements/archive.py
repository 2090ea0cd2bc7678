"""Statements of several accounts at once, as a ZIP that is streamed.

It takes the memory of one page of CSV or camt.053, or of one PDF. A statement that the format
cannot hold is left out, and a text in the ZIP names it with the reason. Limits of accounts and
lines bound the time of one download.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from zipfile import ZIP_DEFLATED, ZipFile

from django.http import StreamingHttpResponse

from merchants.models import Account
from transfers.selectors.statements import Period, get_period
from transfers.statements.camt053 import NotRepresentable
from transfers.statements.days import StatementDays
from transfers.statements.formats import StatementFormat, attachment, check_format, file_name, statement_pieces

MOST_ACCOUNTS = 200
"""Accounts of one ZIP: more than there are currencies, and so all wallets of a merchant. Their ids
fit into an address."""

MOST_LINES = 500_000
"""Lines of all statements of one ZIP."""

LEFT_OUT_NAME = "left-out.txt"

_LEVEL = 1
"""A page of a thousand lines is compressed on the event loop, so it must be quick."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What a ZIP holds: periods of accounts in one format, and those that the format cannot hold,
    each with the reason.
    """

    form: StatementFormat
    days: StatementDays
    held: Sequence[Period]
    left_out: Sequence[tuple[Period, str]] = field(default_factory=tuple)

    @property
    def lines(self) -> int:
        """The number of lines of all its statements. Sequences have no gaps."""
        return sum(period.until - period.after for period in self.held)

    @property
    def problem(self) -> str:
        """Why no file is made of it; empty if one is."""
        if not self.held:
            return "There is no account to make a statement of." if not self.left_out else self._none_held()
        if self.lines > MOST_LINES:
            return f"One file holds {MOST_LINES:,} lines at most, and these are {self.lines:,}. Choose fewer days or accounts."
        return ""

    def _none_held(self) -> str:
        reasons = list(dict.fromkeys(reason for _, reason in self.left_out))
        more = f" There are {len(reasons) - 1} more reasons." if len(reasons) > 1 else ""
        return f"No statement can be shown in this format. {reasons[0]}.{more}"

    def name_of(self, period: Period) -> str:
        """Return the name of a statement in the ZIP."""
        return file_name(period, self.form.ending, start=self.days.start, end=self.days.end)


def archive_of(accounts: Iterable[Account], form: StatementFormat, days: StatementDays) -> Archive:
    """Return what a ZIP of accounts holds. Synchronous; three look-ups an account at most."""
    held: list[Period] = []
    left_out: list[tuple[Period, str]] = []
    for account in accounts:
        period = get_period(account, start=days.start, end=days.end)
        try:
            check_format(form, period)
            held.append(period)
        except NotRepresentable as error:
            left_out.append((period, str(error)))
    return Archive(form, days, held, left_out)


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


def archive_file(archive: Archive, name: str) -> StreamingHttpResponse:
    """Return a ZIP as a file of that name."""
    assert not archive.problem, "no file is made of it"
    return StreamingHttpResponse(
        _pieces(archive), content_type="application/zip", headers={"Content-Disposition": attachment(f"{name}.zip")}
    )


async def _pieces(archive: Archive) -> AsyncIterator[bytes]:
    pipe, days = _Pipe(), archive.days
    with ZipFile(pipe, "w", ZIP_DEFLATED, compresslevel=_LEVEL) as written:  # type: ignore[call-overload]  # it needs no more than this
        for period in archive.held:
            with written.open(archive.name_of(period), "w", force_zip64=True) as file:
                async for piece in statement_pieces(archive.form, period, start=days.start, end=days.end):
                    file.write(piece)
                    yield pipe.taken()
        if archive.left_out:
            written.writestr(LEFT_OUT_NAME, _left_out(archive))
    yield pipe.taken()


def _left_out(archive: Archive) -> str:
    """Return the text about the statements that the format cannot hold."""
    lines = [
        f"{period.merchant_name}, {period.currency.code}, {period.account_kind}, account {period.account_id}: {reason}."
        for period, reason in archive.left_out
    ]
    return "\r\n".join([f"These statements are not in this file, since {archive.form.words} cannot hold them:", "", *lines, ""])
