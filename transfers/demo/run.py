"""One run of the demo: its story is posted in the order of time, a day or a batch in one
transaction.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ledger_project.database.clock import database_now
from ledger_project.database.fields import new_id
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import TREASURY, MerchantIdentity
from merchants.selectors import active_currencies_now, identify_now
from transfers.demo.days import busy_moments
from transfers.demo.operator_actions import take_actions
from transfers.demo.people import USD_PER_UNIT, people
from transfers.demo.story import PRINCIPAL, Member, Step, Story
from transfers.domain import commands as c
from transfers.domain.outcome import Outcome
from transfers.posting.jobs import Result
from transfers.posting.synchronous import NotAfterHistory, end_of_history, post_now, post_then

BATCH = 250
"""Movements that one transaction posts at most."""

MONTH = timedelta(days=30.44)
_SHORTEST = timedelta(hours=1)
"""In a span that is shorter than this, everything happens now."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DemoSize:
    """How many merchants and movements over how many months, and the seed of all choices."""

    merchants: int
    movements: int
    months: float
    seed: int


@dataclass(slots=True)
class Summary:
    """What a run did: merchants that take part, movements that were posted and refused (by code),
    and the first moment.
    """

    merchants: int = 0
    posted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    since: datetime | None = None


_Due = tuple[datetime, int, Step]


