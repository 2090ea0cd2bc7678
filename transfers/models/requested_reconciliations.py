"""Reconciliations that somebody asked for, and the sign that a worker is there to do them."""

from __future__ import annotations

from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now

from ledger_project.database.fields import IdField, values
from merchants.models import Account
from transfers.models.reconciliation import ReconciliationRun

ONE_OPEN = "requested_reconciliation_one_open"


class RequestStatus(StrEnum):
    """What became of what was asked for."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


OPEN = (RequestStatus.WAITING.value, RequestStatus.RUNNING.value)


class RequestedReconciliation(models.Model):
    """A reconciliation that somebody asked for. At most one is waiting or running.

    ``kind``, ``since`` and ``account`` say what is proved, as the command's options do. The process
    that proves it has a lease, ``leased_by`` until ``leased_until``, which it renews with its
    progress; ``attempt`` counts the processes that took it. ``parts_done`` of ``parts`` are proved,
    with about ``entries_checked`` of ``entries`` entries; 0 parts are not known yet. ``run`` is the
    verdict, ``failure`` why there is none.
    """

    id = IdField()
    kind = models.CharField(max_length=11, choices=ReconciliationRun.Kind.choices)
    since = models.DateTimeField(null=True)
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+", db_index=False)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    requested_at = models.DateTimeField(db_default=Now())
    status = models.CharField(max_length=9, choices=[(s.value, s.value) for s in RequestStatus], default=RequestStatus.WAITING.value)
    attempt = models.PositiveIntegerField(default=0)
    leased_by = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    stage = models.CharField(max_length=200, blank=True)
    parts = models.PositiveIntegerField(default=0)
    parts_done = models.PositiveIntegerField(default=0)
    entries = models.BigIntegerField(default=0)
    entries_checked = models.BigIntegerField(default=0)
    failure = models.TextField(blank=True)
    run = models.ForeignKey(ReconciliationRun, models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-requested_at", "-id"]
        verbose_name = "requested reconciliation"
        permissions = [("request_reconciliation", "Can start and cancel reconciliations")]
        constraints = [
            models.UniqueConstraint(Value(1, output_field=models.SmallIntegerField()), name=ONE_OPEN, condition=Q(status__in=OPEN)),
            models.CheckConstraint(condition=Q(status__in=values(RequestStatus)), name="requested_reconciliation_status_known"),
            models.CheckConstraint(condition=Q(kind__in=ReconciliationRun.Kind.values), name="requested_reconciliation_kind_known"),
            models.CheckConstraint(
                condition=Q(status=RequestStatus.DONE.value, run__isnull=False) | (~Q(status=RequestStatus.DONE.value) & Q(run=None)),
                name="requested_reconciliation_done_has_run",
            ),
            models.CheckConstraint(
                condition=Q(kind="narrow") & (Q(since__isnull=False) | Q(account__isnull=False))
                | (~Q(kind="narrow") & Q(since=None, account=None)),
                name="requested_reconciliation_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} reconciliation"


class WorkerSign(models.Model):
    """When a worker (``manage.py run_periodic``) last said that it is there. There is one row."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="worker_sign_single")]

    def __str__(self) -> str:
        return f"seen {self.seen_at}"
