"""Workers end with their supervisor.

The workers of a killed supervisor would keep its port, and nothing would restart them.
"""

from __future__ import annotations

import asyncio
import os
import signal

import structlog

from ledger_project.process.lifecycle import must_live

SUPERVISOR = "LEDGER_SUPERVISOR_PID"
"""Environment variable with the process id of the supervisor. ``manage.py serve`` sets it."""

_CHECK_S = 1.0

log = structlog.get_logger(__name__)
_tasks: set[asyncio.Task[None]] = set()


async def watch_supervisor() -> None:
    """Start watching the supervisor, if there is one. If it is gone, end as for SIGTERM."""
    if SUPERVISOR in os.environ and os.getppid() == int(os.environ[SUPERVISOR]):
        task = asyncio.create_task(_watch(os.getppid()), name="supervisor-watch")
        must_live(task)
        _tasks.add(task)


async def _watch(supervisor: int) -> None:
    while os.getppid() == supervisor:
        await asyncio.sleep(_CHECK_S)
    log.warning("supervisor.gone", pid=supervisor)
    os.kill(os.getpid(), signal.SIGTERM)
