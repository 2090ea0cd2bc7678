"""Whether the process lives, and whether it can work."""

from __future__ import annotations

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema

from ledger_project import metrics
from ledger_project.http.responses import json_response
from ledger_project.http.schema import HealthJson, problem_responses
from ledger_project.http.views import ApiView
from ledger_project.kernel.access import Scope
from ledger_project.kernel.errors import DatabaseUnavailable
from ledger_project.lifecycle import failed_tasks
from ledger_project.readers import in_reader


def _check_tasks() -> None:
    failed = failed_tasks()
    if failed:
        raise DatabaseUnavailable(f"This process is ending: {', '.join(failed)} failed.")


class HealthView(ApiView):
    """The process lives."""

    is_public = True

    @extend_schema(operation_id="healthz", tags=["health"], responses={200: HealthJson, **problem_responses("database_unavailable")})
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer at once, without a look at anything outside; 503 once a task that the process needs has failed."""
        del request
        _check_tasks()
        return json_response({"status": "ok"})


_migrated = False


def _check_readiness() -> str | None:
    """Return what is not ready; None if everything is. That migrations are applied is remembered: they are not taken back."""
    global _migrated  # noqa: PLW0603 - a fact about this process's database, found once
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if not _migrated:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            return f"{len(pending)} migrations are not applied; run manage.py migrate"
        _migrated = True
    return None


class ReadinessView(ApiView):
    """The database answers and is migrated."""

    is_public = True

    @extend_schema(operation_id="readyz", tags=["health"], responses={200: HealthJson, **problem_responses("database_unavailable")})
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer 503 with what is missing until everything is there."""
        del request
        _check_tasks()
        missing = await in_reader(_check_readiness)
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
