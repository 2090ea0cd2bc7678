"""``/holds``: place, list, show, capture and void holds."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from approvals.serializers import ApprovalRequiredJson
from ledger_project.http.cursors import page_body, page_request
from ledger_project.http.responses import raw_response
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.refusals import HoldNotFound
from merchants.selectors import identify
from transfers import selectors
from transfers.domain.outcome import Posted, required
from transfers.serializers.holds import CaptureBody, HoldBody, HoldJson, HoldPageJson, HoldQuery, VoidBody, hold_json, hold_texts
from transfers.serializers.transfers import TransferJson
from transfers.services import holds
from transfers.services.holds import HoldRequest
from transfers.views.posting_calls import actor_of, amount_of, answer, details_of, path_uuid, renderer, request_key, submitter
from transfers.views.refusal_codes import FEE_CODES, KEY_CODES, MOVE_CODES
from transfers.views.transfers import posted

END_CODES = ("hold_not_found", "hold_not_open", "hold_expired")


def _hold(posted: Posted) -> object:
    return hold_json(required(posted.hold))


class HoldsView(ApiView):
    """The collection of holds."""

    scopes = {"GET": Scope.TRANSFERS_READ, "POST": Scope.TRANSFERS_WRITE}
    queries = {"GET": HoldQuery}

    @extend_schema(
        operation_id="place_hold",
        tags=["holds"],
        request=HoldBody,
        parameters=[idempotency_key(required=True), REPLAYED],
        responses={
            201: HoldJson,
            **problem_responses(
                *ALWAYS, *KEY_CODES, *MOVE_CODES, *FEE_CODES, "merchant_not_found", "currency_inactive", "unknown_currency", "same_account"
            ),
        },
    )
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Reserve an amount and the fee that its capture will cost."""
        body = read_body(request)
        values = validate(HoldBody, body)
        amount = amount_of(values)
        key = request_key(request, body)
        wanted = HoldRequest(
            values["from_merchant"],
            values["to_merchant"],
            values["currency"],
            amount,
            values["expires_in"],
            details_of(request, values),
        )
        return answer(request, await holds.place_hold(wanted, actor=actor_of(request), key=key, render=renderer(request, 201, _hold)))

    @extend_schema(
        operation_id="list_holds",
        tags=["holds"],
        responses={200: HoldPageJson, **problem_responses("invalid_cursor", "validation_error", "database_unavailable")},
    )
    async def get(self, request: HttpRequest) -> HttpResponse:
        """List holds, newest first."""
        page = page_request(self.query, "holds")
        name = page.values.get("merchant")
        merchant = (await identify(names=[name])).merchant(name) if name else None
        if merchant is None and name:
            return raw_response(200, page_body([], page, str))
        found = await selectors.visible_holds(
            merchant_id=merchant.id if merchant else None,
            status=page.values.get("status"),
            before=None if page.position is None else path_uuid(page.position, HoldNotFound),
            limit=page.limit + 1,
            actor=actor_of(request),
        )
        return raw_response(200, page_body(hold_texts(found), page, lambda index: found.rows[index][0]))


class HoldView(ApiView):
    """One hold."""

    scopes = {"GET": Scope.TRANSFERS_READ}

    @extend_schema(
        operation_id="get_hold",
        tags=["holds"],
        responses={200: HoldJson, **problem_responses("hold_not_found", "database_unavailable")},
    )
    async def get(self, request: HttpRequest, hold_id: str) -> HttpResponse:
        """Show a hold."""
        wanted = path_uuid(hold_id, HoldNotFound)
        found = await selectors.visible_hold(wanted, actor=actor_of(request))
        if found is None:
            raise HoldNotFound(wanted)
        (text,) = hold_texts(found)
        return raw_response(200, text.encode())


class CaptureView(ApiView):
    """The capture of a hold."""

    scopes = {"POST": Scope.TRANSFERS_WRITE}

    @extend_schema(
        operation_id="capture_hold",
        tags=["holds"],
        request=CaptureBody,
        parameters=[idempotency_key(required=True), REPLAYED],
        responses={
            201: TransferJson,
            202: ApprovalRequiredJson,
            **problem_responses(*ALWAYS, *KEY_CODES, *MOVE_CODES, *END_CODES, "capture_exceeds_hold", "fee_exceeds_amount"),
        },
    )
    async def post(self, request: HttpRequest, hold_id: str) -> HttpResponse:
        """Pay out of a hold, once: all of it or an amount; what is left over is released."""
        body = read_body(request)
        values = validate(CaptureBody, body)
        amount = amount_of(values, optional=True)
        key = request_key(request, body)
        result = await holds.capture_hold(
            path_uuid(hold_id, HoldNotFound),
            amount,
            details_of(request, values),
            actor=actor_of(request),
            key=key,
            render=renderer(request, 201, posted),
            submit=submitter(request),
        )
        return answer(request, result)


class VoidView(ApiView):
    """The void of a hold."""

    scopes = {"POST": Scope.TRANSFERS_WRITE}

    @extend_schema(
        operation_id="void_hold",
        tags=["holds"],
        request=VoidBody,
        parameters=[idempotency_key(required=True), REPLAYED],
        responses={200: HoldJson, **problem_responses(*ALWAYS, *KEY_CODES, *END_CODES)},
    )
    async def post(self, request: HttpRequest, hold_id: str) -> HttpResponse:
        """Give all of a hold's money back; the memo is that of the lines by which it comes back."""
        body = read_body(request)
        values = validate(VoidBody, body)
        key = request_key(request, body)
        result = await holds.void_hold(
            path_uuid(hold_id, HoldNotFound),
            details_of(request, values),
            actor=actor_of(request),
            key=key,
            render=renderer(request, 200, _hold),
        )
        return answer(request, result)
