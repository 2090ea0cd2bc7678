"""``/accounts/{id}/deposit`` and ``/accounts/{id}/withdraw``: deposits and withdrawals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.http import HttpRequest, HttpResponse

from approvals.serializers import ApprovalRequiredJson
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.refusals import AccountNotFound
from transfers.domain.outcome import Posted, required
from transfers.posting.jobs import Result
from transfers.serializers.accounts import account_json
from transfers.serializers.cash import MovementJson
from transfers.serializers.movements import MovementBody
from transfers.serializers.transfers import posted_transfer_json
from transfers.services import cash
from transfers.views.posting_calls import actor_of, amount_of, answer, details_of, path_uuid, renderer, request_key, submitter
from transfers.views.refusal_codes import KEY_CODES


def _moved(posted: Posted) -> object:
    return {"account": account_json(required(posted.account)), "transfer": posted_transfer_json(required(posted.transfer))}


async def _cross(request: HttpRequest, account_id: str, service: Callable[..., Awaitable[Result]]) -> HttpResponse:
    body = read_body(request)
    values = validate(MovementBody, body)
    amount = amount_of(values)
    key = request_key(request, body)
    result = await service(
        path_uuid(account_id, AccountNotFound),
        amount,
        details_of(request, values),
        actor=actor_of(request),
        key=key,
        render=renderer(request, 200, _moved),
        submit=submitter(request),
    )
    return answer(request, result)


_CROSS_CODES = (
    *ALWAYS,
    *KEY_CODES,
    "account_not_found",
    "account_frozen",
    "account_closed",
    "duplicate_external_reference",
    "balance_limit_exceeded",
)


class DepositView(ApiView):
    """Deposits."""

    scopes = {"POST": Scope.TRANSFERS_WRITE}

    @extend_schema(
        operation_id="deposit",
        tags=["accounts"],
        request=MovementBody,
        parameters=[idempotency_key(required=True), REPLAYED],
        responses={200: MovementJson, 202: ApprovalRequiredJson, **problem_responses(*_CROSS_CODES, "currency_inactive")},
    )
    async def post(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Bring money from outside into a wallet."""
        return await _cross(request, account_id, cash.deposit)


class WithdrawView(ApiView):
    """Withdrawals."""

    scopes = {"POST": Scope.TRANSFERS_WRITE}

    @extend_schema(
        operation_id="withdraw",
        tags=["accounts"],
        request=MovementBody,
        parameters=[idempotency_key(required=True), REPLAYED],
        responses={200: MovementJson, 202: ApprovalRequiredJson, **problem_responses(*_CROSS_CODES, "insufficient_funds")},
    )
    async def post(self, request: HttpRequest, account_id: str) -> HttpResponse:
        """Send money from a wallet outside."""
        return await _cross(request, account_id, cash.withdraw)
