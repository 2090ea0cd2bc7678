"""The pages of sign-in that differ from django-allauth's, and those that it does not have."""

from __future__ import annotations

from typing import Any

from allauth.account.utils import get_next_redirect_url
from allauth.account.views import LoginView
from allauth.mfa.base.views import ReauthenticateView
from allauth.mfa.recovery_codes.views import ViewRecoveryCodesView
from allauth.mfa.totp.internal import flows
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from people.access.second_factor import keep_used, mark_shown, must_enrol
from portal.sign_in.start_pages import start_page


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def admin_login(request: HttpRequest) -> HttpResponse:
    """Lead from the admin to the page of sign-in.

    A person who is signed in and is no member of the staff is told so: the page of sign-in would
    lead straight back.
    """
    if request.user.is_authenticated and not request.user.is_staff:
        return render(request, "portal/sign_in/no_staff.html", status=403)
    page = reverse("account_login")
    target = request.GET.get("next", "")
    return HttpResponseRedirect(f"{page}?{urlencode({'next': target})}" if target else page)


class SignInView(LoginView):
    """Ask for name and password."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add which other ways in there are."""
        ways = {"is_sign_up_open": settings.LEDGER_SIGN_UP, "is_open_mode": settings.LEDGER_AUTH == "open"}
        found: dict[str, Any] = super().get_context_data(**kwargs)
        return found | ways


def _passed_on(request: HttpRequest) -> dict[str, str]:
    """Return the hidden field that keeps where the person wants to go."""
    target = get_next_redirect_url(request)
    return {"redirect_field": format_html('<input type="hidden" name="next" value="{}">', target) if target else ""}


@method_decorator(never_cache, name="dispatch")
class EnrolView(ActivateTOTPView):
    """Enrol an authenticator app: a QR code, the same secret to type, and the first code."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Enrol it, and go on to the recovery codes."""
        try:
            with transaction.atomic():
                device, codes = flows.activate_totp(self.request, form)
                keep_used(device, form.step)
        except IntegrityError:  # another page of the same person was faster
            return redirect("mfa_index")
        mark_shown(self.request.session, device)
        self.request.session.cycle_key()
        page = reverse("mfa_view_recovery_codes" if codes else "mfa_index")
        target = get_next_redirect_url(self.request)
        return redirect(f"{page}?{urlencode({'next': target})}" if target else page)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the secret in groups of four, as it is typed."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        secret = found["form"].secret
        groups = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
        return found | {
            "secret_groups": groups,
            "picture": mark_safe(found["totp_svg"]),  # noqa: S308 - drawn here, of squares
            "is_demanded": must_enrol(self.request.user),
            **_passed_on(self.request),
        }


class RemovalView(DeactivateTOTPView):
    """Remove the authenticator app."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether another one must follow."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        return found | {"is_demanded": must_enrol(self.request.user)}


class CodeAgainView(ReauthenticateView):
    """Ask for the code of somebody who is signed in."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Go on in a session with a new key: its rights have grown."""
        answer: HttpResponse = super().form_valid(form)
        self.request.session.cycle_key()
        return answer


class RecoveryCodesView(ViewRecoveryCodesView):
    """Show the recovery codes, once."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add where the person wanted to go."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        return found | {"next_page": get_next_redirect_url(self.request) or start_page(self.request.user)}
