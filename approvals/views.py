"""``/approvals``: list, show, approve and reject what waits for a second person."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from approvals.domain.errors import ApprovalNotFound
from approvals.selectors.approvals import ApprovalFacts, get_approval, list_approvals
from approvals.serializers import ApprovalJson, ApprovalPageJson, ApprovalQuery, approval_json
from approvals.services.decisions import Decider, approve, reject
from events.serializers.webhooks import NoBody
from ledger_project.database.readers import in_reader
from ledger_project.http.cursors import page_body, page_request
from ledger_project.http.members import Json
from ledger_project.http.requests import api_request
from ledger_project.http.responses import json_response, raw_response
from ledger_project.http.schema import ALWAYS, extend_schema, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.exact_json import dumps_text
from transfers.selectors import get_transfer
from transfers.serializers.operator_actions import ReasonBody
from transfers.serializers.transfers import transfer_json
from transfers.views.posting_calls import actor_of, path_uuid

SCOPES = {"GET": Scope.APPROVALS_WRITE, "POST": Scope.APPROVALS_WRITE}
_DECIDED_CODES = (*ALWAYS, "approval_not_found", "approval_decided")


def _listed(**filters: object) -> list[tuple[UUID, str]]:
    return [(found.id, dumps_text(approval_json(found))) for found in list_approvals(**filters)]  # type: ignore[arg-type]  # passed on as they are


def _shown(approval_id: UUID) -> tuple[ApprovalFacts, Json] | None:
    found = get_approval(approval_id)
    return None if found is None else (found, approval_json(found))


async def _whole(approval_id: UUID) -> HttpResponse:
    """Return an approval with its result."""
    shown = await in_reader(_shown, approval_id)
    if shown is None:
        raise ApprovalNotFound(approval_id)
    facts, listed = shown
    transfer = None if facts.transfer_id is None else await get_transfer(facts.transfer_id)
    result = None if transfer is None else {"transfer": transfer_json(transfer[0])}
    return json_response({**listed, "result": result})


def _decider(request: HttpRequest) -> Decider:
    return Decider(actor_of(request).principal, api_request(request).request_id)


class ApprovalsView(ApiView):
    """The collection of approvals."""

    scopes = SCOPES
    queries = {"GET": ApprovalQuery}

    @extend_schema(
        operation_id="list_approvals",
        tags=["approvals"],
        responses={200: ApprovalPageJson, **problem_responses("invalid_cursor", "validation_error", "database_unavailable")},
    )
    async def get(self, request: HttpRequest) -> HttpResponse:
        """List approvals, newest first."""
        del request
        page = page_request(self.query, "approvals")
        before = None if page.position is None else path_uuid(page.position, ApprovalNotFound)
        found = await in_reader(_listed, status=page.values.get("status"), before=before, limit=page.limit + 1)
        return raw_response(200, page_body([text for _, text in found], page, lambda index: str(found[index][0])))


class ApprovalView(ApiView):
    """One approval."""

    scopes = SCOPES

    @extend_schema(
        operation_id="get_approval",
        tags=["approvals"],
        responses={200: ApprovalJson, **problem_responses("approval_not_found", "database_unavailable")},
    )
    async def get(self, request: HttpRequest, approval_id: str) -> HttpResponse:
        """Show an approval, with its result once it was carried out."""
        del request
        return await _whole(path_uuid(approval_id, ApprovalNotFound))


async def _decide(approval_id: str, decide: Callable[[UUID], ApprovalFacts]) -> HttpResponse:
    decided = await in_reader(decide, path_uuid(approval_id, ApprovalNotFound))
    return await _whole(decided.id)


class ApproveView(ApiView):
    """The approval of what somebody else asked for."""

    scopes = SCOPES

    @extend_schema(
        operation_id="approve",
        tags=["approvals"],
        request=NoBody,
        responses={200: ApprovalJson, **problem_responses(*_DECIDED_CODES)},
    )
    async def post(self, request: HttpRequest, approval_id: str) -> HttpResponse:
        """Approve: the command is carried out as it was, against the facts of this moment. If the
        ledger refuses it, the approval is `failed`. Doing it twice is doing it once.
        """
        validate(NoBody, read_body(request))
        decider = _decider(request)
        return await _decide(approval_id, lambda wanted: approve(wanted, decider))


class RejectView(ApiView):
    """The rejection of what somebody else asked for."""

    scopes = SCOPES

    @extend_schema(
        operation_id="reject",
        tags=["approvals"],
        request=ReasonBody,
        responses={200: ApprovalJson, **problem_responses(*_DECIDED_CODES)},
    )
    async def post(self, request: HttpRequest, approval_id: str) -> HttpResponse:
        """Reject, for a reason: nothing is posted. Doing it twice is doing it once."""
        reason = validate(ReasonBody, read_body(request))["reason"]
        decider = _decider(request)
        return await _decide(approval_id, lambda wanted: reject(wanted, reason, decider))
