"""How long ``manage.py serve`` takes from its start until ``/readyz`` is 200, with 2 workers, on a database that is there."""

from __future__ import annotations

import statistics
import time

from benchmarks.machines import ledger
from benchmarks.run import ROUNDS, Run


def start_part(run: Run) -> None:
    """Start and stop it some times."""
    url = run.database.create("start")
    with ledger(url, 2):
        pass  # the first start migrates
    for _ in range(ROUNDS):
        began = time.monotonic()
        with ledger(url, 2):
            run.starts_s.append(time.monotonic() - began)
    print(f"Start to ready: {statistics.median(run.starts_s):.2f} s", flush=True)
