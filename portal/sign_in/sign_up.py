"""Sign-up, where ``LEDGER_SIGN_UP`` allows it: people invite themselves, and name their wallets."""

from __future__ import annotations

from allauth.decorators import rate_limit
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.validators import RegexValidator
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from ledger_project.kernel.actors import Actor, Scope
from ledger_project.kernel.refusals import MerchantExists
from merchants.domain import NAME_PATTERN, fold
from merchants.selectors import identify_now
from people.domain import Role, UserExists
from people.models import Membership, User
from people.services.mail import request_invitation
from people.services.memberships import set_membership
from people.services.users import insert_user, locked_user
from portal.sign_in.start_pages import start_page
from transfers.services.registration import register_once

_TAKEN = "This name is taken. Choose another one."


class SignUpForm(forms.Form):
    """Who wants an account."""

    email = forms.EmailField(label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    name = forms.CharField(label="Your name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))


class BeginForm(forms.Form):
    """The name of the merchant that owns the wallets."""

    name = forms.CharField(
        label="Name",
        max_length=64,
        validators=[
            RegexValidator(rf"\A{NAME_PATTERN}\Z", "Use letters, digits, dots, dashes and underscores; begin with a letter or digit.")
        ],
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
        help_text="Others send money to this name. It cannot be changed later.",
    )


@rate_limit(action="signup")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Send an invitation to the address that is given. The answer is the same for every address."""
    if not settings.LEDGER_SIGN_UP:
        raise Http404
    if request.user.is_authenticated:
        return redirect(start_page(request.user))
    form = SignUpForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "portal/sign_in/sign_up.html", {"form": form})
    _invite(form.cleaned_data["email"], form.cleaned_data["name"])
    return render(request, "portal/sign_in/sign_up_sent.html", {"address": form.cleaned_data["email"]})


def _invite(address: str, name: str) -> None:
    """Invite a user, or once more one who has no password yet. Others get no mail."""
    with transaction.atomic():
        try:
            insert_user(address, name)
        except UserExists as taken:
            user = locked_user(taken.user_id)
            request_invitation(user)
            user.save(update_fields=["mail_due_at", "mail_attempts"])


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HttpRequest) -> HttpResponse:
    """Register the merchant of somebody who has signed up and acts for none yet."""
    user = request.user
    assert user.is_authenticated
    if not settings.LEDGER_SIGN_UP or user.memberships.exists():
        return redirect("/app/")
    form = BeginForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if _owns_now(user, form.cleaned_data["name"]):
            return redirect("/app/")
        form.add_error("name", _TAKEN)
    return render(request, "portal/sign_in/begin.html", {"form": form}, status=422 if form.errors else 200)


def _owns_now(user: User, name: str) -> bool:
    """Register a merchant with the user as its owner; False if the name is taken.

    The key makes a second try, after a process was killed between the two steps, find the merchant
    of the first. It is the user's only while it has no members.
    """
    actor = Actor(f"user:{user.pk}", None, frozenset({Scope.USERS_WRITE}))
    try:
        register_once(name, actor=actor, key=f"begin {user.pk} {fold(name)}")
    except MerchantExists:
        return False
    merchant = identify_now(names=[name]).merchant(name)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # of two forms at once, the second finds the first one's
        members = Membership.objects.filter(merchant_id=merchant.id) if merchant is not None else None
        if members is None or members.exclude(user=user).exists():
            return False
        if not members.exists():
            set_membership(user.pk, name, Role.OWNER, actor=actor)
    return True
