"""The pages by which people change their own e-mail address.

The new one is proven by a link that is sent there. The old one is told when the change is made. The
first page says the same for every address: it does not tell who has an account.
"""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.decorators import rate_limit
from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from merchants.domain import fold
from people.domain import UserExists
from people.models import User
from people.services.addresses import address_token, change_address, is_address_free, proven_address


class AddressForm(forms.Form):
    """Another address of somebody who is signed in."""

    email = forms.EmailField(label="New e-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))

    def __init__(self, user: User, data: QueryDict | None) -> None:
        super().__init__(data)
        self._user = user

    def clean_email(self) -> str:
        """Refuse the address that the person has already."""
        address: str = self.cleaned_data["email"]
        if address == self._user.email:
            raise forms.ValidationError("This is your address already.")
        return address


@rate_limit(action="change_email")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required
def new_address(request: HttpRequest) -> HttpResponse:
    """Ask for another address, and send the link that proves it."""
    user = _person(request)
    form = AddressForm(user, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "portal/sign_in/new_address.html", {"form": form}, status=422 if form.errors else 200)
    address = form.cleaned_data["email"]
    if fold(address) == fold(user.email) or is_address_free(address, but_of=user.pk):
        link = request.build_absolute_uri(reverse("confirm-address", args=[address_token(user, address)]))
        get_adapter(request).send_mail("account/email/new_address", address, {"link": link})
    return render(request, "portal/sign_in/new_address_sent.html", {"address": address})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required
def confirm_address(request: HttpRequest, token: str) -> HttpResponse:
    """Make the change that a link proves. Opening the page changes nothing: programs that look
    through mails open links.
    """
    user = _person(request)
    address = proven_address(token, user)
    if address is not None and request.method != "POST":
        return render(request, "portal/sign_in/confirm_address.html", {"address": address})
    try:
        changed = change_address(user.pk, token) if address is not None else None
    except UserExists:
        changed = None
    if changed is None:
        return render(request, "portal/sign_in/address_gone.html", status=410)
    old, new = changed
    get_adapter(request).send_notification_mail("account/email/address_changed", user, {"address": new}, email=old)
    return render(request, "portal/sign_in/address_changed.html", {"address": new})


def _person(request: HttpRequest) -> User:
    user = request.user
    assert isinstance(user, User), "the decorators let nobody else in"
    return user
