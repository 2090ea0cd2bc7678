"""``/accounts/{id}/statement``: the entries of a wallet, as JSON, CSV, camt.053 or PDF."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from ledger_project.database.readers import in_reader
from ledger_project.http.cursors import PageRequest, page_body, page_request
from ledger_project.http.responses import JSON, raw_response
from ledger_project.http.schema import extend_schema, problem_responses
from ledger_project.http.views import ApiView
from ledger_project.kernel.actors import Actor, Scope
from ledger_project.kernel.errors import NotAcceptable
from ledger_project.kernel.refusals import AccountNotFound
from transfers import selectors
from transfers.selectors.statements import Period, StatementRequest, get_period, read_statement
from transfers.serializers.statements import StatementJson, StatementQuery, line_texts, period_members
from transfers.statements.camt053 import NotRepresentable, camt053_response, check_representable
from transfers.statements.csv import csv_response
from transfers.statements.formats import attachment, file_name
from transfers.views.posting_calls import actor_of, path_uuid

CSV = "text/csv"
XML = "application/xml"
PDF = "application/pdf"

_ENDINGS = {CSV: "csv", XML: "xml", PDF: "pdf"}
"""The endings of the names that files are saved under."""


def _read_period(account_id: str, start: datetime | None, end: datetime | None, *, actor: Actor) -> Period:
    wanted = path_uuid(account_id, AccountNotFound)
    account = selectors.visible_wallet(wanted, actor=actor)
    if account is None:
        raise AccountNotFound(wanted)
    return get_period(account, start=start, end=end)


def _read_camt053(account_id: str, start: datetime | None, end: datetime | None, *, actor: Actor) -> Period:
    period = _read_period(account_id, start, end, actor=actor)
    check_representable(period)
    return period


def _write_pdf(account_id: str, start: datetime | None, end: datetime | None, *, actor: Actor) -> tuple[Period, bytes]:
    # By its name: what writes PDF takes a third of a second to import, and few processes need it.
    write = import_string("transfers.statements.pdf.statement_pdf")
    period = _read_period(account_id, start, end, actor=actor)
    return period, write(period, start=start, end=end)


class StatementView(ApiView):
    """The statement of a wallet."""

    scopes = {"GET": Scope.MERCHANTS_READ}
    queries = {"GET": StatementQuery}
    offers = {"GET": (JSON, CSV, XML, PDF)}

    @extend_schema(
        operation_id="get_statement",
        tags=["accounts"],
        responses={
            (200, "application/json"): StatementJson,
            (200, "text/csv"): str,
            (200, "application/xml"): str,
            (200, "application/pdf"): bytes,
            **problem_responses("account_not_found", "invalid_cursor", "not_acceptable", "validation_error", "database_unavailable"),
        },
    )
    async def get(self, request: HttpRequest, account_id: str) -> HttpResponseBase:
        """Show lines newest first. As `text/csv` or `application/xml` (camt.053.001.08) the whole
        period comes as a stream; as `application/pdf`, at most 1,000 lines, it is for people.

        camt.053 holds 18 digits, 5 decimals and three-letter currencies. What a form cannot hold
        exactly is never rounded or cut: the next form that `Accept` admits is sent, and with none
        left the answer is 406.
        """
        page = page_request(self.query, f"statement.{account_id}")
        reason = None
        for form in self.accepted:
            if form == JSON:
                return await self._page(page, account_id, actor_of(request))
            try:
                return await self._file(form, page, account_id, actor_of(request))
            except NotRepresentable as error:
                reason = str(error)
        raise NotAcceptable((JSON, CSV), reason)

    async def _file(self, form: str, page: PageRequest, account_id: str, actor: Actor) -> HttpResponseBase:
        """Return a whole period. Raises ``NotRepresentable``."""
        start, end = page.values.get("from"), page.values.get("to")
        if form == CSV:
            period = await in_reader(_read_period, account_id, start, end, actor=actor)
            response: HttpResponseBase = csv_response(period, spreadsheet=page.values["spreadsheet"])
        elif form == PDF:
            period, content = await in_reader(_write_pdf, account_id, start, end, actor=actor)
            response = raw_response(200, content, kind=PDF)
        else:
            period = await in_reader(_read_camt053, account_id, start, end, actor=actor)
            response = camt053_response(period, start=start, end=end)
        response["Content-Disposition"] = attachment(file_name(period, _ENDINGS[form], start=start, end=end))
        return response

    async def _page(self, page: PageRequest, account_id: str, actor: Actor) -> HttpResponse:
        wanted = path_uuid(account_id, AccountNotFound)
        wallet = await selectors.find_visible_wallet(wanted, actor=actor)
        if wallet is None:
            raise AccountNotFound(wanted)
        start, end = page.values.get("from"), page.values.get("to")
        before, until = (None, None) if page.position is None else (int(part) for part in page.position.split(":"))
        found = await read_statement(StatementRequest(wallet, start, end, before, until, page.limit + 1))
        body = page_body(line_texts(found), page, lambda index: f"{found.rows[index][0]}:{found.until}", more_members=period_members(found))
        return raw_response(200, body)
