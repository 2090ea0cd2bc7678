"""How much ``reconcile`` costs beside the plain sum over the same rows: ``python -m benchmarks.reconcile_speed [entries]``.

Makes an embedded database of its own in a temporary folder, fills it, and measures both in turn in the same run.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time

SUM = "SELECT account_id, sum(amount_minor) FROM transfers_ledgerentry GROUP BY account_id"
FLOOR = {
    "one SHA-256 of 128 bytes for each entry": (
        r"SELECT count(*) FROM transfers_ledgerentry WHERE sha256(hash || hash || hash || hash) = '\\x00'"
    ),
    "each entry beside the one before": (
        "SELECT count(*) FROM transfers_ledgerentry e LEFT JOIN transfers_ledgerentry p "
        "ON p.account_id = e.account_id AND p.sequence = e.sequence - 1 WHERE p.hash = e.hash"
    ),
    "each entry beside its transfer": (
        "SELECT count(*) FROM transfers_ledgerentry e JOIN transfers_transfer t ON t.id = e.transfer_id WHERE e.created_at <> t.created_at"
    ),
}
"""What nobody who verifies chains can do without, each by itself: they say how near to the plain sum a proof could come."""
ROUNDS = 3


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


def _measure(socket_dir: str, entries: int) -> None:
    import psycopg
    from django.db import connections

    from benchmarks.bulk_ledger import fill
    from transfers.figures.differences import figure_differences
    from transfers.reconciliation.run import ReconciliationRequest, reconcile

    with psycopg.connect(host=socket_dir, user="postgres", dbname="ledger", autocommit=True) as raw:
        count = fill(raw, entries=entries)
        raw.execute("VACUUM ANALYZE")
        raw.execute("SET work_mem = '24MB'")  # as reconcile has it
        plain, proved, steps, floor = [], [], {}, dict.fromkeys(FLOOR, float("inf"))
        for _ in range(ROUNDS):
            started = time.perf_counter()
            raw.execute(SUM).fetchall()
            plain.append(time.perf_counter() - started)
            for name, statement in FLOOR.items():
                started = time.perf_counter()
                raw.execute(statement).fetchall()
                floor[name] = min(floor[name], time.perf_counter() - started)
            started, last = time.perf_counter(), ["", time.perf_counter()]

            def step(name: str, _title: str, last: list = last) -> None:
                now = time.perf_counter()
                steps[last[0]] = min(now - last[1], steps.get(last[0], now))
                last[:] = [name, now]

            run = reconcile(ReconciliationRequest(), figure_differences=figure_differences, progress=step)
            step("", "")
            proved.append(time.perf_counter() - started)
            assert run.verdict == "clean", run.findings
    connections.close_all()
    for name, seconds in floor.items():
        print(f"  {name}: {seconds:.2f} s, {seconds / min(plain):.1f} times the sum")
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:,} entries; sum by account {min(plain):.2f} s; reconcile {min(proved):.2f} s; ratio {min(proved) / min(plain):.1f}")
    print("by check: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in steps.items() if name))
    print(f"memory of this process at its largest (filling included): {megabytes:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
