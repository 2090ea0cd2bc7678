"""API keys: the credentials of programs."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from ledger_project.database.fields import IdField
from ledger_project.kernel.actors import PLATFORM_SCOPES, Scope
from merchants.models import Merchant


class ApiKey(models.Model):
    """A credential of the platform (no merchant) or of one merchant.

    Only the SHA-256 of its secret is stored.

    A slow hash is for passwords, which people choose and machines can guess. This secret is 256
    random bits: nobody can guess it, and its hash is looked up for every request.
    """

    id = IdField()
    name = models.CharField(max_length=100, help_text="What uses it, in your words.")
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    prefix = models.CharField(max_length=16, help_text="The beginning of the key, to tell keys apart.")
    digest = models.BinaryField(max_length=32)
    scopes = ArrayField(models.CharField(max_length=32))
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "merchants_apikey"  # databases made before this app was there have it
        ordering = ["-id"]
        verbose_name = "API key"
        permissions = [("revoke_apikey", "Can revoke API keys")]
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="api_key_digest_unique"),
            models.UniqueConstraint(fields=["prefix"], name="api_key_prefix_unique"),
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=[scope.value for scope in Scope]) & models.Q(scopes__len__gt=0),
                name="api_key_scopes_known",
            ),
            models.CheckConstraint(
                condition=models.Q(merchant__isnull=True) | ~models.Q(scopes__overlap=sorted(PLATFORM_SCOPES)),
                name="api_key_operations_of_platform",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"

    def state(self, now: datetime) -> str:
        """Return its state at a moment: valid, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"
