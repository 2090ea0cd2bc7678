"""How much ``reconcile`` costs beside the plain sum over the same rows: ``python -m benchmarks.reconcile_speed [entries]``.

Makes an embedded database of its own in a temporary folder, fills it, and measures all in turn in the same run. The daily figures are
summed up before, as in a ledger that is in use: the proof compares all of them with the journal. The incremental proof is measured over
the newest 10,000 entries, by keeping the heads of the moment before them.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

SUM = "SELECT account_id, sum(amount_minor) FROM transfers_ledgerentry GROUP BY account_id"
FLOOR = {
    "one SHA-256 of 128 bytes for each entry": (
        r"SELECT count(*) FROM transfers_ledgerentry WHERE sha256(hash || hash || hash || hash) = '\\x00'"
    ),
    "each entry in the order of its chain": (
        "SELECT count(*) FROM (SELECT hash, lag(hash) OVER (PARTITION BY account_id ORDER BY sequence) AS previous "
        "FROM transfers_ledgerentry) e WHERE hash = previous"
    ),
    "each entry beside its transfer": (
        "SELECT count(*) FROM transfers_ledgerentry e JOIN transfers_transfer t ON t.id = e.transfer_id WHERE e.created_at <> t.created_at"
    ),
}
"""What nobody who verifies chains can do without, each by itself: they say how near to the plain sum a proof could come."""
NEW = 10_000
ROUNDS = 3

_HEADS_BEFORE = """
TRUNCATE transfers_reconciliationhead;
INSERT INTO transfers_reconciliationhead (account_id, sequence, hash, balance_minor)
SELECT DISTINCT ON (account_id) account_id, sequence, hash, balance_after_minor FROM transfers_ledgerentry
WHERE created_at <= (SELECT created_at FROM transfers_ledgerentry ORDER BY created_at DESC OFFSET {new} LIMIT 1)
ORDER BY account_id, sequence DESC
"""


def main(entries: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(LEDGER_DATA_DIR=folder, DJANGO_SETTINGS_MODULE="ledger_project.settings", LEDGER_LOG_LEVEL="ERROR")
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        from ledger_project.database.embedded import EmbeddedPostgres

        server = EmbeddedPostgres(settings.LEDGER_DATA_DIR)
        with server.running():
            call_command("migrate", verbosity=0)
            _measure(str(server.socket_dir), entries)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _reconcile(**request: Any) -> Callable[[], Any]:
    from transfers.figures.differences import figure_differences
    from transfers.reconciliation.run import ReconciliationRequest, reconcile

    def work() -> Any:
        run = reconcile(ReconciliationRequest(**request), figure_differences=figure_differences)
        assert run.verdict == "clean", run.findings
        return run

    return work


def _keep_heads_before(raw: Any, new: int) -> None:
    """Have the newest verdict keep the heads of before the newest entries."""
    from transfers.reconciliation.heads import digest_of, kept_heads

    raw.execute(_HEADS_BEFORE.format(new=new))
    with raw.transaction():
        digest = digest_of(kept_heads(raw))
    raw.execute("UPDATE transfers_reconciliationrun SET heads_sha256 = %s WHERE heads_sha256 IS NOT NULL", [digest])


def _measure(socket_dir: str, entries: int) -> None:
    import psycopg
    from django.db import connections

    from benchmarks.bulk_ledger import fill
    from transfers.figures.refresh import refresh_figures

    with psycopg.connect(host=socket_dir, user="postgres", dbname="ledger", autocommit=True) as raw:
        count = fill(raw, entries=entries)
        refresh_figures(steps=10_000)
        raw.execute("VACUUM ANALYZE")
        raw.execute("SET work_mem = '32MB'")  # as reconcile has it
        found: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for name, statement in {"sum": SUM, **FLOOR}.items():
                found.setdefault(name, []).append(_timed(lambda s=statement: raw.execute(s).fetchall())[0])
            found.setdefault("one job", []).append(_timed(_reconcile(jobs=1))[0])
            found.setdefault("all", []).append(_timed(_reconcile())[0])
            _keep_heads_before(raw, NEW)
            seconds, run = _timed(_reconcile(incremental=True))
            found.setdefault("new", []).append(seconds)
    connections.close_all()
    best = {name: min(times) for name, times in found.items()}
    for name in FLOOR:
        print(f"  {name}: {best[name]:.2f} s, {best[name] / best['sum']:.1f} times the sum")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:,} entries; sum by account {best['sum']:.2f} s; reconcile {best['all']:.2f} s; ratio {best['all'] / best['sum']:.1f}")
    print(f"reconcile --jobs 1: {best['one job']:.2f} s, {best['one job'] / best['sum']:.1f} times the sum; cores: {os.cpu_count()}")
    print(f"incremental over {run.entries_checked:,} new entries {best['new']:.2f} s; incremental / full {best['new'] / best['all']:.2f}")
    print(f"memory of this process at its largest (filling included): {megabytes:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
