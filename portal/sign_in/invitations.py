"""The page behind the link of an invitation: a first password, and the person is signed in."""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.contrib.auth import logout
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from people.models import User
from people.services.activation import activate_user, invited_user


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def activate(request: HttpRequest, token: str) -> HttpResponse:
    """Ask for the first password. Opening the page changes nothing: programs that look through
    mails open links.
    """
    user = invited_user(token)
    if user is None:
        return render(request, "portal/sign_in/activation_gone.html", status=410)
    form: SetPasswordForm[User] = SetPasswordForm(user, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "portal/sign_in/activation.html", {"form": form, "invited": user})
    if not activate_user(user.pk, form.cleaned_data["new_password1"]):
        return render(request, "portal/sign_in/activation_gone.html", status=410)
    user.refresh_from_db()
    logout(request)  # whoever else was signed in here
    record_authentication(request, user, method="password")
    answer: HttpResponse = perform_login(request, Login(user=user))
    return answer
