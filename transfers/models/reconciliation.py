"""Runs of the proof, and their verdicts."""

from django.db import models

from ledger_project.database.fields import IdField


class ReconciliationRun(models.Model):
    """One run of ``reconcile``.

    ``findings`` is a list of {check, subject, detail}, empty if and only if the verdict is clean.
    """

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
    scope = models.TextField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(verdict__in=["clean", "damaged"]), name="reconciliation_verdict_known"),
            models.CheckConstraint(
                condition=models.Q(verdict="clean", findings=[]) | (models.Q(verdict="damaged") & ~models.Q(findings=[])),
                name="reconciliation_damage_is_named",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.verdict}"
