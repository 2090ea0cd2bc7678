"""From outcomes to results: which commands of a job are decided in a posting, and the answers that
are written and kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from ledger_project.kernel.errors import AccountAheadOfClock, IdempotencyKeyReused, LedgerError
from ledger_project.kernel.refusals import Refusal
from transfers.domain.outcome import Outcome, Posted, Refused
from transfers.domain.plan import Group
from transfers.posting.clock import report_account_ahead
from transfers.posting.idempotency import Claims, check_same
from transfers.posting.jobs import Envelope, Item, Job, Key, Result


class JobDecisions:
    """One job in its transaction.

    ``fresh`` are the items that are decided now; the others were answered before.
    """

    def __init__(self, job: Job, claims: Claims) -> None:
        self.job = job
        self._claims = claims
        self._failure: tuple[int, Result] | None = None
        self.fresh = self._fresh_items()

    def group(self) -> Group:
        """Return the commands to be decided."""
        envelope = self.job.envelope
        return Group([item.command for item in self.fresh], envelope is not None and envelope.atomic, self.job.moments)

    def result(self, outcomes: Sequence[Outcome | None]) -> Result:
        """Return the job's result, given the outcomes of its fresh items, and have its answers
        stored.
        """
        if self.job.envelope is not None:
            return self._batch_result(self.job.envelope, outcomes)
        (item,) = self.job.items
        return self._decided(item, cast("Outcome", outcomes[0])) if self.fresh else self._replay(item.key, item)

    def _fresh_items(self) -> Sequence[Item]:
        """Return the items to be decided: not those whose key was answered before, or is answered
        earlier in this batch.

        None at all where the batch itself was answered before, or where an atomic batch has an item
        that was refused before.
        """
        job, ours = self.job, self._claims.ours
        if job.envelope is None:
            return job.items if ours(job.items[0].key) else ()
        if not ours(job.envelope.key):
            return ()
        if job.envelope.atomic:
            self._failure = self._earlier_failure()
            if self._failure is not None:
                return ()
        fresh, seen = [], set()
        for item in job.items:
            if item.key is None:
                fresh.append(item)
            elif ours(item.key) and item.key.key not in seen:
                fresh.append(item)
                seen.add(item.key.key)
        return fresh

    def _earlier_failure(self) -> tuple[int, Result] | None:
        """Return the first item of an atomic batch that is known to fail before anything is
        decided, and its result.
        """
        first: dict[str, Key] = {}
        for index, item in enumerate(self.job.items):
            if item.key is None:
                continue
            try:
                if self._claims.ours(item.key):
                    check_same(item.key, first.setdefault(item.key.key, item.key).fingerprint)
                    continue
                result = self._claims.replay(item.key)
            except IdempotencyKeyReused:
                return index, _refused(item, IdempotencyKeyReused())
            if result.answer.status_code >= 400:
                return index, result
        return None

    def _batch_result(self, envelope: Envelope, outcomes: Sequence[Outcome | None]) -> Result:
        if envelope.key is not None and not self._claims.ours(envelope.key):
            self._claims.release(item.key for item in self.job.items)
            found = self._replay(envelope.key, self.job.items[0])
            return Result(found.answer, found.outcome, found.replayed, items=())
        if envelope.atomic:
            failure = self._failure or self._first_refusal(outcomes)
            if failure is not None:
                return self._failed(envelope, *failure)
        results = list(self._item_results(outcomes))
        result = Result(envelope.render(results), Posted(), items=results)
        self._claims.complete(envelope.key, result)
        return result

    def _failed(self, envelope: Envelope, index: int, failed: Result) -> Result:
        """Return the result of an atomic batch that failed at an index.

        A failure that may pass leaves the batch's key free.
        """
        self._claims.release(item.key for item in self.job.items)
        result = Result(envelope.render_failure(index, failed), failed.outcome, items=[failed])
        if failed.replayed or isinstance(failed.refusal, Refusal):
            self._claims.complete(envelope.key, result)
        else:
            self._claims.release([envelope.key])
        return result

    def _first_refusal(self, outcomes: Sequence[Outcome | None]) -> tuple[int, Result] | None:
        for item, outcome in zip(self.fresh, outcomes, strict=True):
            if outcome is not None and outcome.refusal is not None:
                index = next(position for position, candidate in enumerate(self.job.items) if candidate is item)
                return index, Result(item.render(outcome), outcome)
        return None

    def _item_results(self, outcomes: Sequence[Outcome | None]) -> Iterator[Result]:
        decided = {id(item): outcome for item, outcome in zip(self.fresh, outcomes, strict=True)}
        answered: dict[str, tuple[Key, Result]] = {}
        for item in self.job.items:
            key, outcome = item.key, decided.get(id(item))
            if outcome is not None:
                result = self._decided(item, outcome)
                if key is not None:
                    answered[key.key] = key, result
                yield result
            elif key is not None and key.key in answered:
                yield _repeated(item, key, *answered[key.key])
            else:
                yield self._replay(key, item)

    def _decided(self, item: Item, outcome: Outcome) -> Result:
        result = Result(item.render(outcome), outcome)
        if isinstance(outcome.refusal, AccountAheadOfClock):
            report_account_ahead(outcome.refusal)
            self._claims.release([item.key])  # it may pass: the key stays free
        else:
            self._claims.complete(item.key, result)
        return result

    def _replay(self, key: Key | None, item: Item) -> Result:
        """Return the answer that was given before under an item's key, or under that of the batch
        whose first item it is.
        """
        try:
            return self._claims.replay(cast("Key", key))  # an item without a key is always fresh
        except IdempotencyKeyReused:
            return _refused(item, IdempotencyKeyReused())


def _refused(item: Item, error: LedgerError) -> Result:
    outcome = Refused(error)
    return Result(item.render(outcome), outcome)


def _repeated(item: Item, key: Key, first: Key, result: Result) -> Result:
    """Return the result of an item whose key another item of its batch had first."""
    try:
        check_same(key, first.fingerprint)
    except IdempotencyKeyReused:
        return _refused(item, IdempotencyKeyReused())
    return Result(result.answer, replayed=True)
