"""The limit: the same SQL run by pgbench on the same tables, one call a transfer and set-based; also what fills the journal to a size."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from benchmarks.machines import HERE, Database, cpu_s, settle
from benchmarks.measuring import Sample
from tests.support.invariants import INVARIANTS

_FILL_CHUNK = 20_000


def prepare(url: str) -> None:
    """Make the functions, and number the benchmark merchants' accounts."""
    with psycopg.connect(url) as connection:
        connection.execute((HERE / "pgbench_functions.sql").read_text())
        connection.execute(
            "INSERT INTO bench_accounts SELECT row_number() OVER (ORDER BY m.name), w.id, f.id FROM merchants_merchant m "
            "JOIN merchants_account w ON w.merchant_id = m.id AND w.kind = 'wallet' AND w.currency_id = 'USD' "
            "JOIN merchants_account f ON f.merchant_id = m.id AND f.kind = 'fees' AND f.currency_id = 'USD' WHERE m.name LIKE 'bench%'"
        )


def _binary(database: Database) -> str:
    own = database.server.command("pgbench")
    found = own if Path(own).exists() else shutil.which("pgbench")
    if found is None:
        installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
        if not installed:
            raise RuntimeError("there is no pgbench here")
        found = str(installed[-1])
    return found


def pgbench(database: Database, url: str, script: str, *, clients: int, per_transaction: int = 1) -> Callable[[float], Sample]:
    """Return what runs a round of a script."""

    def run(seconds: float) -> Sample:
        with psycopg.connect(url) as connection:
            (accounts,) = connection.execute("SELECT count(*) FROM bench_accounts").fetchone() or (0,)
        postgres = database.family()
        before = cpu_s(postgres)
        command = [_binary(database), "-n", "-M", "prepared", "-T", str(max(1, round(seconds))), "-c", str(clients), "-j", "2"]
        command += ["-D", f"accounts={accounts}", "-f", str(HERE / script), url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        numbers = {
            name: float(found[1])
            for name, pattern in (
                ("tps", r"tps = ([\d.]+)"),
                ("latency", r"latency average = ([\d.]+)"),
                ("done", r"actually processed: (\d+)"),
            )
            if (found := re.search(pattern, output))
        }
        transfers = int(numbers["done"]) * per_transaction
        sample = Sample(transfers, transfers / (numbers["tps"] * per_transaction), latency_ms=numbers["latency"])
        time.sleep(0.3)  # the backends end a moment after their clients; only then is their time the postmaster's
        sample.database_cpu_s = cpu_s(postgres) - before
        return sample

    return run


def fill(url: str, entries: int) -> int:
    """Bring the journal to so many entries with set-based batches, analyze, and return how many it has."""
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            (count,) = connection.execute("SELECT count(*) FROM transfers_ledgerentry").fetchone() or (0,)
            missing = entries - count
            if missing <= 0:
                break
            for _ in range(max(1, min(missing, _FILL_CHUNK * 25) // 4000)):
                connection.execute("SELECT bench_batch((SELECT count(*)::int FROM bench_accounts), 1000)")
    settle(url)
    return int(count)


def violated(url: str, invariants: Mapping[str, str] = INVARIANTS) -> list[str]:
    """Return the invariants that do not hold. Nothing that was measured may have cost a guarantee."""
    with psycopg.connect(url) as connection:
        connection.execute("SET work_mem = '256MB'")
        return [name for name, statement in invariants.items() if connection.execute(statement + " LIMIT 1").fetchall()]


def stored_transfers(url: str, statement: str | None = None) -> int:
    """How many transfers a database holds, apart from what pgbench made."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            statement or "SELECT count(*) FROM transfers_transfer WHERE kind = 'transfer' AND principal <> 'pgbench'"
        ).fetchone()
        return int(row[0]) if row else 0
