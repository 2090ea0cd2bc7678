"""Members of the staff who call with the admin's session instead of a credential, for the figures
on its pages.
"""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from ledger_project.kernel.actors import Actor, NotAuthenticated, PermissionDenied, Scope
from people.access import second_factor

OPERATOR_PERMISSION = "transfers.view_transfer"
"""The permission to see figures. The viewers' role has it, and all other roles too."""


def session_actor(request: HttpRequest) -> Actor:
    """Return the operator whose session a request carries.

    Raises ``NotAuthenticated`` and ``PermissionDenied``.

    The operator may read operations, and nothing else. Synchronous: it reads the database. The
    API's lean path has no session middleware, so the session is read here, for these calls only.
    Reading needs no CSRF token.
    """
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not session_key:
        raise NotAuthenticated("Send a credential with the scope 'operations:read', or log in to the admin.")
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not user.is_authenticated:
        raise NotAuthenticated("This session is over; log in to the admin again.")
    if second_factor.is_missing(request.session, user):
        raise NotAuthenticated("This session has shown a password alone; give the code of your authenticator app in the admin.")
    if not (user.is_active and user.is_staff and user.has_perm(OPERATOR_PERMISSION)):
        raise PermissionDenied("This needs a member of the staff who may view transfers.")
    return Actor(f"session:user-{user.pk}", None, frozenset({Scope.OPERATIONS_READ}))
