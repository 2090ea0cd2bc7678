"""A requested reconciliation is carried out by this process, with its progress and its lease."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence

import psycopg
from django.db import Error as DatabaseError
from django.db import connection

from ledger_project.database.fields import new_id
from transfers.models import ReconciliationRun
from transfers.reconciliation.checks import ENTRY_CHECK
from transfers.reconciliation.run import FigureDifferences, ReconciliationRequest, reconcile
from transfers.reconciliation.scopes import ProofScope
from transfers.services.requested_reconciliations import LEASE_S, Kind, LeaseLost, Reached, Taken, fail, finish, give_back, keep, take

KEEP_EVERY_S = 2.0
"""Seconds between renewals of the lease, each with the progress."""

PARTS = 8
"""Parts of each pass for each connection: how often a request says how far it is."""


class Tracker:
    """The progress of a proof, told by the threads that do it and read by the one that keeps."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._lock = threading.Lock()
        self._stage = ""
        self._parts = self._done = self._chains = self._chains_done = 0

    def planned(self, checks: Sequence[str]) -> None:
        """Further works are to be done, each named by its check."""
        with self._lock:
            self._parts += len(checks)
            self._chains += checks.count(ENTRY_CHECK.name)

    def begun(self, check: str, title: str) -> None:
        """A check has begun."""
        del check
        with self._lock:
            self._stage = title

    def done(self, check: str) -> None:
        """A work is done."""
        with self._lock:
            self._done += 1
            self._chains_done += check == ENTRY_CHECK.name

    def reached(self) -> Reached:
        """Return how far it is. The chains of entries are cut into parts of about one size."""
        with self._lock:
            checked = self._entries * self._chains_done // self._chains if self._chains else 0
            return Reached(self._stage, self._done, self._parts, checked)


class _Keeper:
    """A thread that renews the lease, and interrupts the proof when it is lost or cancelled."""

    def __init__(self, taken: Taken, tracker: Tracker) -> None:
        self._taken = taken
        self._tracker = tracker
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self.is_lost = False

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """From now on nothing is interrupted: the verdict is being stored, or the proof is over."""
        self._over.set()

    def join(self) -> None:
        self.end()
        self._thread.join()

    def _run(self) -> None:
        held_at = time.monotonic()
        try:
            while not self._over.wait(KEEP_EVERY_S):
                try:
                    is_held = keep(self._taken, self._tracker.reached())
                except DatabaseError:  # the lease outlives a short outage
                    connection.close()
                    is_held = time.monotonic() - held_at < LEASE_S
                else:
                    held_at = time.monotonic()
                if not is_held and not self._over.is_set():
                    self.is_lost = True
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                    return
        finally:
            connection.close()


@contextlib.contextmanager
def _kept(taken: Taken, tracker: Tracker) -> Iterator[_Keeper]:
    keeper = _Keeper(taken, tracker)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.join()


def carry_out(*, jobs: int, figure_differences: FigureDifferences) -> ReconciliationRun | None:
    """Prove the reconciliation that is asked for, and return its verdict; None if none waits.

    It runs on the main thread, which SIGINT interrupts. Raises ``KeyboardInterrupt`` when it is
    interrupted: then another process can take the request at once. Raises ``LeaseLost`` when it was
    cancelled or another process has it. After an error of the database the lease runs out, and the
    request is taken once more; after any other error it has failed.
    """
    taken = take(new_id())
    if taken is None:
        return None
    tracker = Tracker(taken.entries)
    with _kept(taken, tracker) as keeper:

        def stored(run: ReconciliationRun) -> None:
            keeper.end()
            finish(taken, run)

        try:
            return reconcile(_request(taken, jobs), figure_differences=figure_differences, progress=tracker, on_stored=stored)
        except KeyboardInterrupt:
            keeper.end()
            connection.close()
            if keeper.is_lost:
                raise LeaseLost from None
            give_back(taken)
            raise
        except (DatabaseError, psycopg.Error, LeaseLost):
            raise
        except Exception as error:
            fail(taken, f"{type(error).__name__}: {error}"[:1000])
            raise


def _request(taken: Taken, jobs: int) -> ReconciliationRequest:
    wanted = taken.wanted
    scope = ProofScope(wanted.since, wanted.account_id)
    return ReconciliationRequest(scope=scope, incremental=wanted.kind is Kind.INCREMENTAL, jobs=jobs, parts=PARTS)
