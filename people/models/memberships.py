"""Which user acts for which merchant."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from ledger_project.database.fields import IdField, values
from merchants.models import Merchant
from people.domain import Role
from people.models.users import User


class Membership(models.Model):
    """One user's role at one merchant."""

    id = IdField()
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=8, choices=[(role.value, role.value) for role in Role], default=Role.OWNER.value)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "merchant"], name="membership_unique"),
            models.CheckConstraint(condition=models.Q(role__in=values(Role)), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.merchant.name}"
