"""The second factor: a time-based code (TOTP, django-otp). Whose first password login to the admin it is enrols a device, once.

Where it is required, a password alone opens no page of the admin, gets no token, and makes no session that the API believes.
"""

from __future__ import annotations

from typing import Any, cast

import qrcode
import qrcode.image.svg
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp import login as otp_login
from django_otp.models import Device
from django_otp.plugins.otp_totp.models import TOTPDevice

PATH = "admin/second-factor/"


class SecondFactorMiddleware(MiddlewareMixin):
    """Sends whoever has shown only a password to the page that asks for the code, from every page of the admin."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Let through the pages that lead in and out."""
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
    picture = qrcode.make(device.config_url, image_factory=qrcode.image.svg.SvgPathImage, box_size=12)
    drawing: str = picture.to_string(encoding="unicode")
    return mark_safe(drawing)  # noqa: S308 - drawn here, of squares  # nosec B308, B703


def is_required() -> bool:
    """Whether members of the staff must show a second factor."""
    return settings.LEDGER_ADMIN_TOTP == "required"


def accepts(device: TOTPDevice, code: str) -> bool:
    """Whether a code is right. After wrong ones django-otp takes none for a while that doubles each time; used ones never again.

    Under the device's lock, so that of two who show one code at once, one is refused.
    """
    if not (code.isascii() and code.isdigit()):
        return False
    with transaction.atomic():
        locked = TOTPDevice.objects.select_for_update().filter(pk=device.pk).first()
        if locked is None:
            return False
        allowed, _ = locked.verify_is_allowed()
        return bool(allowed and locked.verify_token(code))


def confirmed_device(user: AbstractUser) -> TOTPDevice | None:
    """Return the device that a user has enrolled."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).order_by("pk").first()


def is_device_of(user: AbstractUser, persistent_id: object) -> bool:
    """Whether a session or token that names this device may still be believed: the user has it, and it was not reset."""
    device = Device.from_persistent_id(persistent_id) if isinstance(persistent_id, str) else None
    return device is not None and device.confirmed and device.user_id == user.pk


def session_shows_it(session: SessionBase, user: AbstractUser) -> bool:
    """Whether the second factor was shown in this session. For calls that do without the admin's middleware."""
    return is_device_of(user, session.get(DEVICE_ID_SESSION_KEY))


@never_cache
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for the code; show the QR code first to who has no device yet."""
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
