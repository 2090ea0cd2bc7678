"""What is to be reached, and whether it was."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks import names, routes
from benchmarks.routes import Route
from benchmarks.run import CONNECTIONS, Run


@dataclass(slots=True)
class Goal:
    """What was to be reached, what was, and what stands in the way where it was not."""

    what: str
    wanted: float
    reached: float
    at_most: bool = False
    obstacle: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is met; None if it was not measured."""
        if math.isnan(self.reached):
            return None
        return self.reached <= self.wanted if self.at_most else self.reached >= self.wanted

    def row(self) -> str:
        """Its line of the table."""
        sign = "≤" if self.at_most else "≥"
        if self.met is None:
            verdict = "not measured"
        elif self.met:
            verdict = "met"
        else:
            verdict = f"missed by {abs(self.reached / self.wanted - 1):.0%}. Supposed: {self.obstacle}"
        return f"| {self.what} | {sign} {self.wanted:,g} | {self.reached:,.{2 if self.wanted < 100 else 0}f} | {verdict} |"


_ROWS = "Two workers' batches have accounts in common, so one waits until the other has committed, and the cores idle meanwhile."
_ALONE = "A transfer takes 2.5 times the constant's processor time in the one interpreter, and all callers wait for the posting under way."
_READS = "Service, PostgreSQL and generator share two cores; see the processor columns of *Reads* for whose time it is."


def goals(found: Run) -> list[Goal]:
    """Every goal whose part was run."""
    parts = {
        "posting": _posting,
        "reads": _reads,
        "mixed": _mixed,
        "storage": _storage,
        "imports": _imports,
        "reconcile": _reconcile,
        "growth": _growth,
        "memory": _memory,
        "events": _events,
    }
    return [goal for part, of_part in parts.items() if part in found.parts for goal in of_part(found)]


def _reads(found: Run) -> list[Goal]:
    def beside(route: Route, who: str = "fastapi_app") -> float:
        ours, theirs = (found.rate(names.read(whose, route.name, CONNECTIONS)) for whose in ("ledger", who))
        return ours / theirs

    return [
        Goal("balance, 64 connections, 2 workers / FastAPI peer", 6, beside(routes.BALANCE), obstacle=_READS),
        Goal("page of 50 lines of a statement / FastAPI peer", 4, beside(routes.STATEMENT), obstacle=_READS),
        Goal("transfer by id / FastAPI peer", 4, beside(routes.TRANSFER), obstacle=_READS),
        Goal("list of 50 / FastAPI peer", 4, beside(routes.LIST), obstacle=_READS),
    ]


def _mixed(found: Run) -> list[Goal]:
    mixed = found.rate(names.mixed("ledger")) / found.rate(names.mixed("fastapi_app"))
    alone, beside = (found.tails.get(names.tail("ledger", alone=alone)) for alone in (True, False))
    tail = beside.percentile_ms(0.99) / alone.percentile_ms(0.5) if alone and beside else math.nan
    return [
        Goal("80% reads and 20% transfers, 64 connections / FastAPI peer", 6, mixed, obstacle=_READS),
        Goal(
            "p99 of a balance while postings run at half their rate / its p50 alone",
            6,
            tail,
            at_most=True,
            obstacle="Two workers, PostgreSQL and two generators share two cores, and a posting's Python holds the one interpreter.",
        ),
    ]


def _storage(found: Run) -> list[Goal]:
    indexes = "Ids of 16 bytes: a number of 8 for the account of an entry would save about 230. Each index has its reader (*Storage*)."
    return [
        Goal("bytes of journal a transfer", 1150, found.bytes_each("journal"), at_most=True, obstacle=indexes),
        Goal("bytes of key a transfer", 750, found.bytes_each("keys"), at_most=True, obstacle="The answer alone is 450 bytes and more."),
    ]


def _imports(found: Run) -> list[Goal]:
    ratio = found.rate(names.IMPORT) / found.rate(names.BATCH_BESIDE_IMPORT)
    one = "The batch call is served by two workers, a file by one process."
    return [Goal("lines/s of `import_transfers` / transfers/s of the batch call", 0.9, ratio, obstacle=one)]


