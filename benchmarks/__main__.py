"""``make bench``: everything in one run on one machine, alternately, as ratios; then the report.

``SECONDS`` (10) is how long each measure takes in all; ``GROWTH`` is the largest journal that is filled (1,000,000 entries; 5000000 is the
long form). ``PARTS`` names some of the parts, separated by commas, and ``ONLY`` is in the names of the measures that are wanted; with
either the report is printed and not written. Exits with 1 if an
invariant is violated or a transfer is missing, whatever the rates.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable

from benchmarks import events, growth, imports, mixed, modules, posting, reads, report, starts, storage
from benchmarks.machines import ROOT, Database
from benchmarks.run import ONLY, Run

PARTS: dict[str, Callable[[Run], None]] = {
    "posting": posting.main_part,
    "reads": reads.reads_part,
    "mixed": mixed.mixed_part,
    "storage": storage.storage_part,
    "imports": imports.import_part,
    "events": events.events_part,
    "start": starts.start_part,
    "memory": posting.memory_part,
    "growth": growth.growth_part,
    "statements": modules.statement_part,
    "reconcile": modules.reconcile_part,
}


def attempt(run: Run, part: Callable[[Run], None]) -> None:
    """Run a part; what goes wrong in it is reported and costs only that part."""
    try:
        part(run)
    except Exception as error:  # noqa: BLE001 - an unattended run writes its report whatever happens
        run.problems.append(f"{part.__name__}: {type(error).__name__}: {error}")
        print(f"  ! {run.problems[-1]}", flush=True)


def main() -> int:
    """Run the parts and write the report."""
    wanted = [name.strip() for name in os.environ.get("PARTS", "").split(",") if name.strip()]
    if unknown := set(wanted) - set(PARTS):
        print(f"PARTS: {', '.join(sorted(unknown))} is not among {', '.join(PARTS)}")
        return 2
    started = time.monotonic()
    data_dir = ROOT / ".data-bench"
    shutil.rmtree(data_dir, ignore_errors=True)
    run = Run(Database(data_dir), parts=tuple(name for name in PARTS if name in wanted or not wanted))
    with run.database.running():
        for name in run.parts:
            attempt(run, PARTS[name])
    run.minutes = (time.monotonic() - started) / 60
    print(report.text(run) if wanted or ONLY else report.write(run))
    shutil.rmtree(data_dir, ignore_errors=True)
    return 1 if run.broken else 0


if __name__ == "__main__":
    sys.exit(main())