class DemoRun:
    """One run. ``progress`` gets the number of planned movements since its last call."""

    def __init__(self, size: DemoSize, progress: Callable[[int], None] = lambda _count: None) -> None:
        self._size, self._progress = size, progress
        self._summary = Summary()
        self._order = itertools.count()
        self._sequels: list[_Due] = []
        self._founded = False
        self._owing: set[tuple[MerchantIdentity, CurrencyUnit]] = set()
        self._last = datetime.min.replace(tzinfo=UTC)

    def post_all(self) -> Summary:
        """Post the whole story."""
        now, ended = database_now(), end_of_history()
        start = now - self._size.months * MONTH
        used = ended is not None and ended > start
        start = ended if used and ended is not None else start
        self._backdated = now - start > _SHORTEST
        self._summary.since = start if self._backdated else now
        series = f"{start:%y%m%d%H%M%S}" if used else f"{start:%y%m%d}"
        self._end = now
        for batch in self._batches(self._steps(start, series)):
            self._post(batch)
        if self._founded and self._size.months:
            for code, count in take_actions().items():
                self._summary.refused[code] = self._summary.refused.get(code, 0) + count
        return self._summary

    # --- what happens when ------------------------------------------------------------------------

    def _steps(self, start: datetime, series: str) -> Iterator[_Due]:
        """Return the planned steps in the order of time.

        New merchants join in the first half; fees are settled once a month.
        """
        story, newcomers, treasury = yield from self._gathered(start, series)
        moments = self._moments(start)
        movements = story.movements(len(moments))
        month = start.month
        for number, moment in enumerate(moments):
            while newcomers and newcomers[0][0] <= number:
                yield from self._opening(story, newcomers.popleft()[1], moment)
            if moment.month != month and self._backdated:
                month = moment.month
                yield from self._settlements(treasury, moment)
            yield self._due(moment, next(movements))
        for _, member in newcomers:
            yield from self._opening(story, member, self._end)

    def _gathered(self, start: datetime, series: str) -> Generator[_Due, None, tuple[Story, deque[tuple[int, Member]], MerchantIdentity]]:
        """Return the story with the merchants that exist already, the new ones, and the treasury.

        Each new merchant has the number of the movement before which it joins.
        """
        cast = people(self._size.merchants)
        known = identify_now(names=[TREASURY, *(person.name for person in cast)])
        treasury = known.merchant(TREASURY)
        if treasury is None:
            treasury = MerchantIdentity(new_id(), TREASURY)
            yield self._due(start + _MICROSECOND, Step(_register(treasury)))
        active = active_currencies_now()
        currencies = {code: active[code] for code in USD_PER_UNIT if code in active}
        story = Story(currencies, seed=self._size.seed, series=series, treasury=treasury)
        members = [Member(person, known.merchant(person.name) or MerchantIdentity(new_id(), person.name)) for person in cast]
        new = [member for member in members if known.merchant(member.person.name) is None]
        for member in members:
            if known.merchant(member.person.name) is not None:
                story.resume(member)
        self._founded = len(new) == len(members)
        self._summary.merchants = len(members)
        at_once = len(cast) * 2 // 3 if self._founded else 0
        return story, _joining(new, self._size.movements, at_once=max(2, at_once)), treasury

    def _opening(self, story: Story, member: Member, moment: datetime) -> Iterator[_Due]:
        for step in story.opening(member):
            yield self._due(moment, step)

    def _moments(self, start: datetime) -> list[datetime]:
        if not self._backdated:
            return [self._end] * self._size.movements
        dice = random.Random(self._size.seed)
        return busy_moments(start + timedelta(minutes=1), self._end, self._size.movements, dice)

    def _settlements(self, treasury: MerchantIdentity, moment: datetime) -> Iterator[_Due]:
        owing, self._owing = sorted(self._owing, key=lambda pair: (pair[0].name, pair[1].code)), set()
        note = c.Details(memo="fee settlement", principal=PRINCIPAL, request_id=f"settle-{moment:%Y-%m}")
        for merchant, currency in owing:
            yield self._due(moment, Step(c.SettleFees(merchant, treasury, currency, note)))

    def _due(self, moment: datetime, step: Step) -> _Due:
        return moment, next(self._order), step

    # --- batches ----------------------------------------------------------------------------------

    def _batches(self, planned: Iterator[_Due]) -> Iterator[list[_Due]]:
        """Cut the planned steps and their sequels into batches of one day: a sequel is known when
        its day is posted.
        """
        batch: list[_Due] = []
        for due in planned:
            while self._sequels and self._sequels[0][0] <= due[0]:
                yield from self._grown(batch, heapq.heappop(self._sequels))
            yield from self._grown(batch, due)
        yield batch
        while self._sequels and self._sequels[0][0] <= self._end:
            yield [heapq.heappop(self._sequels)]

    def _grown(self, batch: list[_Due], due: _Due) -> Iterator[list[_Due]]:
        if batch and (len(batch) == BATCH or due[0].astimezone(UTC).date() != batch[0][0].astimezone(UTC).date()):
            yield list(batch)
            batch.clear()
        batch.append(due)

    def _post(self, batch: list[_Due]) -> None:
        if not batch:
            return
        timed = []
        for due, _, step in batch:
            self._last = max(due, self._last + _MICROSECOND)
            timed.append((step.command, min(self._last, self._end)))
        for (moment, _, step), result in zip(batch, self._posted(timed), strict=True):
            self._note(result.decided)
            for sequel in step.sequel(result.decided):
                heapq.heappush(self._sequels, self._due(moment + sequel.after, sequel))
        self._progress(sum(1 for _, _, step in batch if isinstance(step.command, c.TransferFunds | c.Deposit | c.Withdraw | c.PlaceHold)))

    def _posted(self, timed: list[tuple[c.Command, datetime]]) -> Sequence[Result]:
        if self._backdated:
            try:
                return post_then(timed)
            except NotAfterHistory:
                self._backdated = False  # others move money too: the rest happens now
        return post_now([command for command, _ in timed])

    def _note(self, outcome: Outcome) -> None:
        if outcome.refusal is not None:
            self._summary.refused[outcome.refusal.code] = self._summary.refused.get(outcome.refusal.code, 0) + 1
        posted = outcome.transfer
        if posted is not None:
            self._summary.posted += 1
            if posted.fee_minor and posted.source is not None:
                self._owing.add((posted.source, posted.currency))


def _register(treasury: MerchantIdentity) -> c.Command:
    return c.RegisterMerchant(treasury, {"demo": True}, active_currencies_now().get("USD"), 0, c.Details(principal=PRINCIPAL))


def _joining(new: list[Member], movements: int, *, at_once: int) -> deque[tuple[int, Member]]:
    """Return each new merchant with the number of the movement before which it joins: some at once,
    the others over the first half.
    """
    later = max(1, len(new) - at_once)
    return deque((0 if n < at_once else (n - at_once + 1) * movements // 2 // later, member) for n, member in enumerate(new))