def _reconcile(found: Run) -> list[Goal]:
    full, incremental = (found.proof.full, found.proof.incremental) if found.proof else (math.nan, math.nan)
    hashes = "One SHA-256 of 128 bytes for each entry alone is 2.8 times the sum."
    return [
        Goal("reconcile, full / plain sum", 8, full, at_most=True, obstacle=hashes),
        Goal("reconcile, incremental / full", 0.15, incremental, at_most=True, obstacle="It begins with the heads of all accounts."),
    ]


def _posting(found: Run) -> list[Goal]:
    rate, main = found.rate, found.rate(names.single(64, "many accounts"))
    thousand, thousand_one = rate(names.batch(1000, "many accounts")), rate(names.batch(1000, "one receiver"))
    half = found.measures.get(names.HALF)
    tail = half.percentile_ms(0.99) / half.percentile_ms(0.5) if half and half.samples else math.nan
    alone = rate(names.ONE_WORKER) / rate(names.CONSTANT)
    return [
        Goal("HTTP single, 64 connections, 2 workers / FastAPI peer", 9, main / rate(names.peer("fastapi_app")), obstacle=_ROWS),
        Goal("the same / plain Django + DRF peer", 15, main / rate(names.peer("plain_django")), obstacle=_ROWS),
        Goal("batch of 1,000 / pgbench one call per transfer, 8 clients", 1.5, thousand / rate(names.PGBENCH), obstacle=_ROWS),
        Goal("batch of 1,000 / pgbench set-based of 1,000", 0.75, thousand / rate(names.PGBENCH_SET), obstacle=_ROWS),
        Goal(
            "all to one receiver / many accounts, HTTP",
            0.9,
            rate(names.single(64, "one receiver")) / main,
            obstacle="One chain has one writer at a time.",
        ),
        Goal(
            "all to one receiver / many accounts, batch of 1,000",
            0.9,
            thousand_one / thousand,
            obstacle="Two workers wait for one account.",
        ),
        Goal("one worker's transfers / its rate of a constant adrf view", 0.45, alone, obstacle=_ALONE),
        Goal(
            "HTTP single with an API key / without",
            0.9,
            rate(names.WITH_KEY) / main,
            obstacle="The key is hashed and looked up in memory for each request.",
        ),
        Goal(
            "others' rate while 20 clients ask for locked accounts / alone",
            0.8,
            rate(names.LOCKED) / main,
            obstacle="Jobs that wait for a lock are tried by a thread of the same interpreter.",
        ),
        Goal(
            "p99 at half the maximum rate / its p50",
            4,
            tail,
            at_most=True,
            obstacle="A commit now and then waits for the disk or a checkpoint.",
        ),
    ]


def _growth(found: Run) -> list[Goal]:
    if len(found.growth) < 2:
        return []
    small, large = found.growth[0], found.growth[-1]
    deeper = "Deeper indexes and more pages written for each checkpoint."
    return [
        Goal(f"{what}: {large.entries:,} entries / {small.entries:,}", 0.9, large.rates[what] / small.rates[what], obstacle=deeper)
        for what in small.rates
        if what in large.rates and what != "pgbench"
    ]


def _events(found: Run) -> list[Goal]:
    late = found.events.get(names.LATE)
    shared = "Posting, sending, the receiver and both generators share two cores."
    return [
        Goal(
            "transfers with the consumer of a webhook / without",
            0.97,
            found.rate(names.CONSUMED) / found.rate(names.UNTOLD),
            obstacle=shared,
        ),
        Goal(
            "transfers with a reader of the feed and a webhook / without",
            0.97,
            found.rate(names.TOLD) / found.rate(names.UNTOLD),
            obstacle=shared,
        ),
        Goal("events/s of the feed by one reader, limit=1000", 10_000, found.rate(names.FEED), obstacle=shared),
        Goal("deliveries/s to a local receiver", 500, found.rate(names.DELIVERIES), obstacle=shared),
        Goal(
            "p95 from posting to delivery at half the maximum rate, ms",
            1_000,
            late.percentile_ms(0.95) if late and late.samples else math.nan,
            at_most=True,
            obstacle=shared,
        ),
    ]


def _memory(found: Run) -> list[Goal]:
    memory = found.memory
    ratio = memory.late_mib / memory.early_mib if memory else math.nan
    after = f"{memory.late_transfers:,} / after {memory.early_transfers:,}" if memory else "many / few"
    filled = "The caches of identities fill up to their bounds."
    return [Goal(f"memory of a worker after {after} transfers", 1.1, ratio, at_most=True, obstacle=filled)]
