"""Members of the staff who call with the session of the admin instead of a credential, for figures that a page of theirs may show."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from ledger_project.kernel.actors import Actor, NotAuthenticated, PermissionDenied, Scope
from people.access import second_factor

OPERATOR_PERMISSION = "transfers.view_transfer"
"""What a member of the staff needs to see figures: the viewers' role has it, and so have all others."""


def session_actor(request: HttpRequest) -> Actor:
    """Return the operator whose session a request carries: it reads operations and nothing else. Synchronous, reads the database.

    The API's lean path has no session middleware; the session is read here, for these few calls only. Reading needs no CSRF token.
    Raises ``NotAuthenticated`` and ``PermissionDenied``.
    """
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not session_key:
        raise NotAuthenticated("Send a credential with the scope 'operations:read', or log in to the admin.")
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not user.is_authenticated:
        raise NotAuthenticated("This session is over; log in to the admin again.")
    if second_factor.is_required() and not second_factor.session_shows_it(request.session, user):
        raise NotAuthenticated("This session has shown a password alone; give the code of your authenticator app in the admin.")
    if not (user.is_active and user.is_staff and user.has_perm(OPERATOR_PERMISSION)):
        raise PermissionDenied("This needs a member of the staff who may view transfers.")
    return Actor(f"session:user-{user.pk}", None, frozenset({Scope.OPERATIONS_READ}))
