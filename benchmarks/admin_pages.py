"""``python -m benchmarks.admin_pages``: every page of the admin over a million entries, how long it takes and whether it scans the journal.

Works on a database of its own in the embedded PostgreSQL, in a folder that is thrown away (``--keep`` keeps it). Each page is opened a
few times in this process; the slowest and the median count. Scans are counted by PostgreSQL itself (``pg_stat_user_tables.seq_scan``).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

LIMIT_MS = 300
ROUNDS = 5


def addresses() -> dict[str, str]:
    """Return the pages that are measured, those of the busiest objects."""
    from django.contrib import admin
    from django.db import connection
    from django.urls import reverse

    def one(statement: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return str(cursor.fetchone()[0])

    account = one("SELECT account_id FROM transfers_ledgerentry WHERE type = 'transfer' GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    merchant = one(f"SELECT merchant_id FROM merchants_account WHERE id = '{account}'")
    name = one(f"SELECT name FROM merchants_merchant WHERE id = '{merchant}'")
    transfer = one("SELECT id FROM transfers_transfer WHERE kind = 'transfer' ORDER BY id DESC LIMIT 1")
    key = one("SELECT id FROM transfers_idempotencyrecord ORDER BY created_at DESC LIMIT 1")
    found = {
        f"list: {model._meta.verbose_name_plural}": reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
    }
    transfers, accounts = found["list: transfers"], found["list: accounts"]
    day = one("SELECT (now() AT TIME ZONE 'UTC')::date - 30")
    page = f"/admin/merchants/account/{account}/change/"
    return found | {
        "dashboard": "/admin/",
        "dashboard, a year": "/admin/?currency=USD&from=2026-01-01&to=2026-12-31",
        "summary as JSON": "summary",
        "list: transfers, page 200": f"{transfers}?p=200",
        "list: transfers of a rare kind": f"{transfers}?kind=reversal",
        "list: transfers of the usual kind": f"{transfers}?kind=transfer",
        "list: movements of a currency": f"{transfers}?kind=movements&currency=USD",
        "list: transfers of the busiest": f"{transfers}?merchant={name}",
        "list: of the busiest, page 200": f"{transfers}?merchant={name}&p=200",
        "list: of the busiest, one kind": f"{transfers}?merchant={name}&kind=reversal",
        "list: transfers of an amount": f"{transfers}?currency=USD&amount_from=112.50&amount_to=112.50",
        "list: of the busiest, of an amount": f"{transfers}?merchant={name}&currency=USD&amount_from=112.50&amount_to=112.50",
        "list: transfers reversed in full": f"{transfers}?state=reversed",
        "list: transfers not reversed": f"{transfers}?state=unreversed",
        "list: transfers with fees": f"{transfers}?currency=USD&fees=either",
        "list: wallets and held, a day": f"{accounts}?currency=USD&kind=value&owner=merchants&at={day}",
        "list: merchants with money in": f"{found['list: merchants']}?currency=USD",
        "list: merchants with money in, rare": f"{found['list: merchants']}?currency=KWD",
        "export: transfers, cut": f"{transfers}export.csv",
        "export: of the busiest": f"{transfers}export.csv?merchant={name}",
        "list: transfers of the busiest, a day": f"{transfers}?merchant={name}&kind=transfer&from={day}&to={day}",
        "list: of an amount that none has": f"{transfers}?currency=USD&amount_from=99999999&amount_to=99999999",
        "list: transfers of a day": f"{transfers}?from={day}&to={day}",
        "list: holds of the busiest": f"{found['list: holds']}?merchant={name}",
        "list: refusals of the busiest": f"{found['list: refusals']}?merchant={name}",
        "list: refusals of a code": f"{found['list: refusals']}?code=insufficient_funds&currency=USD",
        "list: transfers by id": f"{transfers}?q={transfer}",
        "list: accounts by name": f"{accounts}?q={name}",
        "list: accounts, page 100": f"{accounts}?p=100",
        "list: merchants by part of name": f"{found['list: merchants']}?q=juniper",
        "list: keys by key": f"{found['list: idempotency records']}?q=order-{transfer}",
        "merchant, the busiest": f"/admin/merchants/merchant/{merchant}/change/",
        "account, the busiest": page,
        "account, older page": f"{page}?before=2000",
        "account, a period of fees": f"{page}?type=fee&from=2026-01-01&to=2027-01-01",
        "account, a type it never had": f"{page}?type=capture",
        "transfer": f"/admin/transfers/transfer/{transfer}/change/",
        "transfer: reverse": f"/admin/transfers/transfer/{transfer}/reverse/",
        "merchant: freeze": f"/admin/merchants/merchant/{merchant}/freeze/",
        "transfer: new": "/admin/transfers/transfer/make/",
        "account: deposit": f"/admin/merchants/account/{account}/deposit/",
        "key": f"/admin/transfers/idempotencyrecord/{key}/change/",
        "fee draft": "/admin/fees/feeschedule/new-version/",
        "find by id": f"{reverse('admin:ledger_find')}?q={transfer}",
        "find by part of an id": f"{reverse('admin:ledger_find')}?q={transfer[:13]}",
        "find by name": f"{reverse('admin:ledger_find')}?q=juniper",
        "find by amount": f"{reverse('admin:ledger_find')}?q=100.00",
        "log, by a word": f"{reverse('admin:admin_logentry_changelist')}?q=ticket",
    }


def scans() -> int:
    """Return how often the journal was read from one end to the other, so far."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN ('transfers_ledgerentry', 'transfers_transfer')")
        return int(cursor.fetchone()[0])


