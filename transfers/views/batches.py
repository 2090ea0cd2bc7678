"""``/transfers/batch``: up to 1,000 transfers in one posting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from django.http import HttpRequest, HttpResponse

from approvals.selectors.policies import transfer_guard
from ledger_project.http.idempotency import fingerprint, parse_key
from ledger_project.http.problems import document, problem_response
from ledger_project.http.requests import api_request
from ledger_project.http.responses import raw_response
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.errors import IdempotencyKeyInvalid, InvalidRequest, ValidationFailed
from ledger_project.kernel.exact_json import dumps
from ledger_project.process.fair_loop import map_in_slices
from transfers.posting.jobs import Answer, Envelope, Key, Result
from transfers.serializers.batches import BatchBody, BatchItemBody, BatchJson, BatchSchemaBody
from transfers.services.batches import BatchItem, BatchItemInvalid, execute_batch
from transfers.views.posting_calls import actor_of, answer, renderer, request_key, transfer_request
from transfers.views.refusal_codes import KEY_CODES
from transfers.views.transfers import posted

SINGLE_PATH = "/transfers"
"""An item of a batch is the same request as a single one to this path; the keys of both are one
namespace, so that each replays the other."""


class BatchView(ApiView):
    """Many transfers at once."""

    scopes = {"POST": Scope.TRANSFERS_WRITE}

    @extend_schema(
        operation_id="create_transfer_batch",
        tags=["transfers"],
        request=BatchSchemaBody,
        parameters=[idempotency_key(required=True), REPLAYED],
        responses={
            200: BatchJson,
            **problem_responses(
                *ALWAYS,
                *KEY_CODES,
                "insufficient_funds",
                "merchant_not_found",
                "account_not_found",
                "unknown_currency",
                "approval_required",
            ),
        },
    )
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Post transfers in order, each seeing what the earlier ones did; with `atomic` all or
        nothing.
        """
        body = read_body(request)
        values = validate(BatchBody, body)
        envelope = Envelope(
            render=_render_results,
            render_failure=_render_failure,
            key=request_key(request, body),
            atomic=values["atomic"],
        )
        items = await map_in_slices(partial(_item, request), values["transfers"])
        try:
            actor = actor_of(request)
            guard = await transfer_guard(actor)
            result = await execute_batch(items, envelope=envelope, render=renderer(request, 201, posted), actor=actor, guard=guard)
        except BatchItemInvalid as invalid:
            return _problem_at(invalid.index, invalid.error, request)
        return answer(request, result)


def _item(request: HttpRequest, raw: object) -> BatchItem:
    """Return one item, or what is wrong with it."""
    try:
        values = validate(BatchItemBody, raw)
        single = {name: value for name, value in cast("dict[str, Any]", raw).items() if name != "idempotency_key"}
        key = Key(actor_of(request).owner, parse_key(values["idempotency_key"]), fingerprint("POST", SINGLE_PATH, single))
        return BatchItem(transfer_request(request, values), key)
    except (ValidationFailed, IdempotencyKeyInvalid) as error:
        return BatchItem(None, None, error)


def _render_results(results: Sequence[Result]) -> Answer:
    """Join the answers of the items as they are: a replay has the bytes of the first answer."""
    parts = []
    for result in results:
        status = result.answer.status_code
        name = b"transfer" if status < 400 else b"error"
        parts.append(b'{"status":%d,"%s":%s}' % (status, name, result.answer.body))
    return Answer(200, b'{"results":[' + b",".join(parts) + b"]}")


def _render_failure(index: int, result: Result) -> Answer:
    problem = {**json.loads(result.answer.body), "index": index}
    return Answer(result.answer.status_code, dumps(problem))


def _problem_at(index: int, error: InvalidRequest, request: HttpRequest) -> HttpResponse:
    response = problem_response(error, request)
    body = {**document(error, request_id=api_request(request).request_id), "index": index}
    return raw_response(response.status_code, dumps(body))
