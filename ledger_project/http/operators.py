"""Who may see what concerns the whole service. One function, so that another way to prove who one is has one place to go."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from ledger_project.kernel.errors import LedgerError

OPERATOR_PERMISSION = "transfers.view_transfer"
"""What a member of the staff needs to see figures: the viewers' role has it, and so have all others."""


class OperatorNotAuthenticated(LedgerError):
    """Nobody is logged in, or the session is over."""

    code = "not_authenticated"
    title = "Not authenticated"


class OperatorNotPermitted(LedgerError):
    """This user is no operator."""

    code = "permission_denied"
    title = "Permission denied"


def require_operator(request: HttpRequest) -> None:
    """Raise unless the request comes from an operator: a staff session of the admin. Synchronous, reads the database.

    The API's lean path has no session middleware; the session is read here, for these few calls only. Reading needs no CSRF token. A
    token of an operator's scope is to be accepted here too, before the session is looked at.
    """
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not session_key:
        raise OperatorNotAuthenticated("Log in to the admin, or send an operator's token.")
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not user.is_authenticated:
        raise OperatorNotAuthenticated("This session is over; log in to the admin again.")
    if not (user.is_active and user.is_staff and user.has_perm(OPERATOR_PERMISSION)):
        raise OperatorNotPermitted("This needs a member of the staff who may view transfers.")
