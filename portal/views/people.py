"""The people of a merchant, for its owners: invited, given another role, removed."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from ledger_project.kernel.errors import LedgerError
from people.domain import Role
from people.selectors.users import list_users
from people.services.memberships import invite_member, remove_membership, set_membership
from portal.members import Member, member_of
from portal.notices import Notice, failure
from portal.settings_pages import is_owner, refused, settings_page, unfit

_MOST = 500
_ROLES = [
    (Role.OWNER.value, "Owner: everything, people too"),
    (Role.OPERATOR.value, "Operator: reads and moves money"),
    (Role.VIEWER.value, "Viewer: reads"),
]


class InvitationForm(forms.Form):
    """Who is invited, and as what."""

    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
    name = forms.CharField(label="Name", max_length=200, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(label="Role", choices=_ROLES, initial=Role.VIEWER.value)


def _owner(request: HttpRequest, merchant_name: str) -> Member:
    member = member_of(request, merchant_name)
    if not is_owner(member):
        raise PermissionDenied(f"Only owners of {member.merchant.name} see its people.")
    return member


def _page(request: HttpRequest, member: Member, form: InvitationForm | None = None, *, notices: list[Notice] | None = None) -> HttpResponse:
    found = list_users(member.actor, merchant=member.merchant.name, limit=_MOST)
    people = [{"user": user, "role": user.memberships[0][1].value, "is_me": user.id == member.user.pk} for user in found]
    return settings_page(request, member, "people", {"form": form or InvitationForm(), "people": people, "roles": _ROLES}, notices=notices)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def people(request: HttpRequest, merchant_name: str) -> HttpResponse:
    """Show the people; invite somebody.

    The answer is the same for somebody who has an account already: who has one is nobody's
    business.
    """
    member = _owner(request, merchant_name)
    if request.method != "POST":
        return _page(request, member)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _page(request, member, form, notices=unfit(form))
    values = form.cleaned_data
    try:
        invite_member(member.merchant.name, email=values["email"], name=values["name"], role=Role(values["role"]), actor=member.actor)
    except LedgerError as error:
        return _page(request, member, form, notices=refused(form, error))
    messages.success(request, f"{values['email']} is invited.")
    return redirect("portal:people", member.merchant.name)


@require_POST
@login_required
def change_role(request: HttpRequest, merchant_name: str, user_id: UUID) -> HttpResponse:
    """Give a member another role."""
    member = _owner(request, merchant_name)
    role = request.POST.get("role", "")
    if role not in set(Role):
        return _page(request, member, notices=[failure("Choose a role from the list.", code="validation_error")])
    try:
        if all(user.id != user_id for user in list_users(member.actor, merchant=member.merchant.name, limit=_MOST)):
            return _page(request, member, notices=[failure("This person is no member any more.", code="user_not_found")])
        set_membership(user_id, member.merchant.name, Role(role), actor=member.actor)
    except LedgerError as error:
        return _page(request, member, notices=refused(None, error))
    messages.success(request, "The role is changed.")
    return _after_change(member, user_id)


@require_POST
@login_required
def remove(request: HttpRequest, merchant_name: str, user_id: UUID) -> HttpResponse:
    """Take a member's role."""
    member = _owner(request, merchant_name)
    try:
        remove_membership(user_id, member.merchant.name, actor=member.actor)
    except LedgerError as error:
        return _page(request, member, notices=refused(None, error))
    messages.success(request, "This person is no member any more.")
    return _after_change(member, user_id)


def _after_change(member: Member, user_id: UUID) -> HttpResponse:
    """Go back to the people; to the wallets for somebody who may not see them any more."""
    return redirect("portal:wallets") if user_id == member.user.pk else redirect("portal:people", member.merchant.name)
