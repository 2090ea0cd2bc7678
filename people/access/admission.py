"""Admission of callers to the API: authentication and rate limits.

The setting ``LEDGER_AUTHENTICATION`` names ``admit``.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Actor, InvalidToken, NotAuthenticated
from people.access.authentication import authenticate
from people.access.operators import session_actor
from people.access.rate_limits import brake_address, brake_credential, brake_stranger, count_failure


async def admit(request: HttpRequest, *, takes_session: bool) -> Actor:
    """Return the caller.

    Raises ``AccessRefused`` for a bad or missing credential, and for too many requests.
    """
    try:
        actor = await authenticate(request, before_check=brake_stranger)
    except InvalidToken:
        count_failure(request)
        raise
    except NotAuthenticated:
        brake_stranger(request)
        if not takes_session:
            raise
        actor = await _admit_session(request)
    brake_address(request)
    brake_credential(f"{actor.owner} {actor.principal}")
    return actor


async def _admit_session(request: HttpRequest) -> Actor:
    """Return the operator whose session a request carries. Raises ``AccessRefused``."""
    try:
        return await in_reader(session_actor, request)
    except NotAuthenticated:
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            count_failure(request)
        raise
