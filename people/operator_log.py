"""The log of operators' actions and their reasons: rows of Django's admin log, which nobody can
change (``transfers/upkeep/roles.py``).
"""

from __future__ import annotations

from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from ledger_project.kernel.actors import Actor
from people.models import User

API_USER = "API credentials"
"""The user of credentials in the log. It cannot log in, and no form makes a user whose name has a
blank."""


def without_name(obj: Model) -> Model:
    """Return an object as the log may have it: a user without the name, which can be erased."""
    return User(pk=obj.pk, username="") if isinstance(obj, User) else obj


def keep_change(obj: Model, what: str, reason: str, *, user_id: UUID) -> None:
    """Log the change of a user, and its reason."""
    LogEntry.objects.log_actions(user_id, [without_name(obj)], CHANGE, change_message=f"{what}: {reason}", single_object=True)


def keep_export(model: type[Model], what: str, *, user: User) -> None:
    """Log that a user took a list of a model away as a file."""
    kind = ContentType.objects.get_for_model(model)
    name = f"the list of {model._meta.verbose_name_plural}"
    LogEntry.objects.create(user=user, content_type=kind, object_repr=name, action_flag=CHANGE, change_message=what)


def keep_api_change(obj: Model, what: str, reason: str, *, actor: Actor) -> None:
    """Log the change of an API credential, and its reason."""
    user, is_new = User.objects.get_or_create(username=API_USER, defaults={"is_active": False})
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    keep_change(obj, f"{what} by {actor.principal}", reason, user_id=user.pk)
