"""``/transfers``: make, show and list transfers."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from approvals.serializers import ApprovalRequiredJson
from ledger_project.http.cursors import page_body, page_request
from ledger_project.http.responses import json_response, raw_response
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.refusals import TransferNotFound
from merchants.selectors import identify
from transfers import selectors
from transfers.domain.outcome import Posted, required
from transfers.selectors import TransferFilters
from transfers.serializers.statements import entry_json
from transfers.serializers.transfers import (
    TransferBody,
    TransferDetailJson,
    TransferJson,
    TransferPageJson,
    TransferQuery,
    posted_transfer_json,
    transfer_json,
    transfer_texts,
)
from transfers.services import transfers
from transfers.views.posting_calls import actor_of, answer, path_uuid, renderer, request_key, submitter, transfer_request
from transfers.views.refusal_codes import FEE_CODES, KEY_CODES, MOVE_CODES


def posted(outcome: Posted) -> object:
    """Return the transfer that was posted."""
    return posted_transfer_json(required(outcome.transfer))


class TransfersView(ApiView):
    """The collection of transfers."""

    scopes = {"GET": Scope.TRANSFERS_READ, "POST": Scope.TRANSFERS_WRITE}
    queries = {"GET": TransferQuery}

    @extend_schema(
        operation_id="create_transfer",
        tags=["transfers"],
        request=TransferBody,
        parameters=[idempotency_key(required=True), REPLAYED],
        responses={
            201: TransferJson,
            202: ApprovalRequiredJson,
            **problem_responses(
                *ALWAYS,
                *KEY_CODES,
                *MOVE_CODES,
                *FEE_CODES,
                "merchant_not_found",
                "account_not_found",
                "currency_inactive",
                "unknown_currency",
                "currency_mismatch",
                "same_account",
            ),
        },
    )
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Move money from one merchant to another, with the fee that applies."""
        body = read_body(request)
        values = validate(TransferBody, body)
        result = await transfers.execute_transfer(
            transfer_request(request, values),
            actor=actor_of(request),
            key=request_key(request, body),
            render=renderer(request, 201, posted),
            submit=submitter(request),
        )
        return answer(request, result)

    @extend_schema(
        operation_id="list_transfers",
        tags=["transfers"],
        responses={200: TransferPageJson, **problem_responses("invalid_cursor", "validation_error", "database_unavailable")},
    )
    async def get(self, request: HttpRequest) -> HttpResponse:
        """List transfers, newest first."""
        page = page_request(self.query, "transfers")
        filters = await _filters(page.values)
        found = None
        if filters is not None:
            before = None if page.position is None else path_uuid(page.position, TransferNotFound)
            found = await selectors.visible_transfers(filters, before=before, limit=page.limit + 1, actor=actor_of(request))
        if found is None:
            return raw_response(200, page_body([], page, str))
        rows = found.rows
        return raw_response(200, page_body(transfer_texts(found), page, lambda index: rows[index][0]))


async def _filters(values: dict[str, Any]) -> TransferFilters | None:
    """Return the filters with the merchants' ids; None if no transfer can match.

    That is so for an unknown merchant. There are no payments and exchanges yet, so no transfer is a
    part of one.
    """
    named = {name: values[name] for name in ("from", "to", "merchant") if values.get(name)}
    found = await identify(names=named.values())
    ids = {name: merchant.id for name, text in named.items() if (merchant := found.merchant(text)) is not None}
    if len(ids) < len(named) or values.get("payment_id") or values.get("exchange_id"):
        return None
    return TransferFilters(
        from_merchant=ids.get("from"),
        to_merchant=ids.get("to"),
        parties=(ids["merchant"],) if "merchant" in ids else (),
        account=values.get("account_id"),
        currency=values.get("currency") or None,
        kind=values.get("kind") or None,
        external_reference=values.get("external_reference") or None,
        created_from=values.get("created_from"),
        created_to=values.get("created_to"),
    )


class TransferView(ApiView):
    """One transfer."""

    scopes = {"GET": Scope.TRANSFERS_READ}

    @extend_schema(
        operation_id="get_transfer",
        tags=["transfers"],
        responses={200: TransferDetailJson, **problem_responses("transfer_not_found", "database_unavailable")},
    )
    async def get(self, request: HttpRequest, transfer_id: str) -> HttpResponse:
        """Show a transfer with all its entries, those of fee, held and external accounts
        included.
        """
        wanted = path_uuid(transfer_id, TransferNotFound)
        found = await selectors.visible_transfer(wanted, actor=actor_of(request))
        if found is None:
            raise TransferNotFound(wanted)
        view, entries = found
        return json_response({**transfer_json(view), "entries": [entry_json(entry, with_kind=True) for entry in entries]})
