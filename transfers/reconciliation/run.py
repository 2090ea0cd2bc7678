"""A run of the proof: all that must hold, over every row, in one snapshot, beside the postings.

It reads in REPEATABLE READ, READ ONLY transactions that share one snapshot. So it sees the ledger
at one moment and takes no lock that a posting waits for. It needs the memory of one page for each
connection, whatever the size of the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.db import connection, transaction

from ledger_project.database.clock import database_now
from ledger_project.database.snapshots import Raw, Snapshot, shared_snapshot
from transfers.models import ReconciliationRun
from transfers.reconciliation.anchors import Anchor, broken_anchors, read_anchor, write_anchor
from transfers.reconciliation.checks import CHECKS, count_entries
from transfers.reconciliation.findings import Finding, Progress, Work, do_all, found, in_order, work_of
from transfers.reconciliation.heads import HEADS, all_broken_heads, digest_of, keep_heads, kept_heads
from transfers.reconciliation.increments import UNSEEN, Increment
from transfers.reconciliation.scopes import EVERYTHING, ProofScope
from transfers.reconciliation.whole import whole_works

FINDINGS_PER_CHECK = 200
"""Findings that one check names at most: the first ones say where to look."""

FIGURES = "rollups"
"""The name of the check of the daily figures, as stored verdicts have it."""

_ANCHOR = "anchor"
_NAMES = (*(check.name for check in CHECKS), HEADS, _ANCHOR, FIGURES)

FigureDifferences = Callable[[Raw], Sequence[object]]
"""Finds what is wrong with the daily figures, which are above the proof."""

OnStored = Callable[[ReconciliationRun], None]

_SETTINGS = (
    # Hash tables and sorts up to this size stay in memory; larger ones go to disk in batches.
    "SET LOCAL work_mem = '32MB'",
    # Compiling these long sequential passes saves less than it costs, below many millions of rows.
    "SET LOCAL jit = off",
)
_ALONE = "SET LOCAL max_parallel_workers_per_gather = 0"
"""Where the connections share the work, PostgreSQL does not divide it once more."""

_KEPT_RUN = """
SELECT id, started_at, heads_sha256 FROM transfers_reconciliationrun
WHERE heads_sha256 IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class ReconciliationRequest:
    """What to prove, and against which anchor.

    An ``incremental`` run goes on from the anchor, or without one from the heads that the newest
    clean verdict kept; if there are none, all is proved. ``renew_heads`` does not compare with
    them. The file ``anchor`` is verified if it exists. If all is clean, it is written where it does
    not exist or where ``advance`` says so. ``limit`` is how many findings each check names at most,
    ``jobs`` how many connections share the work, and ``parts`` into how many parts each connection
    cuts its share of a pass over all: the progress is told after each.
    """

    scope: ProofScope = field(default_factory=ProofScope)
    incremental: bool = False
    renew_heads: bool = False
    anchor: Path | None = None
    advance: bool = False
    sign_by: Ed25519PrivateKey | None = None
    verify_by: Ed25519PublicKey | None = None
    limit: int = FINDINGS_PER_CHECK
    jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Proof:
    """The findings, how many entries were read for them, and what was proved.

    ``base_id`` is the run whose heads an incremental proof went on from; None if an anchor's.
    """

    findings: tuple[Finding, ...]
    entries_checked: int
    kind: ReconciliationRun.Kind
    scope: str
    base_id: UUID | None = None

    @property
    def clean(self) -> bool:
        """Whether everything holds."""
        return not self.findings


class _KeptRun(NamedTuple):
    """The verdict whose heads are kept."""

    id: UUID
    started_at: datetime
    heads_sha256: bytes


@dataclass(frozen=True, slots=True)
class LastReconciliation:
    """The newest reconciliation of its kind that came to an end.

    ``unseen`` says what it does not see; it is empty for one that sees all.
    """

    verdict: str
    finished_at: datetime
    entries_checked: int
    findings: int
    scope: str
    unseen: str


def prove(
    snapshot: Snapshot,
    request: ReconciliationRequest,
    *,
    anchor: Anchor | None = None,
    figure_differences: FigureDifferences | None = None,
    progress: Progress | None = None,
) -> Proof:
    """Check all that the request asks for, as of the snapshot."""
    works = []
    if anchor is not None:
        works.append(Work(_ANCHOR, "history is what was anchored", lambda raw: found(_ANCHOR, broken_anchors(raw, anchor))))
    if request.scope != ProofScope():
        return _prove_rows(snapshot, request, works, progress)
    kept = _kept_run(snapshot.first)
    base = anchor or kept
    if request.incremental and base is not None:
        return _prove_new(snapshot, request, base, works, progress)
    if kept is not None and not request.renew_heads:
        works.append(Work(HEADS, "accounts are what they were when their heads were kept", partial(_broken_kept, kept=kept)))
    if figure_differences is not None:
        works.append(Work(FIGURES, "daily figures are what the entries add up to", partial(_wrong_figures, differences=figure_differences)))
    # First what cannot be divided: at the end it would keep one connection, and the others idle.
    findings = do_all(snapshot, [*works, *whole_works(snapshot, request.limit, request.parts)], progress)
    entries = count_entries(snapshot.first, EVERYTHING)
    return Proof(in_order(findings, _NAMES, request.limit), entries, ReconciliationRun.Kind.WHOLE, str(request.scope))


