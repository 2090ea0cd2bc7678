"""One transaction for a list of jobs: claim, lock, read, plan, write, commit.

Four round trips for a batch of any size: BEGIN with the claims and fee schedules, the locks with the facts, the writes, COMMIT.
The order in which things are waited for is the same for everybody: keys in sorted order, new merchants' names in sorted order, accounts
in id order, new accounts in sorted order. Two batches may wait for each other in a line, never in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from uuid_utils import uuid7

from ledger_project.kernel.errors import AccountAheadOfClock, IdempotencyInProgress, IdempotencyKeyReused, LedgerError
from ledger_project.kernel.metadata import stored_json
from ledger_project.kernel.refusals import Refusal
from ledger_project.observability import metrics
from transfers.domain import commands as c
from transfers.domain.outcome import Outcome, Posted, Refused
from transfers.domain.plan import Group, plan
from transfers.posting import sql
from transfers.posting.account_ids import remember_accounts
from transfers.posting.arrays import hexes, plain, quoted, words
from transfers.posting.backdating import check_moments
from transfers.posting.clock import report_account_ahead
from transfers.posting.jobs import Answer, Item, Job, Key, Result
from transfers.posting.pipeline import Reply, Session
from transfers.posting.reads import WAIT, Facts, Locking, StoredAnswer, find_schedules, read_facts, read_schedules
from transfers.posting.refusal_counts import count_refusals
from transfers.posting.writes import Completion, write_answers, write_plan


class Contention(Exception):
    """Somebody else was faster in a way that only a new look at the database can answer; the transaction is to be tried again."""


@dataclass(slots=True)
class JobResults:
    """A job's answer as a whole, and what became of each of its items (only the failing one in an atomic batch that failed)."""

    result: Result
    items: list[Result] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Claims:
    """Which keys are ours to answer, and the ids of their records."""

    records: dict[tuple[str, str], str]
    taken: list[tuple[str, str]]

    def ours(self, key: Key | None) -> bool:
        """Whether a command is to be decided now: it has no key, or nobody claimed its key before."""
        return key is None or (key.owner, key.key) in self.records

    def record_id(self, key: Key) -> str:
        """The record of a key that is ours."""
        return self.records[key.owner, key.key]


def post(jobs: Sequence[Job], *, lock_wait_s: float, locking: Locking = WAIT) -> list[JobResults]:
    """Post all jobs in one transaction and return their results in order, once it is committed.

    A statement waits ``lock_wait_s`` at most for a lock that somebody else holds; ``locking`` says which accounts are waited for at all.
    Raises ``Busy`` with those that are taken.

    The same key must not be in two of the jobs (the engine sees to that); within one batch it may. Raises database errors as they
    come, after rolling back: nothing of any job has happened then.
    """
    with transaction.atomic():
        results, accounts = _Posting(Session(), jobs).run(lock_wait_s=lock_wait_s, locking=locking)
    remember_accounts(accounts)
    return results


