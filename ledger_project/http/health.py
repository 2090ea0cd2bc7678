"""Health and readiness of the process, and its metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import structlog
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

from ledger_project.database.connections import EncodingRefused, drop_connection
from ledger_project.database.lost_rows import on_forgetting
from ledger_project.database.poolers import StartRefused, refused_pooler
from ledger_project.database.readers import in_reader
from ledger_project.database.sqlstates import driver_error, meaning_of, sqlstate_of
from ledger_project.http.responses import json_response
from ledger_project.http.schema import HealthJson, extend_schema, problem_responses
from ledger_project.http.views import ApiView
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.errors import DatabaseUnavailable
from ledger_project.observability import metrics
from ledger_project.process.lifecycle import failed_tasks

log = structlog.get_logger(__name__)


def _check_tasks() -> None:
    failed = failed_tasks()
    if failed:
        raise DatabaseUnavailable(f"This process is ending: {', '.join(failed)} failed.")


class HealthView(ApiView):
    """The process lives."""

    is_public = True

    @extend_schema(operation_id="healthz", tags=["health"], responses={200: HealthJson, **problem_responses("database_unavailable")})
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer at once, without a look at anything outside; 503 once a task that the process
        needs has failed.
        """
        del request
        _check_tasks()
        return json_response({"status": "ok"})


def _takes_writes() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean")
        in_recovery, is_read_only = cursor.fetchone()
    if in_recovery:
        # The next connection may be to the primary, if DATABASE_URL names several hosts.
        drop_connection()
        return "The database is a standby: it takes no writes."
    return "The database is read-only." if is_read_only else None


class _Seen:
    """Results that hold as long as the connections do."""

    is_migrated = False


def _forget() -> None:
    _Seen.is_migrated = False


on_forgetting(_forget)


def _is_migrated() -> str | None:
    if not _Seen.is_migrated:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            return f"{len(pending)} migrations are not applied; run manage.py migrate"
        _Seen.is_migrated = True
    return None


@cache
def _checks() -> tuple[Callable[[], str | None], ...]:
    """Return the checks in their order.

    Each returns the obstacle to postings in a sentence, or None.
    """
    further = [import_string(name) for name in settings.LEDGER_READINESS_CHECKS]
    return (refused_pooler, _takes_writes, _is_migrated, *further)


def check_readiness() -> str | None:
    """Return the first obstacle to postings; None if there is none."""
    for check in _checks():
        missing = check()
        if missing is not None:
            return missing
    return None


async def refuse_what_cannot_work() -> None:
    """Raise ``StartRefused`` for an error that does not pass.

    An unavailable database is waited for (``/readyz``).
    """
    try:
        refusal = await in_reader(refused_pooler)
    except Exception as error:
        cause = driver_error(error)
        if isinstance(cause, EncodingRefused):
            raise StartRefused(str(cause)) from None
        if meaning_of(error) is None:
            raise
        log.warning("start.database_unavailable", error=type(error).__name__, sqlstate=sqlstate_of(error))
        return
    if refusal is not None:
        raise StartRefused(refusal)


class ReadinessView(ApiView):
    """The database takes postings."""

    is_public = True

    @extend_schema(operation_id="readyz", tags=["health"], responses={200: HealthJson, **problem_responses("database_unavailable")})
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer 503 with what is missing until everything is there."""
        del request
        _check_tasks()
        missing = await in_reader(check_readiness)
        if missing is not None:
            raise DatabaseUnavailable(missing)
        return json_response({"status": "ready"})


class MetricsView(ApiView):
    """What Prometheus asks."""

    scopes = {"GET": Scope.OPERATIONS_READ}
    offers = {"GET": ("text/plain",)}

    @extend_schema(exclude=True)
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Return the figures of all workers."""
        del request
        return HttpResponse(await in_reader(metrics.exposition), content_type=metrics.CONTENT_TYPE)
