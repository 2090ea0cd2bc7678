"""Periodic work: expired holds, daily figures, invitations, sweeps of fees, purges of keys,
reconciliation.

``manage.py run_periodic`` does all of it. Each web process does the first three as well, unless
``LEDGER_PERIODIC`` leaves them to that command. All of them move the mark of the feed. Several
processes may do the same work at once, and each may be killed: every transaction leaves something
whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings

from ledger_project.database.clock import database_now
from ledger_project.database.connections import measure_pools
from ledger_project.database.readers import in_reader
from ledger_project.kernel.ids import first_uuid7_at
from people.services.mail import send_due_invitations
from transfers.domain.kinds import TransferKind
from transfers.figures.refresh import refresh_figures
from transfers.models import ReconciliationRun, Transfer
from transfers.services.fee_settlement import settle_fees
from transfers.services.hold_expiry import sweep_due_holds
from transfers.services.mark_ahead import take_mark_back
from transfers.services.mark_mover import keep_moving
from transfers.services.requested_reconciliations import give_sign, open_request, waits_for_process
from transfers.upkeep.purging import purge_expired_keys, purge_refusals

log = structlog.get_logger(__name__)

FIGURE_STEPS = 10
"""Steps of one turn at most: a long history must not keep a reader thread for minutes."""

PURGE_BATCH = 500
ASK_S = 60.0
"""How often a process asks whether daily work is due."""

WorkDone = Mapping[str, object]
"""What a turn did, for the log; empty if there was nothing to do."""

Stopping = Callable[[], bool]


class _Stopped(Exception):
    """The process is to end. What it has committed stays."""


def _unless(stopping: Stopping) -> Callable[[int], None]:
    """Return a function for after each committed batch.

    It stops the work when the process is to end.
    """

    def after_batch(_count: int) -> None:
        if stopping():
            raise _Stopped

    return after_batch


def _expire(stopping: Stopping) -> WorkDone:
    released = 0
    for sweep in sweep_due_holds():
        released += sweep.released
        if stopping():
            break
    return {"released": released} if released else {}


def _sum_up(_stopping: Stopping) -> WorkDone:
    take_mark_back()
    refresh_figures(steps=FIGURE_STEPS)
    return {}


def _purge(stopping: Stopping) -> WorkDone:
    purged = purge_expired_keys(batch=PURGE_BATCH, progress=_unless(stopping))
    refusals = purge_refusals(batch=PURGE_BATCH, progress=_unless(stopping))
    return {"purged": purged, "refusals": refusals} if purged or refusals else {}


@dataclass(frozen=True, slots=True)
class Work:
    """Work for every ``every_s`` seconds, a fifth more or less so that processes do not keep step.

    ``do`` says in words what it did, nothing if there was nothing to do.
    """

    name: str
    every_s: float
    do: Callable[[Stopping], WorkDone]


def _invite(stopping: Stopping) -> WorkDone:
    sent = send_due_invitations(stopping)
    return {"invited": sent} if sent else {}


SERVING: tuple[Work, ...] = (Work("holds", 2.0, _expire), Work("rollups", 2.0, _sum_up), Work("invitations", 2.0, _invite))
"""The work of web processes. Apps above this one add theirs when they are set up.

