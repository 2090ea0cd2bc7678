"""What a proof finds, and the work that finds it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger_project.database.snapshots import Raw, Snapshot
from transfers.reconciliation.checks import Check, Wrong
from transfers.reconciliation.scopes import Scope


class Progress(Protocol):
    """Is told how far a proof is, by all threads that do it."""

    def planned(self, checks: Sequence[str]) -> None:
        """Works are about to be done: the check of each."""

    def begun(self, check: str, title: str) -> None:
        """A check begins; ``title`` says what it proves."""

    def done(self, check: str) -> None:
        """A work of a check is done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold: the check that found it, the row, and what is wrong with it."""

    check: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Work:
    """A part of a check that one connection does by itself."""

    check: str
    title: str
    find: Callable[[Raw], list[Finding]]


def found(check: str, wrong: Wrong) -> list[Finding]:
    """Return wrong rows as findings of a check."""
    return [Finding(check, subject, detail) for subject, detail in wrong]


_PLANS = "SELECT " + ", ".join(f"set_config('enable_{plan}', %(value)s, true)" for plan in ("seqscan", "hashjoin", "mergejoin"))


@contextlib.contextmanager
def by_look_ups(raw: Raw) -> Iterator[None]:
    """Have statements about some rows go from row to row by indexes, whatever the planner expects.

    It takes a thousand rows for many: then it reads the whole journal for them.
    """
    raw.execute(_PLANS, {"value": "off"})
    yield
    raw.execute(_PLANS, {"value": "on"})


def judged(raw: Raw, check: Check, scope: Scope, limit: int) -> list[Finding]:
    """Return what a check finds in a scope."""
    return found(check.name, check.wrong(raw, scope, limit))


def work_of(check: Check, scope: Scope, limit: int) -> Work:
    """Return the work of a check on a scope."""
    return Work(check.name, check.title, lambda raw: judged(raw, check, scope, limit))


def do_all(snapshot: Snapshot, works: Sequence[Work], progress: Progress | None) -> list[Finding]:
    """Do the works, as many at once as the snapshot has connections; return what they found."""
    begun: set[str] = set()
    telling = threading.Lock()
    if progress is not None:
        progress.planned([work.check for work in works])

    def task(work: Work) -> Callable[[Raw], list[Finding]]:
        def run(raw: Raw) -> list[Finding]:
            with telling:
                if progress is not None and work.check not in begun:
                    progress.begun(work.check, work.title)
                begun.add(work.check)
            findings = work.find(raw)
            if progress is not None:
                progress.done(work.check)
            return findings

        return run

    return [finding for findings in snapshot.run([task(work) for work in works]) for finding in findings]


def in_order(findings: Iterable[Finding], checks: Sequence[str], limit: int) -> tuple[Finding, ...]:
    """Return each finding once, in the order of the checks, at most ``limit`` of each.

    Parts of a check may find the same row.
    """
    by_check: dict[str, dict[Finding, None]] = {name: {} for name in checks}
    for finding in findings:
        by_check[finding.check][finding] = None
    return tuple(finding for name in checks for finding in list(by_check[name])[:limit])
