"""Proving the ledger: everything that must hold, over every row, in one snapshot, without standing in anybody's way.

It reads in a REPEATABLE READ, READ ONLY transaction: it sees the ledger at one moment, takes no lock that a posting waits for, and needs
the memory of one page, whatever the size of the ledger.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg
from django.db import connection, transaction

from ledger_project.database.clock import database_now
from transfers.models import ReconciliationRun
from transfers.reconciliation.anchors import broken_anchors, write_anchor
from transfers.reconciliation.checks import CHECKS, Scope, count_entries

__all__ = ["EXTRA_CHECKS", "Finding", "Proof", "Reconciliation", "Scope", "prove", "reconcile"]

FINDINGS_PER_CHECK = 200
"""More of one kind are counted by nobody: the first ones say where to look."""

EXTRA_CHECKS: list[tuple[str, Callable[[], Sequence[object]]]] = []
"""What others keep that follows from the journal (rollups, say): a name, and a function that returns the differences it finds.

Called in the snapshot, on Django's connection of this thread, when the whole ledger is proved.
"""

Progress = Callable[[str, str], None]
"""Told before each check: its name, and in words what it proves."""

_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SETTINGS = (
    # Hash tables up to this size stay in memory; larger ones go to disk in batches.
    "SET LOCAL work_mem = '24MB'",
    "SET LOCAL statement_timeout = 0",
    # The checks are long sequential passes: compiling them costs more than it saves below many millions of rows.
    "SET LOCAL jit = off",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: which check says so, of which row, and what about it."""

    check: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was looked at and what was found."""

    findings: tuple[Finding, ...]
    entries_checked: int

    @property
    def clean(self) -> bool:
        """Whether everything holds."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How to reconcile. ``anchor`` is verified if it exists, and written, if all is clean, where it does not or is to ``advance``."""

    scope: Scope = field(default_factory=Scope)
    anchor: Path | None = None
    advance: bool = False
    limit: int = FINDINGS_PER_CHECK


def prove(
    raw: psycopg.Connection[Any],
    scope: Scope,
    *,
    anchor: Path | None = None,
    limit: int = FINDINGS_PER_CHECK,
    progress: Progress | None = None,
) -> Proof:
    """Check everything in the transaction that is open on ``raw``. Raises ``AnchorUnreadable``."""
    tell = progress or (lambda _name, _title: None)
    findings: list[Finding] = []
    tell("count", "entries in scope")
    entries = count_entries(raw, scope)
    for check in CHECKS:
        if check.whole_only and scope != Scope():
            continue
        tell(check.name, check.title)
        findings += [Finding(check.name, subject, detail) for subject, detail in check.wrong(raw, scope, limit)]
    if anchor is not None:
        tell("anchor", "history is what was anchored")
        findings += [Finding("anchor", subject, detail) for subject, detail in itertools.islice(broken_anchors(raw, anchor), limit)]
    return Proof(tuple(findings), entries)


def reconcile(request: Reconciliation, *, progress: Progress | None = None) -> ReconciliationRun:
    """Prove the ledger at one moment, store the verdict and return it. Raises ``AnchorUnreadable``."""
    started_at = database_now()
    known = request.anchor if request.anchor is not None and request.anchor.exists() else None
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        for statement in (_SNAPSHOT, *_SETTINGS):
            cursor.execute(statement)
        raw = cast("psycopg.Connection[Any]", connection.connection)
        proof = prove(raw, request.scope, anchor=known, limit=request.limit, progress=progress)
        extra = _extra_findings(request, progress) if request.scope == Scope() else []
        findings = [*proof.findings, *extra]
        if request.anchor is not None and not findings and (known is None or request.advance):
            write_anchor(raw, request.anchor, started_at)
    verdict = ReconciliationRun.Verdict.DAMAGED if findings else ReconciliationRun.Verdict.CLEAN
    return ReconciliationRun.objects.create(
        started_at=started_at,
        finished_at=database_now(),
        verdict=verdict,
        findings=[asdict(finding) for finding in findings],
        entries_checked=proof.entries_checked,
        scope=str(request.scope),
    )


def _extra_findings(request: Reconciliation, progress: Progress | None) -> list[Finding]:
    findings = []
    for name, differences in EXTRA_CHECKS:
        if progress is not None:
            progress(name, name)
        findings += [Finding(name, name, str(difference)) for difference in itertools.islice(differences(), request.limit)]
    return findings
