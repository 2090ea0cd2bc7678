"""The users: members of the staff, and people who act for merchants."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Collate, Lower, Now
from django.utils import timezone

from ledger_project.database.fields import IdField
from people.domain import UserStatus, status_of

USERNAME_LENGTH = 254
"""The longest e-mail address: it is the user name of people who are not of the staff."""


class Users(UserManager["User"]):
    """The users. Whoever is made with a password can sign in at once."""

    use_in_migrations = False

    def create_user(self, username: str, email: str | None = None, password: str | None = None, **extra: Any) -> User:
        """Make a user."""
        return super().create_user(username, email, password, **self._activation(password) | extra)

    def create_superuser(self, username: str, email: str | None = None, password: str | None = None, **extra: Any) -> User:
        """Make a user who may do everything."""
        return super().create_superuser(username, email, password, **self._activation(password) | extra)

    @staticmethod
    def _activation(password: str | None) -> dict[str, Any]:
        return {} if password is None else {"activated_at": timezone.now()}


class User(AbstractUser):
    """A person, or a member of the staff.

    Members of the staff sign in with their user name. The user name of everybody else is the e-mail
    address, with A to Z in lower case.

    A user that was erased stays as an empty row, because the history of operators' actions refers
    to it. No list shows it.

    ``answer_key`` opens the answers that are stored about the user (services/answers.py).
    ``mail_due_at`` is when the mail with the link to activate is to be sent (services/mail.py).
    """

    id = IdField()
    username = models.CharField(
        max_length=USERNAME_LENGTH,
        unique=True,
        validators=[RegexValidator(r"^[^\s\x00-\x1f\x7f]+\Z", "A user name has no blanks and no control characters.")],
        error_messages={"unique": "A user with that name exists already."},
        help_text="Without blanks. Of people who are not of the staff: the e-mail address in lower case.",
    )
    email = models.EmailField("e-mail address", blank=True)
    name = models.CharField(max_length=200, blank=True, help_text="As the person wants to be called.")
    first_name: Any = None  # one name is enough, whatever its order
    last_name: Any = None
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    answer_key = models.BinaryField(max_length=44, null=True, editable=False)
    mail_due_at = models.DateTimeField(null=True, editable=False)
    mail_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    date_joined = models.DateTimeField("since", db_default=Now(), editable=False)

    objects: ClassVar[Users] = Users()

    class Meta:
        ordering = ["-id"]
        permissions = [("erase_user", "Can erase users")]
        indexes = [models.Index(fields=["mail_due_at"], name="user_mail_due", condition=models.Q(mail_due_at__isnull=False))]
        constraints = [
            models.UniqueConstraint(
                Lower(Collate("email", "C")),
                condition=~models.Q(email=""),
                name="user_email_unique",
                violation_error_message="A user with that e-mail address exists already.",
            ),
            models.CheckConstraint(
                condition=models.Q(erased_at__isnull=True) | models.Q(email="", name="", is_active=False), name="user_erased_is_empty"
            ),
        ]

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Whether the user has a permission; a page for 403 names those that were refused."""
        may: bool = super().has_perm(perm, obj)
        if not may:
            self.__dict__.setdefault("refused", []).append(perm)
        return may

    @property
    def refused_permissions(self) -> list[str]:
        """The permissions that this request asked for and the user does not have, oldest first."""
        return list(self.__dict__.get("refused", ()))

    def __str__(self) -> str:
        return self.username or f"user {self.pk}"

    @property
    def status(self) -> UserStatus:
        """Whether the user can sign in."""
        return status_of(is_active=self.is_active, activated_at=self.activated_at)

    def set_password(self, raw_password: str | None) -> None:
        """Set the password. The first one makes an invited user active."""
        super().set_password(raw_password)
        if raw_password is not None and self.activated_at is None:
            self.activated_at, self.mail_due_at = timezone.now(), None

    def get_full_name(self) -> str:
        """Return the name for pages: the user's own, or the user name."""
        return self.name or self.username

    def get_short_name(self) -> str:
        """Return the same as the full name."""
        return self.get_full_name()
