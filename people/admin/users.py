"""Users in the admin: members of the staff with their roles, and people with their memberships.

The record of changes is for good, so it has the ids of users and not their names.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from console.merchant_filter import OfMerchant
from console.questions import Done, Question, ask
from ledger_project.kernel.actors import Actor
from ledger_project.kernel.errors import LedgerError
from merchants.domain import fold
from people.admin.memberships import InvitationForm, MembershipInline
from people.domain import Role, UserStatus
from people.models import User
from people.operator_log import without_name
from people.selectors.users import known_users
from people.services.users import change_user, create_user, erase_user, invite_again


class _Perform(Protocol):
    """Changes a user. Raises errors of the ledger."""

    def __call__(self, user_id: UUID, *, actor: Actor) -> None: ...


class MemberOf(OfMerchant):
    """Keeps the people who act for a merchant."""

    sides = ("memberships__merchant_id",)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of a user that is asked for. ``leaves_page``: the user has a page afterwards."""

    title: str
    explanation: str
    did: str
    perform: _Perform
    leaves_page: bool = True


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Users: invited, suspended, erased; their memberships, and the roles of the staff.

    Superusers alone change members of the staff, their rights, and passwords of others.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines: ClassVar = [MembershipInline]
    filter_horizontal = ()  # the widget of two lists is wider than many a screen
    list_display = ("username", "name", "email", "state", "is_staff", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups", MemberOf)
    search_fields = ("username", "name", "email")
    ordering = ("-id",)
    readonly_fields = ("id", "state", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("name", "email", "state", "id")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    actions_list = ("invite",)
    actions_detail = ("invite_once_more", "suspend", "end_suspension", "erase")

    @display(description="Status", label={"active": "success", "invited": "info", "suspended": "danger"})
    def state(self, obj: User) -> str:
        """Whether the user can sign in."""
        return obj.status.value

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Leave out those who were erased, and the user that stands for API credentials."""
        del request
        return known_users()

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        """Show memberships of users that exist."""
        return [] if obj is None else super().get_inlines(request, obj)

    # --- who may do what --------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only superusers change members of the staff."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or _is_person(obj) or bool(request.user.is_superuser))

    def has_change_person_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may change people; ``_ask`` looks at whom."""
        del object_id
        return self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Users are erased or made inactive, not deleted: history refers to their ids."""
        del request, obj
        return False

    def has_erase_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may erase people."""
        del object_id
        return request.user.has_perm("people.erase_user")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Let only superusers give rights, and choose user names."""
        own = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return own
        return (*own, "username", "is_active", "is_staff", "is_superuser", "groups", "user_permissions")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only superusers make users with a password: these are of the staff. Others invite."""
        return super().has_add_permission(request) and bool(request.user.is_superuser)

    def has_invite_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may invite people."""
        del object_id
        return request.user.has_perm("people.add_user")

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Let only superusers choose the password of somebody else."""
        if not request.user.is_superuser:
            raise PermissionDenied
        response: HttpResponse = super().user_change_password(request, *args, **kwargs)
        return response

    # --- the record -------------------------------------------------------------------------------

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Record who was added, by the id."""
        return super().log_addition(request, without_name(obj), message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Record who was changed, by the id."""
        return super().log_change(request, without_name(obj), message)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Keep the address as the user name of people."""
        if change and _is_person(obj) and "email" in form.changed_data and obj.email:
            obj.username = fold(obj.email)
        super().save_model(request, obj, form, change)

    # --- actions ----------------------------------------------------------------------------------

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer what the user's state allows."""
        offered: list[Any] = super().get_actions_detail(request, object_id)
        user: User | None = self.get_object(request, object_id)
        possible = set() if user is None else _possible(user)
        return [one for one in offered if one.method.__name__ in possible]

    @action(description="Invite somebody", url_path="invite", permissions=["invite"])
    def invite(self, request: HttpRequest) -> HttpResponse:
        """Make a user who chooses a password by a link in a mail."""
        form = InvitationForm(request.POST or None, initial={"role": Role.OWNER.value})
        if request.method == "POST" and form.is_valid():
            try:
                user_id = create_user(form.new_user(), actor=_actor(request))
            except LedgerError as error:
                form.add_error(None, str(error))
            else:
                self.log_addition(request, User(pk=user_id), "Invited")
                messages.success(request, "Invited. The mail is on its way.")
                return HttpResponseRedirect(reverse("admin:people_user_change", args=[user_id]))
        explanation = "A mail with a link to choose a password is sent. The link holds for three days."
        context = {
            **self.admin_site.each_context(request),
            "title": "Invite somebody",
            "question": Question("Invite", explanation, lambda _values: Done("Invited")),
            "form": form,
            "opts": User._meta,
            "back": reverse("admin:people_user_changelist"),
        }
        return TemplateResponse(request, "ledger/ask.html", context)

    @action(description="Invite once more", url_path="invite_again", permissions=["change_person"])
    def invite_once_more(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send the invitation again."""
        explanation = "A mail with a new link to choose a password is sent."
        change = _Change("Invite once more", explanation, "Invited once more", invite_again)
        return self._ask(request, object_id, change)

    @action(description="Suspend", url_path="suspend", permissions=["change_person"])
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep a user out until that is ended."""
        explanation = "The user can neither sign in nor get a token, and sessions end at once. Access tokens end within minutes."
        return self._ask(request, object_id, _Change("Suspend", explanation, "Suspended", _set_status(UserStatus.SUSPENDED)))

    @action(description="End the suspension", url_path="activate", permissions=["change_person"])
    def end_suspension(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let a user sign in again."""
        explanation = "The user can sign in again, with the same password and memberships."
        return self._ask(request, object_id, _Change("End the suspension", explanation, "Active again", _set_status(UserStatus.ACTIVE)))

    @action(description="Erase", url_path="erase", permissions=["erase"])
    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Erase a person's data for good."""
        explanation = (
            "Address, name, password, memberships and what is kept about the person go, for good. "
            "The merchants and their history stay. Do not name the person in the reason: it is kept."
        )
        return self._ask(request, object_id, _Change("Erase this person", explanation, "Erased", erase_user, leaves_page=False))

    def _ask(self, request: HttpRequest, object_id: str, change: _Change) -> HttpResponse:
        user: User | None = self.get_object(request, object_id)
        if user is None:
            raise Http404
        if change.leaves_page and not self.has_change_permission(request, user):
            raise PermissionDenied

        def perform(_values: dict[str, Any]) -> Done:
            change.perform(user.pk, actor=_actor(request))
            return Done(change.did)

        page = reverse("admin:people_user_change", args=[object_id]) if change.leaves_page else reverse("admin:people_user_changelist")
        return ask(self, request, user, Question(change.title, change.explanation, perform, did=change.did), page)


def _set_status(status: UserStatus) -> _Perform:
    def change(user_id: UUID, *, actor: Actor) -> None:
        change_user(user_id, {"status": status}, actor=actor)

    return change


def _actor(request: HttpRequest) -> Actor:
    return Actor(f"admin:{request.user.pk}")


def _is_person(user: User) -> bool:
    return not user.is_staff and not user.is_superuser


def _possible(user: User) -> Collection[str]:
    """Return the actions that the state of a user allows; none for members of the staff."""
    if not _is_person(user):
        return ()
    by_state = {
        UserStatus.INVITED: {"invite_once_more", "suspend"},
        UserStatus.ACTIVE: {"suspend"},
        UserStatus.SUSPENDED: {"end_suspension"},
    }
    return by_state[user.status] | {"erase"}
