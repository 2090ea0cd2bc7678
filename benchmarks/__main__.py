"""Measure transfers over HTTP beside pgbench, on one server in one run, and print the ratios. ``SECONDS`` (10) is how long each takes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg

from benchmarks import load
from ledger_project.database import EmbeddedPostgres
from tests.invariants import INVARIANTS

HERE = Path(__file__).parent
ROOT = HERE.parent
SECONDS = float(os.environ.get("SECONDS", "10"))
CONNECTIONS = 32
MERCHANTS = 100
OPENING = "1000000000.00"


def names() -> list[str]:
    return [f"bench{n:04}" for n in range(MERCHANTS)]


def call(port: int, path: str, body: object, key: str | None = None) -> dict[str, object]:
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())  # type: ignore[no-any-return]


@contextlib.contextmanager
def service(url: str, port: int, workers: int) -> Iterator[None]:
    """Run the service as production does, on this database."""
    environment = os.environ | {
        "DATABASE_URL": url,
        "SECRET_KEY": secrets.token_hex(),
        "LEDGER_LOG_LEVEL": "INFO",
        "WORKERS": str(workers),
        "PORT": str(port),
    }
    with Path(os.devnull).open("w") as nowhere:
        process = subprocess.Popen([sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, stdout=nowhere, stderr=nowhere)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(30)


def uniform(dice: random.Random) -> bytes:
    source, target = dice.sample(range(MERCHANTS), 2)
    return transfer(f"bench{source:04}", f"bench{target:04}")


def to_one(dice: random.Random) -> bytes:
    return transfer(f"bench{dice.randrange(1, MERCHANTS):04}", "bench0000")


def transfer(source: str, target: str) -> bytes:
    body = b'{"from_merchant":"%s","to_merchant":"%s","currency":"USD","amount":"1.00"}' % (source.encode(), target.encode())
    return load.post("/transfers", body, secrets.token_hex(12))


def counted(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM transfers_transfer WHERE kind = 'transfer' AND principal <> 'pgbench'").fetchone()
        return int(row[0]) if row else 0


def invariants(url: str) -> None:
    """Nothing that was measured may have cost a guarantee."""
    with psycopg.connect(url) as connection:
        for name, statement in INVARIANTS.items():
            found = connection.execute(statement + " LIMIT 1").fetchall()
            if found:
                raise SystemExit(f"violated: {name}: {found}")


def pgbench(server: EmbeddedPostgres, url: str, *, clients: int = 8) -> tuple[float, float]:
    """Return transfers a second and the mean latency in ms of the same SQL, one function call a transaction."""
    with psycopg.connect(url) as connection:
        connection.execute((HERE / "pgbench_functions.sql").read_text())  # type: ignore[arg-type]
        connection.execute(
            "INSERT INTO bench_accounts SELECT row_number() OVER (ORDER BY m.name), w.id, f.id FROM merchants_merchant m "
            "JOIN merchants_account w ON w.merchant_id = m.id AND w.kind = 'wallet' AND w.currency_id = 'USD' "
            "JOIN merchants_account f ON f.merchant_id = m.id AND f.kind = 'fees' AND f.currency_id = 'USD' WHERE m.name LIKE 'bench%'"
        )
        (accounts,) = connection.execute("SELECT count(*) FROM bench_accounts").fetchone() or (0,)
    binary = server.command("pgbench") if Path(server.command("pgbench")).exists() else shutil.which("pgbench")
    command = [str(binary), "-n", "-M", "prepared", "-T", str(int(SECONDS)), "-c", str(clients), "-j", "2", "-D", f"accounts={accounts}"]
    output = subprocess.run([*command, "-f", str(HERE / "pgbench.sql"), url], capture_output=True, text=True, check=True).stdout
    rate, latency = re.search(r"tps = ([\d.]+)", output), re.search(r"latency average = ([\d.]+)", output)
    assert rate is not None
    assert latency is not None
    return float(rate[1]), float(latency[1])


def report(rows: list[tuple[str, float, float, float]], limit: float) -> str:
    lines = [
        f"# Benchmark\n\n{SECONDS:.0f} s each, one machine with {os.cpu_count()} cores shared by PostgreSQL, service and load; fsync and",
        "synchronous_commit on, all guards and hashes in place. Each transfer is committed with its fee, four entries and its key.\n",
        "| what | transfers/s | of pgbench | p50 ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [f"| {name} | {rate:,.0f} | {rate / limit:.2f} | {p50:.1f} | {p99:.1f} |" for name, rate, p50, p99 in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run everything and write ``benchmarks/report.md``."""
    data_dir = ROOT / ".data-bench"
    shutil.rmtree(data_dir, ignore_errors=True)
    server = EmbeddedPostgres(data_dir)
    with server.running():
        url = f"postgresql://postgres@/ledger?host={server.socket_dir}"
        rows: list[tuple[str, float, float, float]] = []
        port, acknowledged = 8700 + secrets.randbelow(200), 0
        for workers in (1, 2):
            with service(url, port, workers):
                if workers == 1:
                    for name in names():
                        call(port, "/merchants", {"merchant_name": name, "currency": "USD", "initial_balance": OPENING})
                for what, make in (("many accounts", uniform), ("all to one receiver", to_one)):
                    acknowledged += load.run(port, make, connections=CONNECTIONS, seconds=2).statuses[201]
                    result = load.run(port, make, connections=CONNECTIONS, seconds=SECONDS)
                    acknowledged += result.statuses[201]
                    if set(result.statuses) != {201}:
                        raise SystemExit(f"unexpected answers: {result.statuses}")
                    name = f"HTTP, {CONNECTIONS} connections, {workers} worker{'s' * (workers > 1)}, {what}"
                    rows.append((name, result.rate, result.percentile_ms(0.5), result.percentile_ms(0.99)))
        invariants(url)
        if counted(url) != acknowledged:
            raise SystemExit(f"{acknowledged} transfers were acknowledged, {counted(url)} are stored")
        limit, latency = pgbench(server, url)
        rows.append(("pgbench, the same SQL in one function call, 8 clients, many accounts", limit, latency, float("nan")))
        text = report(rows, limit)
        (HERE / "report.md").write_text(text)
        print(text)


if __name__ == "__main__":
    main()
