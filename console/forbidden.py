"""The page of the admin for what a user may not do: it says which role may, and where to go on."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from ledger_project.http import fallbacks
from people.models import User


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403: a page of the admin with its menu; elsewhere what the API and the portal answer."""
    user = request.user if hasattr(request, "user") else None
    if not (request.path.startswith("/admin") and isinstance(user, User) and user.is_staff):
        return fallbacks.permission_denied(request, exception)
    permissions = list(dict.fromkeys(user.refused_permissions))
    context = {
        **admin.site.each_context(request),
        "title": "You may not do this",
        "allowed": _names(permissions),
        "roles": _roles(permissions),
        "mine": [group.name for group in user.groups.order_by("name")],
    }
    return TemplateResponse(request, "ledger/forbidden.html", context, status=403).render()


def _of(permissions: list[str]) -> Q:
    """Return the condition for permissions by their names, as in ``merchants.view_merchant``."""
    wanted = Q(pk=None)
    for app, _, codename in (name.partition(".") for name in permissions):
        wanted |= Q(content_type__app_label=app, codename=codename)
    return wanted


def _names(permissions: list[str]) -> list[str]:
    """Return what the permissions allow, in words."""
    return [
        name.removeprefix("Can ") for name in Permission.objects.filter(_of(permissions)).order_by("name").values_list("name", flat=True)
    ]


def _roles(permissions: list[str]) -> list[str]:
    """Return the names of the roles that have one of the permissions."""
    found = Group.objects.filter(permissions__in=Permission.objects.filter(_of(permissions))).distinct()
    return list(found.order_by("name").values_list("name", flat=True))
