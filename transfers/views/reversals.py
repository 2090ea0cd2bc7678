"""``/transfers/{id}/reverse``: reverse a transfer."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from approvals.serializers import ApprovalRequiredJson
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.refusals import TransferNotFound
from transfers.serializers.reversals import ReverseBody
from transfers.serializers.transfers import TransferJson
from transfers.services import reversals
from transfers.views.posting_calls import actor_of, amount_of, answer, details_of, path_uuid, renderer, request_key, submitter
from transfers.views.refusal_codes import KEY_CODES, MOVE_CODES
from transfers.views.transfers import posted


class ReverseView(ApiView):
    """The reversal of a transfer."""

    scopes = {"POST": Scope.TRANSFERS_WRITE}

    @extend_schema(
        operation_id="reverse_transfer",
        tags=["transfers"],
        request=ReverseBody,
        parameters=[idempotency_key(required=True), REPLAYED],
        responses={
            201: TransferJson,
            202: ApprovalRequiredJson,
            **problem_responses(
                *ALWAYS,
                *KEY_CODES,
                *MOVE_CODES,
                "transfer_not_found",
                "already_reversed",
                "reversal_exceeds_original",
                "not_reversible",
            ),
        },
    )
    async def post(self, request: HttpRequest, transfer_id: str) -> HttpResponse:
        """Send money back where it came from: all that is not yet reversed, or an amount of it."""
        body = read_body(request)
        values = validate(ReverseBody, body)
        amount = amount_of(values, optional=True)
        key = request_key(request, body)
        result = await reversals.reverse_transfer(
            path_uuid(transfer_id, TransferNotFound),
            amount,
            details_of(request, values),
            refund_fee=values["refund_fee"],
            actor=actor_of(request),
            key=key,
            render=renderer(request, 201, posted),
            submit=submitter(request),
        )
        return answer(request, result)
