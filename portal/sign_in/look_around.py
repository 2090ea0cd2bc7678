"""In open mode: look around as one of the demo's people, without a password."""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from ledger_project.kernel import actors as kernel_actors
from people.access.authentication import check_loopback
from people.models import User
from transfers.demo.members import ADDRESSES


def _people() -> QuerySet[User]:
    """Return the demo's people. None of them has a password, so nobody real is among them."""
    users = User.objects.filter(
        username__in=ADDRESSES, is_active=True, is_staff=False, is_superuser=False, password__startswith=UNUSABLE_PASSWORD_PREFIX
    )
    return users.prefetch_related("memberships__merchant").order_by("name")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def look_around(request: HttpRequest) -> HttpResponse:
    """Show the demo's people, or sign in as one of them.

    Outside of open mode there is no such page. Raises ``PermissionDenied`` for a request that did
    not come over loopback.
    """
    if settings.LEDGER_AUTH != "open":
        raise Http404
    try:
        check_loopback(request)
    except kernel_actors.PermissionDenied as refusal:
        raise PermissionDenied(str(refusal)) from None
    if request.method != "POST":
        return render(request, "portal/sign_in/look_around.html", {"people": _people()})
    user = get_object_or_404(_people(), username=request.POST.get("person", ""))
    logout(request)
    answer: HttpResponse = perform_login(request, Login(user=user))
    return answer
