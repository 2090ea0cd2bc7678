"""A run of the proof: all that must hold, over every row, in one snapshot, beside the postings.

It reads in a REPEATABLE READ, READ ONLY transaction. So it sees the ledger at one moment and takes
no lock that a posting waits for. It needs the memory of one page, whatever the size of the ledger.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import psycopg
from django.db import connection, transaction

from ledger_project.database.clock import database_now
from transfers.models import ReconciliationRun
from transfers.reconciliation.anchors import broken_anchors, write_anchor
from transfers.reconciliation.checks import CHECKS, ProofScope, count_entries

FINDINGS_PER_CHECK = 200
"""Findings that one check names at most: the first ones say where to look."""

Progress = Callable[[str, str], None]
"""Called before each check with its name, and with words for what it proves."""

_FIGURES = "rollups"
"""The name of the check of the daily figures, as stored verdicts have it."""

_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SETTINGS = (
    # Hash tables up to this size stay in memory; larger ones go to disk in batches.
    "SET LOCAL work_mem = '24MB'",
    "SET LOCAL statement_timeout = 0",
    # Compiling these long sequential passes saves less than it costs, below many millions of rows.
    "SET LOCAL jit = off",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: the check that found it, the row, and what is wrong with it."""

    check: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The findings, and how many entries were read for them."""

    findings: tuple[Finding, ...]
    entries_checked: int

    @property
    def clean(self) -> bool:
        """Whether everything holds."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class ReconciliationRequest:
    """What to prove, and against which anchor.

    The file ``anchor`` is verified if it exists. If all is clean, it is written where it does not
    exist or where ``advance`` says so. ``limit`` is how many findings each check names at most.
    """

    scope: ProofScope = field(default_factory=ProofScope)
    anchor: Path | None = None
    advance: bool = False
    limit: int = FINDINGS_PER_CHECK


@dataclass(frozen=True, slots=True)
class LastReconciliation:
    """The newest reconciliation that came to an end."""

    verdict: str
    finished_at: datetime
    entries_checked: int
    findings: int
    scope: str


def prove(
    raw: psycopg.Connection[Any],
    scope: ProofScope,
    *,
    anchor: Path | None = None,
    limit: int = FINDINGS_PER_CHECK,
    progress: Progress | None = None,
) -> Proof:
    """Check all in the transaction that is open on ``raw``. Raises ``AnchorUnreadable``."""
    tell = progress or (lambda _name, _title: None)
    findings: list[Finding] = []
    tell("count", "entries in scope")
    entries = count_entries(raw, scope)
    for check in CHECKS:
        if check.whole_only and scope != ProofScope():
            continue
        tell(check.name, check.title)
        findings += [Finding(check.name, subject, detail) for subject, detail in check.wrong(raw, scope, limit)]
    if anchor is not None:
        tell("anchor", "history is what was anchored")
        findings += [Finding("anchor", subject, detail) for subject, detail in itertools.islice(broken_anchors(raw, anchor), limit)]
    return Proof(tuple(findings), entries)


def reconcile(
    request: ReconciliationRequest, *, figure_differences: Callable[[], Sequence[object]], progress: Progress | None = None
) -> ReconciliationRun:
    """Prove the ledger at one moment, store the verdict and return it.

    Raises ``AnchorUnreadable``.

    ``figure_differences`` finds what is wrong with the daily figures, which are above the proof. It
    is called in the same snapshot, on Django's connection, when the whole ledger is proved.
    """
    started_at = database_now()
    known = request.anchor if request.anchor is not None and request.anchor.exists() else None
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        for statement in (_SNAPSHOT, *_SETTINGS):
            cursor.execute(statement)
        raw = cast("psycopg.Connection[Any]", connection.connection)
        proof = prove(raw, request.scope, anchor=known, limit=request.limit, progress=progress)
        findings = [*proof.findings]
        if request.scope == ProofScope():
            if progress is not None:
                progress(_FIGURES, "daily figures are what the entries add up to")
            findings += [Finding(_FIGURES, _FIGURES, str(found)) for found in itertools.islice(figure_differences(), request.limit)]
        if request.anchor is not None and not findings and (known is None or request.advance):
            write_anchor(raw, request.anchor, started_at)
    return ReconciliationRun.objects.create(
        started_at=started_at,
        finished_at=database_now(),
        verdict=ReconciliationRun.Verdict.DAMAGED if findings else ReconciliationRun.Verdict.CLEAN,
        findings=[asdict(finding) for finding in findings],
        entries_checked=proof.entries_checked,
        scope=str(request.scope),
    )


def last_reconciliation() -> LastReconciliation | None:
    """Return the newest reconciliation; None if there never was one."""
    run = ReconciliationRun.objects.order_by("-finished_at").first()
    if run is None:
        return None
    return LastReconciliation(run.verdict, run.finished_at, run.entries_checked, len(run.findings), run.scope)
