"""Reports of posting transactions, for the log, the metrics and the traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from django.conf import settings

from ledger_project.observability import metrics
from ledger_project.observability.log_lines import LineLogger
from transfers.posting.jobs import Result

log = LineLogger(__name__)
failures = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one posting transaction did.

    ``size`` counts jobs, ``posted`` and ``refused`` commands. ``waited_s`` is the longest wait in
    the queue, ``still_waiting`` the number of commands in the queue now. ``refusals`` are by code,
    ``failures`` by error.
    """

    size: int
    posted: int
    refusals: Mapping[str, int]
    failures: Mapping[str, int]
    replays: int
    duration_s: float
    waited_s: float
    still_waiting: int

    @property
    def refused(self) -> int:
        """Commands refused."""
        return sum(self.refusals.values())

    @property
    def failed(self) -> int:
        """Jobs that failed without a decision."""
        return sum(self.failures.values())


BatchObserver = Callable[[BatchReport], None]


def report_batch(outcomes: Sequence[Result | Exception], *, duration_s: float, waited_s: float, still_waiting: int) -> None:
    """Report a batch to all observers.

    An observer that fails is logged: the batch is posted, and posting goes on.
    """
    results = [result for outcome in outcomes if isinstance(outcome, Result) for result in outcome.each]
    decided = [result.outcome for result in results if result.outcome is not None]
    refusals = Counter(outcome.refusal.code for outcome in decided if outcome.refusal is not None)
    report = BatchReport(
        size=len(outcomes),
        posted=len(decided) - refusals.total(),
        refusals=refusals,
        failures=Counter(type(outcome).__name__ for outcome in outcomes if isinstance(outcome, Exception)),
        replays=sum(result.replayed for result in results),
        duration_s=duration_s,
        waited_s=waited_s,
        still_waiting=still_waiting,
    )
    for observer in observers:
        try:
            observer(report)
        except Exception:  # noqa: BLE001 - logged with its traceback; a report must not end posting
            failures.exception("posting.observer_failed", observer=getattr(observer, "__name__", repr(observer)))


def log_batch(report: BatchReport) -> None:
    """Write one log line."""
    log.info(
        "posting.batch",
        size=report.size,
        posted=report.posted,
        refused=report.refused,
        failed=report.failed,
        ms=round(report.duration_s * 1000, 2),
        waited_ms=round(report.waited_s * 1000, 2),
    )


def measure_batch(report: BatchReport) -> None:
    """Add to the metrics."""
    metrics.POSTING_SECONDS.observe(report.duration_s)
    metrics.POSTING_WAIT_SECONDS.observe(report.waited_s)
    metrics.BATCH_SIZE.observe(report.size)
    metrics.QUEUE_DEPTH.set(report.still_waiting)
    metrics.COMMANDS.labels("posted").inc(report.posted)
    metrics.COMMANDS.labels("refused").inc(report.refused)
    metrics.REPLAYS.inc(report.replays)
    for code, count in report.refusals.items():
        metrics.REFUSALS.labels(code).inc(count)
    for error, count in report.failures.items():
        metrics.FAILURES.labels(error).inc(count)


observers: list[BatchObserver] = [log_batch, measure_batch]
"""Functions that are called with the report of each batch."""

if settings.LEDGER_TRACING:
    from ledger_project.observability import tracing

    def trace_batch(report: BatchReport) -> None:
        """Record a span for each posting transaction."""
        figures = {"size": report.size, "posted": report.posted, "refused": report.refused, "failed": report.failed}
        attributes = {f"ledger.{name}": count for name, count in figures.items()}
        tracing.current().record("posting", duration_s=report.duration_s, attributes=attributes)

    observers.append(trace_batch)
