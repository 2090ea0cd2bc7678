"""Django's own handlers, for the admin and static files.

Requests that they cannot parse are answered with 400.

Django joins headers that must be single, reads bodies of any size, and does not compare them with
their announced length. So the API's checks run before Django sees a request.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import IO, Any

import structlog
import uuid_utils
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import SuspiciousFileOperation
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase

from ledger_project.http.asgi import AsgiScope, Receive, Send
from ledger_project.http.bodies import Disconnected, receive_body
from ledger_project.http.compression import compressed
from ledger_project.http.headers import read_headers
from ledger_project.http.parsing import check_encoding
from ledger_project.http.problems import problem
from ledger_project.http.responses import PROBLEM, STANDARD_HEADERS
from ledger_project.kernel.errors import LedgerError

log = structlog.get_logger(__name__)


class _Refusing(ASGIHandler):
    """Answers 400 if Django cannot parse a request, as for an unknown encoding."""

    def create_request(self, scope: Mapping[str, Any], body_file: IO[bytes]) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """Return a request, or the answer to a malformed one."""
        try:
            return super().create_request(scope, body_file)
        except ValueError:
            log.warning("request.malformed", path=scope["path"])
            return None, HttpResponseBadRequest()


class _Static(_Refusing, ASGIStaticFilesHandler):  # type: ignore[misc]  # both derive from ASGIHandler; Django's mixin loads nothing
    """Static files; other paths go to the given handler."""

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        """Return a file. Paths outside the folders of static files do not exist."""
        try:
            found = super().serve(request)
        except SuspiciousFileOperation:
            raise Http404 from None
        return compressed(request, found) if isinstance(found, FileResponse) else found


async def _whole_body(scope: AsgiScope, receive: Receive) -> bytes:
    """Return a request's body.

    Raises ``LedgerError`` for a request that is not whole, or not in order.
    """
    headers, refusal = read_headers(scope["headers"])
    body = await receive_body(receive, length=headers.get(b"content-length"), coding=headers.get(b"transfer-encoding"))
    if refusal is not None:
        raise refusal
    check_encoding(headers.get(b"content-encoding", ""))
    return body


async def _refuse(error: LedgerError, send: Send) -> None:
    request_id = str(uuid_utils.uuid7())
    status, content = problem(error, request_id=request_id)
    log.warning("request.refused", code=error.code, request_id=request_id)
    headers = {
        **STANDARD_HEADERS, "content-type": PROBLEM, "content-length": str(len(content)), "connection": "close", "x-request-id": request_id
    }  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": [(k.encode(), v.encode()) for k, v in headers.items()]})
    await send({"type": "http.response.body", "body": content})


class FullStack:
    """The application with all of Django's middleware, and static files."""

    def __init__(self) -> None:
        self._django = _Static(_Refusing())

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await _whole_body(scope, receive)
        except Disconnected:
            return
        except LedgerError as error:
            await _refuse(error, send)
            return
        is_given = False

        async def given() -> MutableMapping[str, Any]:
            nonlocal is_given
            if is_given:
                return await receive()  # the client's going away
            is_given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._django(scope, given, send)  # type: ignore[arg-type]  # ASGI, written two ways
