"""The base of all API views: adrf's, with what a request needs done on the event loop.

Stock adrf runs ``initial`` (authentication, permissions, throttles, content negotiation) in a thread of its own for every request;
measured, that costs more than all the rest of a request together. Ours has nothing that blocks, so it runs where it is. A view returns
an ``HttpResponse`` whose bytes are ready, so nothing is rendered later in a thread either.
"""

from __future__ import annotations

from typing import Any

from adrf.views import APIView
from django.http import HttpRequest, HttpResponse
from rest_framework import exceptions

from ledger_project.http.authentication import authenticate
from ledger_project.http.parsing import read_body
from ledger_project.http.problems import exception_response


class ApiView(APIView):  # type: ignore[misc]  # adrf has no types
    """An asynchronous view: ``async def get(self, request, …)`` with Django's request, and ``read_body(request)`` for its JSON.

    ``request.principal`` is who calls, ``request.request_id`` the id in logs and answers.
    """

    view_is_async = True

    async def async_dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Authenticate, call the handler, and turn every exception into a problem document."""
        self.args, self.kwargs, self.request = args, kwargs, request
        try:
            request.principal = authenticate(request)  # type: ignore[attr-defined]
            handler = getattr(self, (request.method or "").lower(), None) if request.method in self.allowed_methods else None
            if handler is None:
                raise exceptions.MethodNotAllowed(str(request.method))
            response: HttpResponse = await handler(request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the outermost place: every exception gets its answer, unexpected ones their log
            headers = {"Allow": ", ".join(self.allowed_methods)} if isinstance(error, exceptions.MethodNotAllowed) else None
            response = exception_response(error, request, headers=headers)
        return response

    async def head(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer as GET does; the server leaves the body out."""
        if not hasattr(self, "get"):
            raise exceptions.MethodNotAllowed("HEAD")
        response: HttpResponse = await self.get(request, *args, **kwargs)
        return response

    @property
    def allowed_methods(self) -> list[str]:
        """The methods that this view has, for the Allow header."""
        methods = [name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(self, name)]
        return [*methods, "HEAD"] if "GET" in methods else methods


__all__ = ["ApiView", "read_body"]
