"""Workers do not outlive their supervisor: one that was killed would leave them serving, on its port, with nobody to restart them."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog

from ledger_project.process.lifecycle import must_live

SUPERVISOR = "LEDGER_SUPERVISOR_PID"
"""Environment variable by which ``manage.py serve`` tells its workers who it is."""

_CHECK_S = 1.0

log = structlog.get_logger(__name__)
_tasks: set[asyncio.Task[None]] = set()


async def watch_supervisor() -> None:
    """Start looking after the supervisor, if there is one; without it, end as for SIGTERM."""
    if SUPERVISOR in os.environ and os.getppid() == int(os.environ[SUPERVISOR]):
        task = asyncio.create_task(_watch(os.getppid()), name="supervisor-watch")
        must_live(task)
        _tasks.add(task)


async def _watch(supervisor: int) -> None:
    while os.getppid() == supervisor:
        await asyncio.sleep(_CHECK_S)
    log.warning("supervisor.gone", pid=supervisor)
    os.kill(os.getpid(), signal.SIGTERM)
