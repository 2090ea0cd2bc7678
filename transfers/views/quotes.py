"""``/transfers/quote``: the price of a transfer."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from ledger_project.http.responses import json_response
from ledger_project.http.schema import ALWAYS, extend_schema, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from transfers.serializers.quotes import QuoteJson, quote_json
from transfers.serializers.transfers import TransferBody
from transfers.services import quotes
from transfers.views.posting_calls import actor_of, transfer_request
from transfers.views.refusal_codes import FEE_CODES


class QuoteView(ApiView):
    """The price of a transfer."""

    scopes = {"POST": Scope.FEES_READ}

    @extend_schema(
        operation_id="quote_transfer",
        tags=["transfers"],
        request=TransferBody,
        responses={
            200: QuoteJson,
            **problem_responses(
                *ALWAYS,
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
        """Say what a transfer would cost now; moves nothing and needs no key."""
        values = validate(TransferBody, read_body(request))
        quote = await quotes.quote_transfer(transfer_request(request, values), actor=actor_of(request))
        return json_response(quote_json(quote))
