"""The base of all API views: adrf's view, with its checks on the event loop.

Stock adrf runs authentication, permissions, throttles and content negotiation in a new thread for
every request, which costs more than the rest of a request. Ours do not block, so they run on the
loop. A view returns an ``HttpResponse`` with ready bytes: no thread has to render it.
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
    """Authenticates a caller.

    Raises ``AccessRefused``. ``takes_session``: the session of an operator counts too.
    """

    async def __call__(self, request: HttpRequest, *, takes_session: bool) -> Actor: ...


@cache
def _authentication() -> Authentication:
    """Return the function that the setting ``LEDGER_AUTHENTICATION`` names."""
    found: Authentication = import_string(settings.LEDGER_AUTHENTICATION)
    return found


class ApiView(APIView):
    """An asynchronous view: ``async def get(self, request, …)`` with Django's request.

    ``read_body(request)`` returns the JSON body. ``request.actor`` is the caller,
    ``request.principal`` its name, ``request.request_id`` the id in logs and answers.

    ``scopes`` names the scope of each method. A method without one needs ``operations:read``: a
    view whose author forgot it is closed. ``is_public`` views need no credential. ``takes_session``
    views accept the session of a member of the staff too.

    ``queries`` declares the query parameters of each method. ``self.query``, the refusal of all
    others, and the OpenAPI document come from it. A method that it does not name has no parameters.
    ``offers`` are the media types of a method's answer, by default JSON; ``self.accepted`` are
    those that the caller accepts, the preferred one first.
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
        """Note the methods of a view once."""
        super().__init_subclass__(**kwargs)
        methods = tuple(name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(cls, name))
        cls._methods = (*methods, "HEAD") if "GET" in methods else methods

    async def async_dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Authenticate, check the scope, call the handler, and turn exceptions into problem
        documents.
        """
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
        """Call the handler. If it relied on rows that the database has lost, call it once more."""
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
        """Return the scope of a method; None for a public view."""
        if cls.is_public:
            return None
        return cls.scopes.get("GET" if method == "HEAD" else method, Scope.OPERATIONS_READ)

    def _read_wishes(self, request: HttpRequest) -> None:
        """Read the Accept header and the query.

        Raises ``NotAcceptable`` and ``ValidationFailed``.
        """
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
        """Answer like GET; the server removes the body."""
        if not hasattr(self, "get"):
            raise exceptions.MethodNotAllowed("HEAD")
        response: HttpResponse = await self.get(request, *args, **kwargs)
        return response

    @property
    def allowed_methods(self) -> list[str]:
        """The methods that this view has, for the Allow header."""
        return list(self._methods)


__all__ = ["ApiView", "read_body"]
