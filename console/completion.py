"""Names of merchants for fields in which one is typed.

A field asks for them by ``COMPLETED``: ``console/static/console/complete.js`` then shows the names
that fit. Without JavaScript the field takes the exact name all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.urls import reverse_lazy

from merchants.selectors.name_search import suggest_names

MOST_NAMES = 10
"""The most names that are suggested at once."""

COMPLETED: Mapping[str, object] = {"data-complete": reverse_lazy("admin:ledger_names"), "autocomplete": "off", "spellcheck": "false"}
"""The attributes of an input for the name of a merchant."""


def names_view(request: HttpRequest) -> JsonResponse:
    """Return the merchants whose names fit what was typed, for users who may see merchants."""
    if not request.user.has_perm("merchants.view_merchant"):
        raise PermissionDenied
    found = suggest_names(request.GET.get("q", "")[:64], limit=MOST_NAMES)
    response = JsonResponse({"names": [{"name": one.name, "label": one.display_name or ""} for one in found]})
    response["Cache-Control"] = "no-store"
    return response
