"""What each measure is called, in the run and in its report."""

from __future__ import annotations

PGBENCH = "pgbench, one function call a transfer, 8 clients"
PGBENCH_ONE = "pgbench, the same, all to one receiver"
PGBENCH_SET = "pgbench, set-based batches of 1,000, 1 client"
ONE_WORKER = "HTTP, 64 connections, many accounts, 1 worker"
WITH_KEY = "HTTP, 64 connections, many accounts, with an API key"
LOCKED = "HTTP, 64 connections, many accounts, while 20 clients ask for locked accounts"
CONSTANT = "an adrf view that returns a constant, 1 worker"
IMPORT = "import_transfers, 20,000 lines, without its process"
BATCH_BESIDE_IMPORT = "batch of 1,000, beside the imports"
HALF = "HTTP at half the maximum rate, 64 connections"
UNTOLD = "transfers, 64 connections, nobody reads their events"
CONSUMED = "transfers, 64 connections, the consumer of one webhook, which wants other events"
TOLD = "transfers, 64 connections, one reader of the feed and one webhook"
FEED = "events of the feed by one reader, limit=1000"
DELIVERIES = "deliveries to a local receiver"
LATE = "from posting to delivery, at half the maximum rate"

_PEERS = {
    "fastapi_app": "peer: FastAPI + SQLAlchemy async + asyncpg, 2 workers",
    "plain_django": "peer: Django + DRF, synchronous, 2 workers of 8 threads",
    "hordak_django": "peer: django-hordak behind DRF, 2 workers of 8 threads",
}
_READERS = {"ledger": "ledger", "fastapi_app": "FastAPI peer", "plain_django": "Django peer"}


def peer(module: str) -> str:
    """A peer's transfers."""
    return _PEERS[module]


def single(connections: int, pattern: str) -> str:
    """Single transfers."""
    return f"HTTP, {connections} connection{'s' * (connections > 1)}, {pattern}"


def batch(size: int, pattern: str) -> str:
    """The batch call."""
    return f"batch of {size:,}, {pattern}"


def read(who: str, route: str, connections: int) -> str:
    """A route of the service or a peer."""
    return f"{route}, {'alone' if connections == 1 else f'{connections} connections'}, {_READERS[who]}"


def of_ledger(name: str) -> str:
    """The same read, of the service."""
    return ", ".join([*name.split(", ")[:-1], _READERS["ledger"]])


def mixed(who: str) -> str:
    """Reads and transfers together."""
    return f"80% reads and 20% transfers, 64 connections, {_READERS[who]}"


def postings(who: str) -> str:
    """As many transfers as are answered, before the balances beside them."""
    return f"transfers alone, 64 connections, {_READERS[who]}"


def tail(who: str, *, alone: bool) -> str:
    """Balances by one caller."""
    return f"balance by one caller, {'alone' if alone else 'while postings run at half their rate'}, {_READERS[who]}"
