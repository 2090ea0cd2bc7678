"""The base of all API views: adrf's, with what a request needs done on the event loop.

Stock adrf runs ``initial`` (authentication, permissions, throttles, content negotiation) in a thread of its own for every request;
measured, that costs more than all the rest of a request together. Ours has nothing that blocks, so it runs where it is. A view returns
an ``HttpResponse`` whose bytes are ready, so nothing is rendered later in a thread either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Protocol

from adrf.views import APIView
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from rest_framework import exceptions, serializers

from ledger_project.database.lost_rows import IdentitiesLost, forget_all, generation
from ledger_project.http.negotiation import JSON_ONLY, negotiate
from ledger_project.http.parsing import read_body
from ledger_project.http.problems import exception_response
from ledger_project.http.requests import api_request
from ledger_project.http.validation import NoQuery, Query, read_query
from ledger_project.kernel.actors import ANONYMOUS, PLATFORM_SCOPES, Actor, PermissionDenied, Scope

_NO_QUERY = Query(NoQuery, {}, {})


class Authentication(Protocol):
    """Finds out who calls. Raises ``AccessRefused``. ``takes_session``: the session of an operator is accepted as well."""

    async def __call__(self, request: HttpRequest, *, takes_session: bool) -> Actor: ...


@cache
def _authentication() -> Authentication:
    """Return the function that the setting ``LEDGER_AUTHENTICATION`` names."""
    found: Authentication = import_string(settings.LEDGER_AUTHENTICATION)
    return found


class ApiView(APIView):
    """An asynchronous view: ``async def get(self, request, …)`` with Django's request, and ``read_body(request)`` for its JSON.

    ``request.actor`` is who calls, ``request.principal`` their name, ``request.request_id`` the id in logs and answers. ``scopes`` says
    what each method needs; a method that is not named there needs ``operations:read``, so that a view whose author forgot it is closed,
    not open. ``is_public`` views ask nobody; ``takes_session`` views believe the session of a member of the staff as well.

    ``queries`` declares the query parameters of each method: from it come ``self.query``, the refusal of all others, and the OpenAPI
    document. A method that is not named there knows none. ``offers`` are the media types that a method can answer with, JSON if it is
    not named there; ``self.accepted`` are those of them that the caller takes, the best liked first.
    """

    view_is_async = True
    scopes: ClassVar[Mapping[str, Scope]] = {}
    is_public: ClassVar[bool] = False
    takes_session: ClassVar[bool] = False
    queries: ClassVar[Mapping[str, type[serializers.Serializer[Any]]]] = {}
    offers: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    query: Query
    accepted: tuple[str, ...]
    _methods: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Find out once which methods a view has."""
        super().__init_subclass__(**kwargs)
        methods = tuple(name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(cls, name))
        cls._methods = (*methods, "HEAD") if "GET" in methods else methods

    async def async_dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Authenticate, check the scope, call the handler, and turn every exception into a problem document."""
        self.args, self.kwargs, self.request = args, kwargs, request
        try:
            actor = ANONYMOUS if self.is_public else await _authentication()(request, takes_session=self.takes_session)
            api_request(request).actor, api_request(request).principal = actor, actor.principal
            if request.method not in self._methods:
                raise exceptions.MethodNotAllowed(str(request.method))
            handler = getattr(self, request.method.lower())
            self._check_scope(actor, request.method or "")
            fault = getattr(request, "body_fault", None)
            if fault is not None:
                raise fault
            self._read_wishes(request)
            response = await self._handle(handler, request)
        except Exception as error:  # noqa: BLE001 - the outermost place: every exception gets its answer, unexpected ones their log
            headers = {"Allow": ", ".join(self.allowed_methods)} if isinstance(error, exceptions.MethodNotAllowed) else None
            response = exception_response(error, request, headers=headers)
        return response

    async def _handle(self, handler: Callable[..., Awaitable[HttpResponse]], request: HttpRequest) -> HttpResponse:
        """Call the handler; a second time where the first rested on rows that the database has lost: it looks them up anew then."""
        begun_in, only_reads = generation(), request.method in {"GET", "HEAD"}
        try:
            response = await handler(request, *self.args, **self.kwargs)
        except (IdentitiesLost, ObjectDoesNotExist) as error:
            if isinstance(error, ObjectDoesNotExist):
                if not only_reads:
                    raise
                forget_all()
        else:
            if generation() == begun_in or not only_reads:
                return response
        return await handler(request, *self.args, **self.kwargs)

    @classmethod
    def scope_of(cls, method: str) -> Scope | None:
        """Return what a method needs; None if it is for everybody."""
        if cls.is_public:
            return None
        return cls.scopes.get("GET" if method == "HEAD" else method, Scope.OPERATIONS_READ)

    def _read_wishes(self, request: HttpRequest) -> None:
        """Find out which forms the caller takes and what the query says. Raises ``NotAcceptable`` and ``ValidationFailed``."""
        method = "GET" if request.method == "HEAD" else request.method or ""
        self.accepted = negotiate(request.META.get("HTTP_ACCEPT", ""), self.offers.get(method, JSON_ONLY))
        declared, text = self.queries.get(method, NoQuery), request.META["QUERY_STRING"]
        self.query = read_query(declared, text) if text or declared is not NoQuery else _NO_QUERY

    def _check_scope(self, actor: Actor, method: str) -> None:
        scope = self.scope_of(method)
        if scope is None:
            return
        if scope not in actor.scopes:
            raise PermissionDenied.lacks(scope)
        if scope in PLATFORM_SCOPES:
            actor.require_platform(f"What needs {scope.value}")

    async def head(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer as GET does; the server leaves the body out."""
        if not hasattr(self, "get"):
            raise exceptions.MethodNotAllowed("HEAD")
        response: HttpResponse = await self.get(request, *args, **kwargs)
        return response

    @property
    def allowed_methods(self) -> list[str]:
        """The methods that this view has, for the Allow header."""
        return list(self._methods)


__all__ = ["ApiView", "read_body"]
