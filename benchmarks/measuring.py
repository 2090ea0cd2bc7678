"""What is measured, several times alternately, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil

from benchmarks import load
from benchmarks.machines import Database, Served, cpu_s


@dataclass(slots=True)
class Sample:
    """One round of one measure: transfers, seconds, latencies and processor time."""

    transfers: int
    seconds: float
    latencies_s: list[float] = field(default_factory=list)
    application_cpu_s: float = float("nan")
    database_cpu_s: float = float("nan")
    generator_cpu_s: float = float("nan")
    latency_ms: float = float("nan")

    @property
    def rate(self) -> float:
        """Transfers a second."""
        return self.transfers / self.seconds


@dataclass(slots=True)
class Measure:
    """Something that is measured: its name, how a round of so many seconds is run, and what the rounds gave."""

    name: str
    run: Callable[[float], Sample]
    samples: list[Sample] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of the rounds."""
        return statistics.median(sample.rate for sample in self.samples) if self.samples else float("nan")

    def percentile_ms(self, share: float) -> float:
        """The latency that this share of all rounds' requests stayed below."""
        return load.percentile_ms([value for sample in self.samples for value in sample.latencies_s], share)

    def cpu_ms(self, which: str) -> float:
        """Processor milliseconds a transfer, of ``application``, ``database`` or ``generator``."""
        transfers = sum(sample.transfers for sample in self.samples)
        return sum(getattr(sample, f"{which}_cpu_s") for sample in self.samples) * 1000 / transfers if transfers else float("nan")


class Unexpected(Exception):
    """Answers that should not have been."""


@dataclass(slots=True)
class Tally:
    """Transfers that were acknowledged, by the database that must hold them."""

    acknowledged: Counter[str] = field(default_factory=Counter)


def over_http(
    database: Database,
    served: Served,
    make: load.Next,
    *,
    connections: int,
    tally: Tally,
    tallied_as: str,
    per_request: int = 1,
    rate: Callable[[], float] | None = None,
) -> Callable[[float], Sample]:
    """Return what runs a round of transfers against a server."""

    def send(seconds: float) -> load.Result:
        return load.run(served.port, make, connections=connections, seconds=seconds, rate=rate() if rate else 0.0)

    def count(statuses: Counter[int]) -> int:
        tally.acknowledged[tallied_as] += good(statuses) * per_request
        return good(statuses) * per_request

    return answered(database, served, send, count)


def good(statuses: Counter[int]) -> int:
    """How many answers are of success."""
    return sum(number for status, number in statuses.items() if 200 <= status < 300)


def answered(
    database: Database, served: Served, send: Callable[[float], load.Result], count: Callable[[Counter[int]], int] = good
) -> Callable[[float], Sample]:
    """Return what runs a round of requests against a server; ``count`` says how much its answers are."""

    def run(seconds: float) -> Sample:
        application, postgres = served.family(), database.family()
        before = cpu_s(application), cpu_s(postgres)
        result = send(seconds)
        done = count(result.statuses)
        bad = {status: number for status, number in result.statuses.items() if not 200 <= status < 300}
        if bad:
            raise Unexpected(f"{served.name}: {bad}")
        return Sample(
            done,
            result.duration_s,
            result.latencies_s,
            cpu_s(application) - before[0],
            cpu_s(_same(postgres, database)) - before[1],
            result.generator_cpu_s,
        )

    return run


def _same(before: Sequence[psutil.Process], database: Database) -> list[psutil.Process]:
    """The processes of before and those that came since."""
    known = {process.pid for process in before}
    return [*before, *(process for process in database.family() if process.pid not in known)]


def run_rounds(measures: Sequence[Measure], seconds: float, rounds: int, problems: list[str]) -> None:
    """Warm each measure up, then run all of them in turn, ``rounds`` times, ``seconds`` each in all."""
    failed: set[str] = set()
    for number in range(rounds + 1):
        for measure in measures:
            if measure.name in failed:
                continue
            try:
                sample = measure.run(seconds / rounds if number else min(1.0, seconds / rounds))
            except (Unexpected, OSError, TimeoutError, RuntimeError, psutil.Error) as error:
                failed.add(measure.name)
                problems.append(f"{measure.name}: {type(error).__name__} {error}")
                print(f"  ! {problems[-1]}", flush=True)
                continue
            if number:
                measure.samples.append(sample)
    for measure in measures:
        print(f"  {measure.name}: {measure.rate:,.0f}/s", flush=True)
