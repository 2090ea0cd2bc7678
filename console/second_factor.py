"""The page of the second factor: it asks for the code, and enrols a device at a user's first login,
once.

``people/access/second_factor.py`` has the rule.
"""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django_otp import login as otp_login
from django_otp.plugins.otp_totp.models import TOTPDevice

from people.access.second_factor import accepts, confirmed_device, is_required

PATH = "admin/second-factor/"


class SecondFactorMiddleware(MiddlewareMixin):
    """Redirects users who have shown only a password from every page of the admin to the page that
    asks for the code.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Redirect to the page of the code, except from that page, the login and the logout."""
        if not is_required() or not request.path.startswith("/admin"):
            return None
        own = reverse("second-factor")
        if request.path in {own, reverse("admin:login"), reverse("admin:logout")}:
            return None
        user: Any = request.user
        if not user.is_authenticated or user.is_verified():
            return None
        return HttpResponseRedirect(f"{own}?next={request.path}")


class CodeForm(forms.Form):
    """The six digits that the app shows."""

    code = forms.CharField(
        max_length=8,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
        help_text="The six digits that your authenticator app shows now.",
    )


def _device(user: AbstractUser) -> TOTPDevice:
    """Return the user's device; one that is not confirmed yet if they have none."""
    confirmed = confirmed_device(user)
    if confirmed is not None:
        return confirmed
    return TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": "authenticator app"})[0]


def _picture(device: TOTPDevice) -> str:
    """Return the QR code as SVG."""
    from qrcode import make  # noqa: PLC0415 - only this page draws: the images' library is large
    from qrcode.image.svg import SvgPathImage  # noqa: PLC0415 - the same

    picture = make(device.config_url, image_factory=SvgPathImage, box_size=12)
    drawing: str = picture.to_string(encoding="unicode")
    return mark_safe(drawing)  # noqa: S308 - drawn here, of squares


@never_cache
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for the code. A user without a device is shown the QR code as well."""
    if not request.user.is_authenticated or not request.user.is_staff:
        return HttpResponseRedirect(reverse("admin:login"))
    user = cast("AbstractUser", request.user)
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        target = reverse("admin:index")
    device = _device(user)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        # Authenticator apps show the code with a space in its middle.
        if accepts(device, form.cleaned_data["code"].replace(" ", "")):
            if not device.confirmed:
                device.confirmed = True
                device.save(update_fields=["confirmed"])
            request.session.cycle_key()
            otp_login(request, device)
            return HttpResponseRedirect(target)
        form.add_error("code", "This code is not right, or it was used before. Wait for the next one.")
    context = {
        **admin.site.each_context(request),
        "title": "Second factor",
        "form": form,
        "picture": "" if device.confirmed else _picture(device),
        "device": device,
        "is_nav_sidebar_enabled": False,
        "available_apps": [],
    }
    return TemplateResponse(request, "ledger/second_factor.html", context)
