"""How far a requested reconciliation is, in words and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse

from ledger_project.database.clock import database_now
from transfers.models import RequestedReconciliation
from transfers.models.requested_reconciliations import OPEN, RequestStatus
from transfers.services.requested_reconciliations import absence_of_worker

_LEAST_PARTS = 3
"""Parts that must be proved before their time says anything about that of the others."""


@dataclass(frozen=True, slots=True)
class ProgressWords:
    """What the page says: ``told`` in one sentence, ``facts`` as names and values.

    ``percent`` is None where no number of parts is known.
    """

    told: str
    facts: Sequence[tuple[str, str]]
    percent: int | None
    is_open: bool
    url: str
    warning: str = ""
    run_url: str = ""
    run_words: str = ""


def progress_words(requested: RequestedReconciliation) -> ProgressWords:
    """Return how far it is now. ``requested`` has its run selected."""
    is_open = requested.status in OPEN
    run = requested.run
    is_waiting = requested.status == RequestStatus.WAITING
    absence = absence_of_worker() if is_waiting else ""
    return ProgressWords(
        told=_told(requested),
        facts=_facts(requested, database_now()),
        percent=100 * requested.parts_done // requested.parts if is_open and requested.parts else None,
        is_open=is_open,
        url=reverse("admin:reconciliation_progress", args=[requested.id]),
        warning=f"{absence} It begins when manage.py run_periodic is started; manage.py reconcile --requested does it now."
        if absence
        else "",
        run_url=reverse("admin:transfers_reconciliationrun_change", args=[run.id]) if run else "",
        run_words="" if run is None else f"The verdict: {run.verdict}, {len(run.findings)} findings",
    )


def _told(requested: RequestedReconciliation) -> str:
    match RequestStatus(requested.status):
        case RequestStatus.WAITING:
            return "It waits for a worker."
        case RequestStatus.RUNNING:
            return f"It runs: {requested.stage}." if requested.stage else "It runs."
        case RequestStatus.DONE:
            return f"It is done: {requested.run.verdict}." if requested.run else "It is done."
        case RequestStatus.CANCELLED:
            return "It was cancelled."
        case RequestStatus.FAILED:
            return f"It has failed: {requested.failure}"


def _facts(requested: RequestedReconciliation, now: datetime) -> list[tuple[str, str]]:
    facts = [("Status", requested.status)]
    if requested.status == RequestStatus.FAILED:
        facts.append(("Why", requested.failure))
    if requested.started_at is None:
        return facts
    facts.append(("Started (UTC)", f"{requested.started_at:%Y-%m-%d %H:%M:%S}"))
    if requested.attempt > 1:
        facts.append(("Attempt", f"{requested.attempt}: the process before ended without a verdict"))
    if requested.finished_at is not None:
        facts.append(("Ended (UTC)", f"{requested.finished_at:%Y-%m-%d %H:%M:%S}"))
        facts.append(("Took", _span(requested.finished_at - requested.started_at)))
    if requested.status == RequestStatus.DONE:
        return [*facts, ("Entries read", f"{requested.entries_checked:,}")]
    facts.append(("Proving", requested.stage or "—"))
    facts.append(("Parts", f"{requested.parts_done:,} of {requested.parts:,}" if requested.parts else "not known yet"))
    if requested.entries_checked:
        facts.append(("Entries", f"about {requested.entries_checked:,} of {requested.entries:,}"))
    if requested.status == RequestStatus.RUNNING:
        facts.append(("Ends (UTC)", _end(requested, requested.started_at, now)))
    return facts


def _end(requested: RequestedReconciliation, started_at: datetime, now: datetime) -> str:
    """Return when it ends if the parts that are left take as long as those that are proved."""
    if requested.parts_done < _LEAST_PARTS:
        return "not known yet"
    left = (now - started_at) / requested.parts_done * (requested.parts - requested.parts_done)
    return f"about {now + left:%H:%M:%S}, in {_span(left)}"


def _span(span: timedelta) -> str:
    seconds = max(0, round(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min {seconds % 60} s" if seconds < 3600 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
