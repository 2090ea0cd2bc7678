"""What a page of a statement costs, wherever it is and however long the account: ``python -m benchmarks.statement_pages``.

An account of ``ENTRIES`` (100,000) entries is made by the batch call, then its first, middle and last page of 50 lines are asked for in
turn, beside the first page of an account of 1,000 entries. Prints a table in Markdown.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import time
import urllib.request
from typing import Any

from benchmarks.machines import ROOT, Database, Served, ledger

ENTRIES = int(os.environ.get("ENTRIES", "100000"))
SHORT = 1_000
BATCH = 1_000
LINES = 50
ROUNDS = 200


def ask(served: Served, path: str, body: object = None) -> Any:
    """GET, or POST a body, and return the answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(12)}
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{served.port}{path}", data, headers), timeout=60) as answer:
        return json.load(answer)


def account(served: Served, payer: str, entries: int) -> str:
    """Make a merchant whose wallet has so many entries, and return the wallet's id."""
    name = f"statement_{entries}"
    made = ask(served, "/merchants", {"merchant_name": name, "currency": "USD", "initial_balance": "1.00"})
    for start in range(1, entries, BATCH):
        pair = {"from_merchant": payer, "to_merchant": name, "currency": "USD", "amount": "1.00"}
        items = [{**pair, "idempotency_key": secrets.token_hex(12)} for _ in range(min(BATCH, entries - start))]
        answered = ask(served, "/transfers/batch", {"transfers": items})
        assert all(result["status"] == 201 for result in answered["results"])
    return str(made["balances"][0]["account_id"])


def page_before(served: Served, account_id: str, skipped: int) -> str:
    """Return the path of the page after so many lines, found as a caller would: from page to page."""
    path = f"/accounts/{account_id}/statement"
    cursor, seen = "", 0
    while seen < skipped:
        step = min(200, skipped - seen)
        cursor = ask(served, f"{path}?limit={step}" + (f"&cursor={cursor}" if cursor else ""))["next_cursor"]
        seen += step
    return f"{path}?limit={LINES}" + (f"&cursor={cursor}" if cursor else "")


def main() -> None:
    """Measure and print."""
    data_dir = ROOT / ".data-bench-statements"
    shutil.rmtree(data_dir, ignore_errors=True)
    database = Database(data_dir)
    with database.running(), ledger(database.create("statements"), 1) as served:
        ask(served, "/merchants", {"merchant_name": "payer", "currency": "USD", "initial_balance": "10000000.00"})
        long, short = account(served, "payer", ENTRIES), account(served, "payer", SHORT)
        pages = {
            f"{ENTRIES:,} entries, first page": page_before(served, long, 0),
            f"{ENTRIES:,} entries, middle page": page_before(served, long, ENTRIES // 2),
            f"{ENTRIES:,} entries, last page": page_before(served, long, ENTRIES - LINES),
            f"{SHORT:,} entries, first page": page_before(served, short, 0),
        }
        taken: dict[str, list[float]] = {name: [] for name in pages}
        for number in range(ROUNDS + 10):
            for name, path in pages.items():
                started = time.perf_counter()
                items = ask(served, path)["items"]
                if number >= 10:
                    taken[name].append(time.perf_counter() - started)
                assert len(items) == LINES, (name, len(items))
    shutil.rmtree(data_dir, ignore_errors=True)
    first = statistics.median(next(iter(taken.values())))
    print(f"| page of {LINES} lines | median ms | p95 ms | of the first |\n| --- | ---: | ---: | ---: |")
    for name, times in taken.items():
        p95 = sorted(times)[int(len(times) * 0.95)]
        print(f"| {name} | {statistics.median(times) * 1000:.2f} | {p95 * 1000:.2f} | {statistics.median(times) / first:.2f} |")


if __name__ == "__main__":
    main()