def measure() -> int:
    """Open every page; print a line each; return how many were too slow or scanned."""
    from datetime import UTC, datetime, timedelta

    from django.test import Client

    from people.models import User
    from transfers.figures.summary import read_summary

    client = Client()
    client.force_login(User.objects.create_superuser(f"bench-{time.time_ns()}"))
    today = datetime.now(UTC).date()
    bad = 0
    print(f"{'page':38}{'median ms':>10}{'slowest':>9}  scans of entries")
    for name, address in addresses().items():
        before, times = scans(), []
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            if address == "summary":
                read_summary("USD", today - timedelta(days=89), today)
            else:
                status = client.get(address).status_code
                assert status in {200, 302}, (name, status)
            times.append((time.perf_counter() - started) * 1000)
        times = times[1:]  # the first one compiles templates
        scanned = scans() - before
        wrong = max(times) > LIMIT_MS or scanned > 0
        bad += wrong
        print(f"{name:38}{statistics.median(times):10.1f}{max(times):9.1f}  {scanned}{'   <-- TOO MUCH' if wrong else ''}")
    return bad


def run(entries: int, merchants: int) -> int:
    """Fill, measure the figures, then the pages."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.fill import fill
    from ledger_project.database.embedded import EmbeddedPostgres
    from transfers.figures.differences import figure_differences
    from transfers.figures.refresh import refresh_figures

    with EmbeddedPostgres(settings.LEDGER_DATA_DIR).running():
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM transfers_ledgerentry)")
            filled = cursor.fetchone()[0]
        if not filled:
            started = time.perf_counter()
            fill(merchants=merchants, entries=entries)
            print(f"filled and summed up in {time.perf_counter() - started:.1f} s")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM transfers_ledgerentry")
            print(f"{cursor.fetchone()[0]:,} entries")
        started = time.perf_counter()
        refresh_figures()
        print(f"refresh with nothing new: {(time.perf_counter() - started) * 1000:.1f} ms")
        started = time.perf_counter()
        assert figure_differences() == []
        print(f"comparing all figures with all entries: {time.perf_counter() - started:.1f} s")
        return measure()


def main() -> int:
    """Read the options, then run; 1 if a page was too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--merchants", type=int, default=2_000)
    parser.add_argument("--keep", type=Path, help="folder for the database, kept and used again")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "ledger_project.settings"
    os.environ["LEDGER_LOG_LEVEL"] = "CRITICAL"
    os.environ.pop("DATABASE_URL", None)
    if options.keep:
        os.environ["LEDGER_DATA_DIR"] = str(options.keep)
        return int(run(options.entries, options.merchants) > 0)
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as folder:
        os.environ["LEDGER_DATA_DIR"] = folder
        return int(run(options.entries, options.merchants) > 0)


if __name__ == "__main__":
    sys.exit(main())
