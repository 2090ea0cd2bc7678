"""The application that uvicorn serves.

The API takes its lean path, the admin and static files take Django's full stack.
"""

from __future__ import annotations

import gc
import os

# What is loaded stays. Collecting garbage meanwhile takes a sixth of the time.
gc.disable()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledger_project.settings")

import django

django.setup()

import structlog
from django.conf import settings

from ledger_project.database.poolers import StartRefused
from ledger_project.http.asgi import Application, AsgiScope, Receive, Send
from ledger_project.http.full_stack import FullStack
from ledger_project.http.handler import ApiHandler
from ledger_project.process import lifecycle

log = structlog.get_logger(__name__)

_api: Application = ApiHandler()
if settings.LEDGER_TRACING:
    from ledger_project.http.tracing import traced
    from ledger_project.observability import tracing

    _api = traced(_api)
    lifecycle.on_shutdown(tracing.current().stop)
_full_stack = FullStack()
gc.enable()


async def application(scope: AsgiScope, receive: Receive, send: Send) -> None:
    """Serve one connection."""
    if scope["type"] == "http":
        is_for_people = scope["path"].startswith(settings.LEDGER_FULL_STACK_PREFIXES)
        await (_full_stack if is_for_people else _api)(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await send({"type": "websocket.close", "code": 1000})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await lifecycle.startup()
            except StartRefused as error:
                log.critical("start.refused", reason=str(error))
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        else:
            await lifecycle.shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return
