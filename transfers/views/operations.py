"""``GET /operations/summary``: the dashboard's figures as JSON."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from ledger_project.database.readers import in_reader
from ledger_project.http.responses import json_response
from ledger_project.http.schema import extend_schema, problem_responses
from ledger_project.http.views import ApiView
from ledger_project.kernel.actors import Scope
from transfers.figures.summary import read_summary
from transfers.serializers.operations import SummaryJson, SummaryQuery, summary_json


class SummaryView(ApiView):
    """The service's figures in one currency."""

    scopes = {"GET": Scope.OPERATIONS_READ}
    takes_session = True
    queries = {"GET": SummaryQuery}

    @extend_schema(
        operation_id="operations_summary",
        tags=["operations"],
        responses={
            200: SummaryJson,
            **problem_responses("not_authenticated", "permission_denied", "validation_error", "unknown_currency", "database_unavailable"),
        },
    )
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Show value held, movements by kind and day, fee income, refusals and top merchants of one
        currency; for operators.
        """
        values = self.query.values
        return json_response(summary_json(await in_reader(read_summary, values.get("currency"), values.get("from"), values.get("to"))))
