"""The formats of a statement for people and their programs, with one way to check, write and name
each.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.module_loading import import_string

from ledger_project.database.readers import in_reader
from transfers.selectors.statements import Period
from transfers.statements.camt053 import camt053_pieces, check_representable
from transfers.statements.csv import peoples_lines


class StatementFormat(StrEnum):
    """How a statement is written."""

    CSV = "csv"
    PDF = "pdf"
    CAMT053 = "camt053"

    @property
    def ending(self) -> str:
        """The ending of a file's name."""
        return "xml" if self is StatementFormat.CAMT053 else self.value

    @property
    def words(self) -> str:
        """What people call it."""
        return {"csv": "CSV", "pdf": "PDF", "camt053": "camt.053"}[self.value]


_CONTENT_TYPES = {
    StatementFormat.CSV: "text/csv; charset=utf-8",
    StatementFormat.PDF: "application/pdf",
    StatementFormat.CAMT053: "application/xml; charset=utf-8",
}


def check_format(form: StatementFormat, period: Period) -> None:
    """Raise ``NotRepresentable`` if a format cannot hold a period. Synchronous; one look-up."""
    if form is StatementFormat.CAMT053:
        check_representable(period)
    elif form is StatementFormat.PDF:
        # By its name: what writes PDF takes a third of a second to import.
        import_string("transfers.statements.pdf.check_length")(period)


async def statement_pieces(form: StatementFormat, period: Period, *, start: datetime | None, end: datetime | None) -> AsyncIterator[bytes]:
    """Yield a whole period in a format that can hold it: CSV and camt.053 page by page, PDF at
    once.
    """
    if form is StatementFormat.PDF:
        yield await in_reader(_pdf(), period, start=start, end=end)
        return
    pieces = peoples_lines(period) if form is StatementFormat.CSV else camt053_pieces(period, start=start, end=end)
    async for piece in pieces:
        yield piece


def statement_file(
    form: StatementFormat, period: Period, *, start: datetime | None, end: datetime | None, entry_type: str = ""
) -> HttpResponseBase:
    """Return a whole period as a file that names it. Synchronous.

    Only CSV can be narrowed to one type of entry. Raises ``NotRepresentable``.
    """
    check_format(form, period)
    response: HttpResponseBase
    if form is StatementFormat.PDF:
        response = HttpResponse(_pdf()(period, start=start, end=end), content_type=_CONTENT_TYPES[form])
    else:
        pieces = peoples_lines(period, entry_type) if entry_type else statement_pieces(form, period, start=start, end=end)
        response = StreamingHttpResponse(pieces, content_type=_CONTENT_TYPES[form])
    name = file_name(period, form.ending, start=start, end=end, entry_type=entry_type)
    response["Content-Disposition"] = attachment(name)
    return response


def _pdf() -> Callable[..., bytes]:
    found: Callable[..., bytes] = import_string("transfers.statements.pdf.statement_pdf")
    return found


def file_name(period: Period, ending: str, *, start: datetime | None, end: datetime | None, entry_type: str = "") -> str:
    """Return the name of a statement's file: whose, of what, and its first and last day (UTC).

    Without bounds they are those of the account's opening and of the reading.
    """
    first = (start or period.opened_at).astimezone(UTC).date()
    last = (end - timedelta(microseconds=1) if end is not None else period.read_at).astimezone(UTC).date()
    of_type = f"-{entry_type}" if entry_type else ""
    whose = f"{period.merchant_name}-{period.currency.code}-{period.account_kind}"
    return f"statement-{whose}{of_type}-{first}-to-{max(first, last)}.{ending}"


def attachment(name: str) -> str:
    """Return the ``Content-Disposition`` of a file that is saved under a name."""
    return content_disposition_header(True, name) or "attachment"