Expired holds give their money back within 5 s; readers of the figures refresh them too.
"""


def settling(every_s: float) -> Work:
    """Return the work of sweeping fees into the treasury.

    It is due when the last sweep that moved anything was ``every_s`` ago.
    """

    def settle(stopping: Stopping) -> WorkDone:
        since = first_uuid7_at(database_now() - timedelta(seconds=every_s))
        if Transfer.objects.filter(kind=TransferKind.FEE_SETTLEMENT.value, id__gte=since).exists():
            return {}
        settlement = settle_fees(progress=_unless(stopping))
        return {"settled": settlement.settled, "refused": len(settlement.refused)} if settlement.settled or settlement.refused else {}

    return Work("fees", min(every_s, ASK_S), settle)


def purging(every_s: float) -> Work:
    """Return the work of purging idempotency keys and refusals whose time is over."""
    return Work("keys", every_s, _purge)


_Kind = ReconciliationRun.Kind
_WHOLE, _NEW, _REQUESTED = (), ("--incremental",), ("--requested",)
"""Arguments of ``reconcile``: prove all, what is new since the last clean verdict, or what somebody
asked for.
"""

REQUESTED_S = 2.0
"""How often a worker asks whether a reconciliation is asked for."""


def _sign(_stopping: Stopping) -> WorkDone:
    give_sign()
    return {}


_SIGN = Work("sign", 10.0, _sign)
"""The console says whether a worker is there."""


@dataclass(frozen=True, slots=True)
class ReconciliationTimes:
    """Seconds between proofs of all, and between proofs of what is new. 0 is never."""

    whole_every_s: float
    new_every_s: float

    @property
    def ask_every_s(self) -> float:
        """How often a process asks whether one is due; 0 if none ever is."""
        wanted = [seconds for seconds in (self.whole_every_s, self.new_every_s) if seconds]
        return min([*wanted, ASK_S]) if wanted else 0.0


def _due_reconciliation(times: ReconciliationTimes) -> tuple[str, ...] | None:
    """Return the arguments of the reconciliation that is due; None if none is.

    A proof of all is also one of what is new. While a requested one is open, none is due.
    """
    if open_request() is not None:
        return None
    for every_s, kinds, arguments in (
        (times.whole_every_s, [_Kind.WHOLE], _WHOLE),
        (times.new_every_s, [_Kind.WHOLE, _Kind.INCREMENTAL], _NEW),
    ):
        since = database_now() - timedelta(seconds=every_s)
        if every_s and not ReconciliationRun.objects.filter(kind__in=kinds, started_at__gte=since).exists():
            return arguments
    return None


async def _reconcile(arguments: tuple[str, ...], stopping: asyncio.Event) -> None:
    """Prove the ledger in a process of its own, on half of the cores: postings need the others.

    That process can be ended at any moment: it only reads until it stores its verdict.
    """
    jobs = str(max(1, (os.cpu_count() or 1) // 2))
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "reconcile", "--json", "--jobs", jobs, *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    finished = asyncio.ensure_future(process.communicate())
    stopped = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({finished, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not finished.done():
        process.terminate()
        await finished
        return
    output, _ = await finished
    if process.returncode not in {0, 1}:
        log.warning("periodic.failed", work="reconciliation", code=process.returncode)
        return
    run = json.loads(output)
    if run is None:  # another worker has it
        return
    tell = log.info if run["verdict"] == ReconciliationRun.Verdict.CLEAN else log.error
    told = {"kind": run["kind"], "verdict": run["verdict"], "findings": len(run["findings"]), "entries": run["entries_checked"]}
    tell("periodic.done", work="reconciliation", **told)


# --- loops ----------------------------------------------------------------------------------------


async def _pause(seconds: float, stopping: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds * random.uniform(0.8, 1.2))


async def _again_and_again(work: Work, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            done = await in_reader(work.do, stopping.is_set)
            if done:
                log.info("periodic.done", work=work.name, **done)
        except _Stopped:
            return
        except Exception as error:  # noqa: BLE001 - said in the log; the next round tries again
            log.warning("periodic.failed", work=work.name, error=type(error).__name__, detail=str(error)[:200])
        await _pause(work.every_s, stopping)


async def _reconcile_again_and_again(times: ReconciliationTimes, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            arguments = await in_reader(_due_reconciliation, times)
            if arguments is not None:
                await _reconcile(arguments, stopping)
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("periodic.failed", work="reconciliation", error=type(error).__name__, detail=str(error)[:200])
        await _pause(times.ask_every_s, stopping)


async def _reconcile_on_request(stopping: asyncio.Event) -> None:
    """Carry out reconciliations that are asked for, one after the other."""
    while not stopping.is_set():
        try:
            if await in_reader(waits_for_process):
                await _reconcile(_REQUESTED, stopping)
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("periodic.failed", work="requested reconciliation", error=type(error).__name__, detail=str(error)[:200])
        await _pause(REQUESTED_S, stopping)


async def run(works: tuple[Work, ...], *, reconciliation: ReconciliationTimes, stopping: asyncio.Event) -> None:
    """Move the mark of the feed and do all works until ``stopping`` is set, then end each at its
    next commit.
    """
    loops = [keep_moving(stopping), _reconcile_on_request(stopping), *(_again_and_again(work, stopping) for work in (*works, _SIGN))]
    if reconciliation.ask_every_s:
        loops.append(_reconcile_again_and_again(reconciliation, stopping))
    await asyncio.gather(*loops)


# --- beside requests ------------------------------------------------------------------------------

_tasks: set[asyncio.Task[None]] = set()


async def _measure_forever() -> None:
    while True:
        try:
            measure_pools()
        except Exception as error:  # noqa: BLE001 - said in the log; the next round tries again
            log.warning("periodic.failed", work="pools", error=type(error).__name__, detail=str(error)[:200])
        await asyncio.sleep(2.0)


async def start() -> None:
    """Start the work of a web process in the running event loop."""
    _tasks.add(asyncio.create_task(_measure_forever(), name="pools"))
    _tasks.add(asyncio.create_task(keep_moving(asyncio.Event()), name="mark"))
    if settings.LEDGER_PERIODIC == "web":
        stopping = asyncio.Event()
        _tasks.update(asyncio.create_task(_again_and_again(work, stopping), name=work.name) for work in SERVING)


async def stop() -> None:
    """Stop it."""
    while _tasks:
        task = _tasks.pop()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
