"""Runs of the proof, and their verdicts."""

from django.db import models

from ledger_project.database.fields import IdField, MinorUnitsField
from ledger_project.kernel.money import MAX_BALANCE_MINOR


class ReconciliationRun(models.Model):
    """One run of ``reconcile``.

    ``findings`` is a list of {check, subject, detail}, empty if and only if the verdict is clean.
    ``unseen`` says what the run does not see. ``base_id`` is the run whose heads an incremental one
    went on from. ``heads_sha256`` is over the heads that a clean verdict keeps: None if it keeps
    none. The newest run that has it is the one whose heads are in ``ReconciliationHead``.
    """

    class Kind(models.TextChoices):
        """What a run proves: every row, what is new, or what somebody chose."""

        WHOLE = "whole"
        INCREMENTAL = "incremental"
        NARROW = "narrow"

    class Verdict(models.TextChoices):
        """The verdict of a run."""

        CLEAN = "clean"
        DAMAGED = "damaged"

    id = IdField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    findings = models.JSONField(default=list)
    entries_checked = models.BigIntegerField()
    kind = models.CharField(max_length=11, choices=Kind.choices)
    scope = models.TextField()
    unseen = models.TextField(blank=True)
    base_id = models.UUIDField(null=True)
    heads_sha256 = models.BinaryField(max_length=32, null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(verdict__in=["clean", "damaged"]), name="reconciliation_verdict_known"),
            models.CheckConstraint(
                condition=models.Q(verdict="clean", findings=[]) | (models.Q(verdict="damaged") & ~models.Q(findings=[])),
                name="reconciliation_damage_is_named",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=["whole", "incremental", "narrow"]), name="reconciliation_kind_known"),
            models.CheckConstraint(
                condition=models.Q(heads_sha256=None) | models.Q(verdict="clean", kind__in=["whole", "incremental"]),
                name="reconciliation_heads_are_clean",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.verdict}"


class ReconciliationHead(models.Model):
    """The newest entry of an account at the moment of a clean verdict. One row an account."""

    account_id = models.UUIDField(primary_key=True, editable=False)
    sequence = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)
    balance_minor = MinorUnitsField()

    class Meta:
        # NUMERIC's 'NaN' is above every number.
        constraints = [models.CheckConstraint(condition=models.Q(balance_minor__lte=MAX_BALANCE_MINOR), name="reconciliation_head_bounded")]

    def __str__(self) -> str:
        return f"{self.account_id} #{self.sequence}"
