"""What happens while a service takes too long to come back: printed, so that a failed test can be understood."""

from __future__ import annotations

import asyncio
import time

import psycopg

from tests.faults.gremlin import Gremlin
from tests.support.log_secrets import LOGS

PATIENCE_S = 2.5
"""A service that takes longer to come back is looked at."""

_SESSIONS = """
SELECT application_name, state, wait_event, now() - xact_start, pg_blocking_pids(pid), left(query, 80)
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


async def recovered(gremlin: Gremlin, kind: str, back_at: float) -> float:
    """Return after how many seconds a transfer was acknowledged; say what is to be seen if that takes long."""
    recovery = asyncio.create_task(gremlin.load.recovered(back_at))
    while not recovery.done():
        await asyncio.wait({recovery}, timeout=PATIENCE_S)
        if not recovery.done():
            print(f"{kind}: not back after {time.monotonic() - back_at:.1f} s")
            await _look(gremlin)
    return await recovery


async def _look(gremlin: Gremlin) -> None:
    now = time.monotonic()
    print("requests without an answer:", sorted((round(now - since, 2), path) for since, path in gremlin.load.under_way.values()))
    print("answers until now:", dict(gremlin.load.answers))
    try:
        for row in await asyncio.to_thread(gremlin.cluster.ask, _SESSIONS):
            print("session:", *row)
    except psycopg.Error as error:
        print("the database does not answer:", error)
    log = (LOGS / f"{gremlin.service.port}.log").read_text(errors="replace")
    print("log:", *log.splitlines()[-40:], sep="\n  ")
