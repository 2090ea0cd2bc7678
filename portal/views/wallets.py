"""The wallets of a person's merchants."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
@login_required
def wallets(request: HttpRequest) -> HttpResponse:
    """Show the wallets of the person who is signed in."""
    return render(request, "portal/wallets.html", {"section": "wallets"})