def _prove_rows(snapshot: Snapshot, request: ReconciliationRequest, works: list[Work], progress: Progress | None) -> Proof:
    """Prove a narrow scope."""
    scope = request.scope.rows()
    checks = [work_of(check, scope, request.limit) for check in CHECKS if not check.whole_only]
    findings = do_all(snapshot, [*checks, *works], progress)
    entries = count_entries(snapshot.first, scope)
    return Proof(in_order(findings, _NAMES, request.limit), entries, ReconciliationRun.Kind.NARROW, str(request.scope))


def _prove_new(
    snapshot: Snapshot, request: ReconciliationRequest, base: Anchor | _KeptRun, works: list[Work], progress: Progress | None
) -> Proof:
    """Prove what is new since an anchor, or since the kept heads."""
    increment = Increment(snapshot, request.limit, progress)
    if isinstance(base, Anchor):
        findings = do_all(snapshot, works, progress) + increment.prove(lambda _: base.heads(), base.written_at)
        base_id, scope = None, f"new since the anchor of {base.written_at.isoformat()}"
    else:
        works.append(Work(HEADS, "kept heads are those of their verdict", partial(_changed_kept, kept=base)))
        findings = do_all(snapshot, works, progress) + increment.prove(kept_heads, base.started_at)
        base_id, scope = base.id, f"new since {base.started_at.isoformat()}"
    named = in_order(findings, _NAMES, request.limit)
    return Proof(named, increment.entries_checked, ReconciliationRun.Kind.INCREMENTAL, scope, base_id)


def _kept_run(raw: Raw) -> _KeptRun | None:
    row = raw.execute(_KEPT_RUN).fetchone()
    return None if row is None else _KeptRun(*row)


def _changed_kept(raw: Raw, *, kept: _KeptRun) -> list[Finding]:
    if digest_of(kept_heads(raw)) == kept.heads_sha256:
        return []
    return [Finding(HEADS, "kept heads", f"they are not those of verdict {kept.id}: its SHA-256 does not fit")]


def _broken_kept(raw: Raw, *, kept: _KeptRun) -> list[Finding]:
    return _changed_kept(raw, kept=kept) + found(HEADS, all_broken_heads(raw, kept_heads(raw)))


def _wrong_figures(raw: Raw, *, differences: FigureDifferences) -> list[Finding]:
    return [Finding(FIGURES, FIGURES, str(difference)) for difference in differences(raw)]


def reconcile(
    request: ReconciliationRequest,
    *,
    figure_differences: FigureDifferences,
    progress: Progress | None = None,
    on_stored: OnStored = lambda _: None,
) -> ReconciliationRun:
    """Prove the ledger at one moment, store the verdict and return it.

    A clean verdict of all, or of what is new, keeps the heads of its moment. Nothing is stored if
    the ledger could not be read, or if ``on_stored``, which is called in the transaction of the
    verdict, raises. Raises ``AnchorUnreadable``, and psycopg's errors.
    """
    started_at = database_now()
    known = read_anchor(request.anchor, request.verify_by) if request.anchor is not None and _must_be_read(request) else None
    alone = (_ALONE,) if request.jobs > 1 else ()
    with shared_snapshot(request.jobs, *_SETTINGS, *alone) as snapshot:
        proof = prove(snapshot, request, anchor=known, figure_differences=figure_differences, progress=progress)
        if request.anchor is not None and proof.clean and (known is None or request.advance):
            write_anchor(snapshot.first, request.anchor, started_at, request.sign_by)
        return _store(proof, started_at, snapshot, on_stored)


def _must_be_read(request: ReconciliationRequest) -> bool:
    """Whether the anchor is read: one that is to be verified by a key cannot be missing."""
    return request.anchor is not None and (request.verify_by is not None or request.anchor.exists())


def _store(proof: Proof, started_at: datetime, snapshot: Snapshot, on_stored: OnStored) -> ReconciliationRun:
    with transaction.atomic(durable=True):
        heads_sha256 = None
        if proof.clean and proof.kind != ReconciliationRun.Kind.NARROW:
            connection.ensure_connection()
            heads_sha256 = keep_heads(cast("Raw", connection.connection), snapshot.first)
        run = ReconciliationRun.objects.create(
            started_at=started_at,
            finished_at=database_now(),
            kind=proof.kind,
            verdict=ReconciliationRun.Verdict.CLEAN if proof.clean else ReconciliationRun.Verdict.DAMAGED,
            findings=[asdict(finding) for finding in proof.findings],
            entries_checked=proof.entries_checked,
            scope=proof.scope,
            unseen=UNSEEN if proof.kind == ReconciliationRun.Kind.INCREMENTAL else "",
            base_id=proof.base_id,
            heads_sha256=heads_sha256,
        )
        on_stored(run)
    return run


def last_reconciliation(*kinds: ReconciliationRun.Kind) -> LastReconciliation | None:
    """Return the newest reconciliation of these kinds, by default of any; None if there is none."""
    runs = ReconciliationRun.objects.order_by("-finished_at")
    run = (runs.filter(kind__in=kinds) if kinds else runs).first()
    if run is None:
        return None
    return LastReconciliation(run.verdict, run.finished_at, run.entries_checked, len(run.findings), run.scope, run.unseen)
