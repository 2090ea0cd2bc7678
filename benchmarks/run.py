"""One run of the benchmark: what it found so far, and how a part adds to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from benchmarks.limits import stored_transfers, violated
from benchmarks.machines import Database
from benchmarks.measuring import Measure, Tally, run_rounds

SECONDS = float(os.environ.get("SECONDS", "10"))
GROWTH = int(os.environ.get("GROWTH", "1000000"))
ONLY = os.environ.get("ONLY", "")
ROUNDS = 3
CONNECTIONS = 64

PEER_COUNTS = {
    "fastapi_app": "SELECT count(*) FROM transfer",
    "plain_django": "SELECT count(*) FROM plain_transfer",
    "hordak_django": "SELECT count(*) FROM hordak_transaction WHERE description = 'transfer'",
}


@dataclass(slots=True)
class Size:
    """A journal of so many entries, and the rates on it."""

    entries: int
    rates: dict[str, float]


@dataclass(slots=True)
class Memory:
    """Resident MiB of one worker after a few and after many transfers."""

    early_transfers: int
    early_mib: float
    late_transfers: int
    late_mib: float


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes a transfer of the rows of a table, or of one of its indexes."""

    table: str
    part: str
    bytes_each: float

    @property
    def of(self) -> str:
        """What it belongs to: the ``journal``, its ``keys``, or what is made from them."""
        if "idempotency" in self.table:
            return "keys"
        journal = {"transfers_transfer", "transfers_ledgerentry", "transfers_hold"}
        return "journal" if self.table in journal or "reference" in self.table else "others"


@dataclass(frozen=True, slots=True)
class Import:
    """One file: its lines, the seconds that the command counted, and those of its whole process."""

    lines: int
    command_s: float
    process_s: float


@dataclass(frozen=True, slots=True)
class Proof:
    """What ``benchmarks.reconcile_speed`` printed, and the ratios that it found."""

    printed: str
    full: float
    incremental: float


@dataclass(slots=True)
class Run:
    """All that one run of the benchmark found."""

    database: Database
    measures: dict[str, Measure] = field(default_factory=dict)
    reads: dict[str, Measure] = field(default_factory=dict)
    tails: dict[str, Measure] = field(default_factory=dict)
    events: dict[str, Measure] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    growth: list[Size] = field(default_factory=list)
    memory: Memory | None = None
    storage: list[Stored] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    proof: Proof | None = None
    statements: str = ""
    minutes: float = 0.0
    parts: tuple[str, ...] = ()

    def rounds(self, title: str, measures: list[Measure], found: dict[str, Measure]) -> None:
        """Measure these alternately, and put them with what was ``found`` of their kind."""
        measures = [measure for measure in measures if ONLY in measure.name]
        print(f"{title} ({len(measures)} measures, {SECONDS:g} s each)", flush=True)
        run_rounds(measures, SECONDS, ROUNDS, self.problems)
        found |= {measure.name: measure for measure in measures}

    def bytes_each(self, of: str) -> float:
        """Bytes a transfer of the journal, or of its keys."""
        return sum(stored.bytes_each for stored in self.storage if stored.of == of) or float("nan")

    def rate(self, name: str) -> float:
        """The median rate of a measure; not a number if it could not be measured."""
        measure = self.measures.get(name) or self.reads.get(name) or self.tails.get(name) or self.events.get(name)
        return measure.rate if measure else float("nan")

    def check(self, database: str, url: str, *, peer: str = "") -> None:
        """See that every acknowledged transfer is stored, no other, and that the invariants hold."""
        expected, stored = self.tally.acknowledged[database], stored_transfers(url, PEER_COUNTS.get(peer))
        if expected != stored:
            self.broken.append(f"{database}: {expected:,} transfers were acknowledged, {stored:,} are stored")
        if not peer:
            self.broken += [f"{database}: violated: {what}" for what in violated(url)]
        print(f"  {database}: {stored:,} stored = acknowledged: {expected == stored}", flush=True)
