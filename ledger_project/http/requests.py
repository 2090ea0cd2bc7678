"""Django's request with the attributes that the API's path gives it."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest

from ledger_project.kernel.actors import Actor


class ApiRequest(HttpRequest):
    """A request on its way to a view of the API.

    For type checks: the handler makes one, the base view adds to it.
    """

    request_id: str
    """The id in logs and answers."""

    actor: Actor
    """Who calls."""

    principal: str
    """The name of the credential, as it is stored with each transfer."""

    log: dict[str, object]
    """Further fields of the request's log line."""


def api_request(request: HttpRequest) -> ApiRequest:
    """Return the same request, typed with its further attributes."""
    return cast("ApiRequest", request)