class _Posting:
    """The state of one such transaction."""

    def __init__(self, session: Session, jobs: Sequence[Job]) -> None:
        self.session = session
        self.jobs = jobs
        self.commands = [item.command for job in jobs for item in job.items]
        self.completions: list[Completion] = []
        self.released: list[str] = []

    def run(self, *, lock_wait_s: float, locking: Locking) -> tuple[list[JobResults], dict[c.AccountKey, UUID]]:
        """Do it all but the commit."""
        with metrics.KEYS_WAIT.time(), self.session.round_trip():
            self.session.send(sql.BEGIN_POSTING, [f"{max(1, round(lock_wait_s * 1000))}ms", *_limits()])
            candidates, claimed = self._claim()
            registered = self._register(candidates)
            candidate_schedules = find_schedules(self.session, self.commands)
        schedules = read_schedules(candidate_schedules)
        won = {cast("str", row[0]) for row in claimed.fetchall()} if claimed else set()
        self.claims = _Claims(
            records={key: record_id for key, record_id in candidates.items() if record_id in won},
            taken=[key for key, record_id in candidates.items() if record_id not in won],
        )
        names = dict(cast("list[tuple[UUID, datetime | None]]", registered.fetchall())) if registered else {}
        self.facts: Facts = read_facts(
            self.session, self.commands, schedules=schedules, registered=names, taken_keys=self.claims.taken, locking=locking
        )
        moments = [moment for job in self.jobs for moment in job.moments]
        if moments:
            check_moments(self.session, moments, now=self.facts.book.now)
        fresh = [self._fresh_items(job) for job in self.jobs]
        groups = [
            Group([item.command for item in items], job.envelope is not None and job.envelope.atomic, job.moments)
            for job, items in zip(self.jobs, fresh, strict=True)
        ]
        planned = plan(groups, self.facts.book)
        with self.session.round_trip():
            write_plan(self.session, planned, now=self.facts.book.now, known_holds=self.facts.book.holds)
            results = [
                self._job_results(job, items, list(decided)) for job, items, decided in zip(self.jobs, fresh, planned.outcomes, strict=True)
            ]
            write_answers(self.session, self.completions, self.released, count_refusals(self.jobs, fresh, planned.outcomes))
        accounts = dict(self.facts.account_ids) | {account.key: account.id for account in planned.opened}
        return results, accounts

    # --- keys ---------------------------------------------------------------------------------------------------------------

    def _claim(self) -> tuple[dict[tuple[str, str], str], Reply | None]:
        first: dict[tuple[str, str], Key] = {}
        for job in self.jobs:
            for key in job.all_keys():
                first.setdefault((key.owner, key.key), key)
        candidates = {key: str(uuid7()) for key in sorted(first)}
        if not candidates:
            return candidates, None
        parameters = [
            settings.LEDGER_IDEMPOTENCY_RETENTION,
            words(candidates.values()),
            quoted(owner for owner, _ in candidates),
            quoted(key for _, key in candidates),
            hexes(first[key].fingerprint for key in candidates),
        ]
        return candidates, self.session.send(sql.CLAIM_KEYS, parameters)

    def _register(self, candidates: Mapping[tuple[str, str], str]) -> Reply | None:
        """Take the new merchants' names, in the claims' round trip: only for commands whose key turns out to be ours."""
        new: list[tuple[c.RegisterMerchant, str | None, str | None]] = []
        seen: set[tuple[str, str]] = set()
        for item, moment in ((item, moment) for job in self.jobs for item, moment in job.timed_items()):
            key = None if item.key is None else (item.key.owner, item.key.key)
            if isinstance(item.command, c.RegisterMerchant) and key not in seen:
                new.append((item.command, candidates[key] if key else None, str(moment) if moment else None))
            seen.update([key] if key else [])
        if not new:
            return None
        ids, names = plain(command.merchant.id for command, _, _ in new), quoted(command.merchant.name for command, _, _ in new)
        shown, emails = quoted(command.display_name for command, _, _ in new), quoted(command.receipt_email for command, _, _ in new)
        metadata = quoted(stored_json(command.metadata) for command, _, _ in new)
        records, moments = plain(record_id for _, record_id, _ in new), quoted(moment for _, _, moment in new)
        currencies = quoted(command.currency.code if command.currency else None for command, _, _ in new)
        return self.session.send(sql.REGISTER_MERCHANTS, [ids, names, shown, emails, metadata, records, moments, currencies])

    def _stored(self, key: Key) -> StoredAnswer:
        try:
            return self.facts.stored[key.owner, key.key]
        except KeyError:
            raise Contention("a key that was taken has just been purged") from None

    # --- which items are decided now ----------------------------------------------------------------------------------------

    def _fresh_items(self, job: Job) -> list[Item]:
        """Return the items that are to be planned: not those whose key was answered before, or is answered earlier in this batch.

        None at all where the batch itself was answered before, or where an atomic batch has an item that was refused before.
        """
        envelope = job.envelope
        if envelope is not None and not self.claims.ours(envelope.key):
            return []
        fresh, seen = [], set()
        for item in job.items:
            if self.claims.ours(item.key) and (item.key is None or item.key.key not in seen):
                fresh.append(item)
                if item.key is not None:
                    seen.add(item.key.key)
        if envelope is not None and envelope.atomic and self._earlier_failure(job) is not None:
            return []
        return fresh

    def _earlier_failure(self, job: Job) -> tuple[int, Result] | None:
        """Return the first item of an atomic batch that is known to fail before anything is planned, and its answer."""
        first: dict[str, Key] = {}
        for index, item in enumerate(job.items):
            if item.key is None:
                continue
            if self.claims.ours(item.key):
                if first.setdefault(item.key.key, item.key).fingerprint != item.key.fingerprint:
                    return index, self._refused(item, IdempotencyKeyReused())
                continue
            result = self._replay(item)
            if result.answer.status_code >= 400:
                return index, result
        return None

    # --- answers ------------------------------------------------------------------------------------------------------------

    def _refused(self, item: Item, error: LedgerError) -> Result:
        outcome = Refused(error)
        return Result(item.render(outcome), outcome)

    def _replay(self, item: Item) -> Result:
        key = cast("Key", item.key)
        stored = self._stored(key)
        if bytes(stored.fingerprint) != key.fingerprint:
            return self._refused(item, IdempotencyKeyReused())
        if stored.status_code is None or stored.body is None:
            raise IdempotencyInProgress
        return Result(Answer(stored.status_code, stored.body.encode()), replayed=True)

    def _job_results(self, job: Job, fresh: list[Item], outcomes: list[Outcome | None]) -> JobResults:
        if job.envelope is None:
            (item,) = job.items
            result = self._decided(item, cast("Outcome", outcomes[0])) if fresh else self._replay(item)
            return JobResults(result, [result])
        return self._batch_results(job, fresh, outcomes)

    def _batch_results(self, job: Job, fresh: list[Item], outcomes: list[Outcome | None]) -> JobResults:
        envelope = job.envelope
        assert envelope is not None  # the caller asked
        if envelope.key is not None and not self.claims.ours(envelope.key):
            self._release_items(job)
            return JobResults(self._replay_batch(job))
        if envelope.atomic:
            failure = self._earlier_failure(job) or _first_refusal(job, fresh, outcomes)
            if failure is not None:
                index, failed = failure
                self._release_items(job)
                answer = envelope.render_failure(index, failed)
                self._answer_envelope(job, answer, sticky=failed.replayed or isinstance(failed.refusal, Refusal))
                return JobResults(Result(answer, failed.outcome), [failed])
        results = list(self._item_results(job, fresh, outcomes))
        answer = envelope.render(results)
        self._answer_envelope(job, answer, sticky=True)
        return JobResults(Result(answer, Posted()), results)

    def _item_results(self, job: Job, fresh: list[Item], outcomes: list[Outcome | None]) -> Iterator[Result]:
        decided = {id(item): outcome for item, outcome in zip(fresh, outcomes, strict=True)}
        answered: dict[str, tuple[Key, Result]] = {}
        for item in job.items:
            outcome = decided.get(id(item))
            if outcome is not None:
                result = self._decided(item, outcome)
                if item.key is not None:
                    answered[item.key.key] = item.key, result
            elif item.key is not None and item.key.key in answered:
                first, result = answered[item.key.key]
                same = first.fingerprint == item.key.fingerprint
                result = Result(result.answer, replayed=True) if same else self._refused(item, IdempotencyKeyReused())
            else:
                result = self._replay(item)
            yield result

    def _decided(self, item: Item, outcome: Outcome) -> Result:
        result = Result(item.render(outcome), outcome)
        if isinstance(outcome.refusal, AccountAheadOfClock):
            report_account_ahead(outcome.refusal)
            # Not now, and not for good: the key stays free.
            self.released.extend([self.claims.record_id(item.key)] if item.key is not None else [])
        elif item.key is not None:
            self.completions.append(Completion(self.claims.record_id(item.key), result.answer, result.transfer_id))
        return result

    def _replay_batch(self, job: Job) -> Result:
        envelope = job.envelope
        assert envelope is not None  # the caller asked
        assert envelope.key is not None  # the caller asked
        stored = self._stored(envelope.key)
        if bytes(stored.fingerprint) != envelope.key.fingerprint:
            return self._refused(job.items[0], IdempotencyKeyReused())
        if stored.status_code is None or stored.body is None:
            raise IdempotencyInProgress
        return Result(Answer(stored.status_code, stored.body.encode()), replayed=True)

    def _answer_envelope(self, job: Job, answer: Answer, *, sticky: bool) -> None:
        envelope = job.envelope
        if envelope is None or envelope.key is None:
            return
        record_id = self.claims.record_id(envelope.key)
        if sticky:
            self.completions.append(Completion(record_id, answer, None))
        else:
            self.released.append(record_id)

    def _release_items(self, job: Job) -> None:
        """Free the keys of items that were claimed and will not be answered."""
        keys = {(item.key.owner, item.key.key) for item in job.items if item.key is not None and self.claims.ours(item.key)}
        self.released.extend(self.claims.records[key] for key in keys)


def _first_refusal(job: Job, fresh: list[Item], outcomes: list[Outcome | None]) -> tuple[int, Result] | None:
    for item, outcome in zip(fresh, outcomes, strict=True):
        if outcome is not None and outcome.refusal is not None:
            index = next(position for position, candidate in enumerate(job.items) if candidate is item)
            return index, Result(item.render(outcome), outcome)
    return None


def _limits() -> tuple[str, str, str]:
    """Return how long the database waits for this process in the middle of a posting, and how long a statement and all may take."""
    whole = f"{settings.LEDGER_POSTING_TIMEOUT * 1000:.0f}ms"
    return f"{settings.LEDGER_IDLE_TRANSACTION_TIMEOUT * 1000:.0f}ms", whole, whole
