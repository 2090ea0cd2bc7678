"""No page opens to a session that lacks the second factor.

``people/access/second_factor.py`` has the rule.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin

from people.access import second_factor

_PREFIXES = ("/admin", "/app")


class SecondFactorMiddleware(MiddlewareMixin):
    """Sends users who have shown only a password to the page that asks for the code, or to the one
    that enrols an app if they have none and must have one.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Redirect, except from the pages that lead in and out."""
        if not request.path.startswith(_PREFIXES) or not request.user.is_authenticated:
            return None
        user = request.user
        if not second_factor.is_missing(request.session, user):
            return None
        page = reverse("mfa_activate_totp" if second_factor.enrolled(user) is None else "mfa_reauthenticate")
        if request.path in _open_pages(page):
            return None
        if request.method == "GET":
            page += "?" + urlencode({"next": request.get_full_path()}, safe="/")
        return HttpResponseRedirect(page)


def _open_pages(page: str) -> set[str]:
    """Return the paths that a session without its second factor reaches."""
    ways_out = {reverse("account_logout"), reverse("admin:logout")}
    # A sign-in that is not fresh proves the password again before it enrols an app.
    password_again = {reverse("account_reauthenticate")} if page == reverse("mfa_activate_totp") else set()
    return {page} | ways_out | password_again
